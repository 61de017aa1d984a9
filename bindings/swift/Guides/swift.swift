import Dispatch
import Foundation
import FoundationNetworking
import Observation
import Throughline
import UIKit

@Observable
final class ProfileModel {
    var displayName = ""
    var isLoading = false
}

@MainActor var configuration = Configuration(serviceName: "shop")
@MainActor let profile = Traced(ProfileModel(), as: "UserProfile") { $0.path("displayName", \.displayName) }
let session = TracedURLSession()
let request = URLRequest(url: URL(string: "https://api.example.com/me")!)
let queue = DispatchQueue(label: "app")
let name = "Ada"
let row = 7
let cart = ["A-17"]

@Sendable func save() {}
