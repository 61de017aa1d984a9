import Foundation
import Throughline
import UIKit

@MainActor var configuration = Configuration(serviceName: "shop")

enum Answer {
    static var kept: Answer? { nil }
    case granted, denied
    var consent: Consent { self == .granted ? .granted : .denied }
}
