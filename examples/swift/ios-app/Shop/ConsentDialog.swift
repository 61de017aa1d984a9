// Asks once whether anything may be sent. Until there is an answer, events wait on the device.
// Then the system asks whether notifications may be shown: without that, it never starts the
// extension.
import SwiftUI
import ThroughlineUI
import UserNotifications

struct ConsentDialog: ViewModifier {
    @AppStorage("telemetry.consent", store: Telemetry.answers) private var answer = ""

    func body(content: Content) -> some View {
        content.alert("Help to improve the shop?", isPresented: .constant(answer.isEmpty)) {
            Button("Share") { decide("granted", .granted) }
            Button("Do not share") { decide("denied", .denied) }
        } message: {
            Text("The app would send what you tap, how long it takes and what fails. Never what you type.")
        }
    }

    private func decide(_ answer: String, _ consent: Consent) {
        self.answer = answer
        Throughline.setConsent(consent)
        Task { _ = try? await UNUserNotificationCenter.current().requestAuthorization(options: [.alert]) }
    }
}
