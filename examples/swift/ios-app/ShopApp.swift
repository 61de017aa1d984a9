// The wiring of an iOS app, to be read. To run it, Xcode and the XCFramework are needed. CI checks
// its types; it was never run.
import Observation
import SwiftUI
import ThroughlineUI
import UIKit

@Observable
final class UserProfile {
    var displayName = ""
    var isLoading = false
}

@MainActor
final class ProfileModel {
    let profile = Traced(UserProfile(), as: "UserProfile", policy: StorePolicy(transient: ["isLoading"])) {
        $0.path("displayName", \.displayName)
        $0.path("isLoading", \.isLoading)
    }
    private let session = TracedURLSession()

    func rename(_ name: String) async {
        try? await Throughline.operation("UpdateDisplayName") { _ in
            profile.isLoading = true
            defer { profile.isLoading = false }
            var request = URLRequest(url: URL(string: "https://api.example.com/me")!)
            request.httpMethod = "PUT"
            request.httpBody = try JSONEncoder().encode(["displayName": name])
            _ = try await session.data(for: request)
            profile.displayName = name
        }
    }
}

@main
struct ShopApp: App {
    init() {
        var configuration = Configuration(serviceName: "shop", endpoint: "https://otlp.example.com")
        configuration.traceHosts = [TraceHost("api.example.com")]
        configuration.deviceTag = UIDevice.current.identifierForVendor?.uuidString
        configuration.transport = URLSessionTransport()
        do {
            try Throughline.start(configuration, consent: .pending)
        } catch {
            assertionFailure("\(error)")
        }
        AppStory.install()
    }

    var body: some Scene {
        WindowGroup { ProfileScreen() }
    }
}

struct ProfileScreen: View {
    @State private var model = ProfileModel()
    @State private var name = ""

    var body: some View {
        VStack {
            Text(model.profile.displayName)
            TextField("Name", text: $name)
            Button("Save") { Task { await model.rename(name) } }.tracedTap("save")
        }
        .tracedView("Profile")
        .task { Throughline.setConsent(.granted) }
    }
}
