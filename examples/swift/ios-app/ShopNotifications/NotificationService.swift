// A process of its own, which the system starts for a notification and ends soon after. It sends
// nothing: the app does, from the directory that they share.
import Throughline
import UserNotifications

final class NotificationService: UNNotificationServiceExtension {
    override func didReceive(
        _ request: UNNotificationRequest,
        withContentHandler contentHandler: @escaping (UNNotificationContent) -> Void
    ) {
        start()
        Throughline.event("notification.received")
        // The system may suspend the process as soon as it has the content, and ends one that holds
        // a lock then.
        Throughline.suspendStorage()
        contentHandler(request.content)
    }

    /// The system uses one process for several notifications.
    private func start() {
        if Throughline.isRunning {
            // The user may have decided in the app meanwhile.
            Throughline.setConsent(Telemetry.consent)
            Throughline.resumeStorage()
            return
        }
        var configuration = Telemetry.configuration(endpoint: nil)
        configuration.reportMetricKit = false
        configuration.resource = ["app.process": "notification-service"]
        try? Throughline.start(configuration, consent: Telemetry.consent)
    }
}
