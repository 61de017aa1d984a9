import Dispatch
import Foundation
import FoundationNetworking
import Throughline

final class ProfileModel {
    var displayName = ""
    var isLoading = false
}

struct API {
    func rename(_ name: String) async throws {}
}

@MainActor var configuration = Configuration(serviceName: "shop")
@MainActor let profile = Traced(ProfileModel(), as: "UserProfile") { $0.path("displayName", \.displayName) }
let api = API()
let cart = ["A-17"]
let directory = FileManager.default.temporaryDirectory
let key = "secret"
let name = "Ada"
let (old, new) = ("", "SPRING")
let queue = DispatchQueue(label: "app")
let request = URLRequest(url: URL(string: "https://api.example.com/me")!)
let row = 7
let sku = "A-17"

@Sendable func save() {}

func send(_ request: URLRequest) async throws -> (Data, URLResponse) {
    try await URLSession.shared.data(for: request)
}
