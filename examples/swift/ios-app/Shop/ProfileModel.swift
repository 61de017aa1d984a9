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
    /// Where `throughline inspect --sample-backend` serves the shop.
    private let backend = Bundle.main.object(forInfoDictionaryKey: "ShopBackend") as? String ?? ""

    /// Shows the new name at once, and takes it back when the server refuses it.
    func rename(_ name: String) async -> String {
        let before = profile.displayName
        return await attempt("UpdateDisplayName", "PUT", "\(backend)/api/me", ["displayName": name]) {
            profile.displayName = name
        } undo: {
            profile.displayName = before
        }
    }

    /// A request to a port on which nobody listens.
    func fail() async -> String {
        await attempt("Fail", "GET", "http://127.0.0.1:9/nothing", nil) {} undo: {}
    }

    private func attempt(
        _ operation: String, _ method: String, _ url: String, _ body: [String: String]?, change: () -> Void,
        undo: () -> Void
    ) async -> String {
        do {
            try await Throughline.operation(operation) { _ in
                profile.isLoading = true
                defer { profile.isLoading = false }
                change()
                guard let url = URL(string: url) else { throw URLError(.badURL) }
                var request = URLRequest(url: url)
                request.httpMethod = method
                if let body {
                    request.setValue("application/json", forHTTPHeaderField: "Content-Type")
                    request.httpBody = try JSONEncoder().encode(body)
                }
                let (_, response) = try await session.data(for: request)
                // An answer is no error to `URLSession`, whatever its status says.
                guard let answer = response as? HTTPURLResponse, (200..<300).contains(answer.statusCode) else {
                    throw URLError(.badServerResponse)
                }
            }
            return "\(operation): done"
        } catch {
            undo()
            return "\(operation): \(error.localizedDescription)"
        }
    }
}
