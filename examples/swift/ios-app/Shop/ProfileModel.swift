// What the user changes. Throughline records the change, the request, and that they belong
// together.
import Foundation
import Observation
import ThroughlineUI

@Observable
final class UserProfile {
    var displayName = "you"
    var isLoading = false
}

@MainActor
final class ProfileModel {
    let profile = Traced(UserProfile(), as: "UserProfile", policy: StorePolicy(transient: ["isLoading"])) {
        $0.path("displayName", \.displayName)
        $0.path("isLoading", \.isLoading)
    }
    private let session = TracedURLSession()

    /// Shows the new name at once, and takes it back when the server refuses it.
    func rename(_ name: String) async -> String {
        let before = profile.displayName
        return await attempt("UpdateDisplayName", "PUT", "https://api.example.com/me") {
            profile.displayName = name
        } undo: {
            profile.displayName = before
        }
    }

    /// A request to a port on which nobody listens.
    func fail() async -> String {
        await attempt("Fail", "GET", "http://127.0.0.1:9/nothing") {} undo: {}
    }

    private func attempt(
        _ operation: String, _ method: String, _ url: String, change: () -> Void, undo: () -> Void
    ) async -> String {
        do {
            try await Throughline.operation(operation) { _ in
                profile.isLoading = true
                defer { profile.isLoading = false }
                change()
                var request = URLRequest(url: URL(string: url)!)
                request.httpMethod = method
                _ = try await session.data(for: request)
            }
            return "\(operation): done"
        } catch {
            undo()
            return "\(operation): \(error.localizedDescription)"
        }
    }
}
