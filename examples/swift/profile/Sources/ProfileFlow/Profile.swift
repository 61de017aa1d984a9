import Foundation
import Throughline
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// What the screen shows. From iOS 17 on it can be `@Observable`; nothing else changes.
@MainActor
public final class UserProfile {
    public var displayName = ""
    public var isLoading = false

    public init() {}
}

/// The server has refused a request.
public struct Refused: Error { public let status: Int }

/// The app's own API.
public struct ProfileAPI: Sendable {
    let url: String
    let session: TracedURLSession

    public init(url: String, session: TracedURLSession = TracedURLSession()) { (self.url, self.session) = (url, session) }

    func rename(_ name: String) async throws {
        var request = URLRequest(url: URL(string: "\(url)/api/me")!)
        request.httpMethod = "PUT"
        request.setValue("application/json", forHTTPHeaderField: "content-type")
        request.httpBody = try JSONEncoder().encode(["displayName": name])
        let (_, response) = try await session.data(for: request)
        let status = (response as? HTTPURLResponse)?.statusCode ?? 0
        guard status == 200 else { throw Refused(status: status) }
    }
}

/// The screen's model. The profile is traced, and renaming is an operation. No other wiring is
/// needed.
@MainActor
public final class ProfileModel {
    public let profile: Traced<UserProfile>
    private let api: ProfileAPI

    public init(_ api: ProfileAPI, name: String = "UserProfile") {
        self.api = api
        var policy = StorePolicy(transient: ["isLoading"])
        policy.maxActionsPerSecond = 100
        profile = Traced(UserProfile(), as: name, policy: policy) {
            $0.path("displayName", \.displayName)
            $0.path("isLoading", \.isLoading)
        }
    }

    public func rename(_ name: String) async {
        do {
            try await Throughline.operation("UpdateDisplayName", ["length": name.count]) { _ in
                profile.isLoading = true
                defer { profile.isLoading = false }
                try await api.rename(name)
                profile.displayName = name
            }
        } catch {
            // The operation has recorded the error. The screen shows the old name.
        }
    }
}

/// Starts Throughline as an app does, in a directory of its own.
public func startTelemetry(collector: String, dataDir: URL) throws {
    var configuration = Configuration(serviceName: "profile-swift", endpoint: collector)
    configuration.dataDir = dataDir
    configuration.environment = .development
    configuration.startJitter = false
    configuration.traceHosts = [TraceHost("127.0.0.1")]
    try Throughline.start(configuration, consent: .granted)
}
