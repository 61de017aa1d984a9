// The app: starts Throughline before the first window, and hands on what the system reports.
import SwiftUI
import ThroughlineUI
import UIKit

@main
struct ShopApp: App {
    @UIApplicationDelegateAdaptor(AppDelegate.self) private var delegate

    var body: some Scene {
        WindowGroup { HomeScreen().modifier(ConsentDialog()) }
    }
}

final class AppDelegate: NSObject, UIApplicationDelegate {
    /// Why the start has failed. `nil`: it has not.
    static private(set) var failure: String?

    func application(
        _ application: UIApplication, didFinishLaunchingWithOptions options: [UIApplication.LaunchOptionsKey: Any]? = nil
    ) -> Bool {
        let endpoint = Bundle.main.object(forInfoDictionaryKey: "TelemetryEndpoint") as? String
        var configuration = Telemetry.configuration(endpoint: endpoint)
        configuration.traceHosts = [TraceHost("127.0.0.1")]
        configuration.deviceTag = UIDevice.current.identifierForVendor?.uuidString
        // The system sends, also after the app has left the screen.
        configuration.pull = true
        do {
            try Throughline.start(configuration, consent: Telemetry.consent)
            try BackgroundUploads.start(identifier: Telemetry.uploads)
        } catch {
            Self.failure = "\(error)"
        }
        AppStory.install()
        return true
    }

    func application(
        _ application: UIApplication, handleEventsForBackgroundURLSession identifier: String,
        completionHandler: @escaping () -> Void
    ) {
        BackgroundUploads.handleEvents(completionHandler: completionHandler)
    }
}
