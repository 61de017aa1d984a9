// How the app and its extension start Throughline: with one directory, and one answer of the
// user's.
import Foundation
import Throughline

enum Telemetry {
    static let appGroup = "group.com.example.shop"
    static let uploads = "com.example.shop.throughline"

    /// The user's answer, where the app and its extension can read it.
    static var answers: UserDefaults { UserDefaults(suiteName: appGroup) ?? .standard }

    static var consent: Consent {
        switch answers.string(forKey: "telemetry.consent") {
        case "granted": .granted
        case "denied": .denied
        default: .pending
        }
    }

    /// What both of them start with. Without an endpoint, nothing is sent.
    static func configuration(endpoint: String?) -> Configuration {
        var configuration = Configuration(serviceName: "shop", endpoint: endpoint)
        configuration.environment = .development
        // Without the entitlement, for example before a team is chosen, each has a directory of its
        // own.
        configuration.dataDir = try? Configuration.sharedDataDir(appGroup: appGroup)
        return configuration
    }
}
