// One screen: a state that is traced, a request that fails, a crash, and what Throughline says of
// itself. All of it works without a network; what was recorded is sent later.
import SwiftUI
import ThroughlineUI

struct HomeScreen: View {
    @Environment(\.scenePhase) private var phase
    @State private var model = ProfileModel()
    @State private var name = ""
    @State private var answer = ""

    var body: some View {
        VStack {
            Text("Hello, \(model.profile.displayName)")
            TextField("Name", text: $name)
            Button("Save") { Task { answer = await model.rename(name) } }.tracedTap("save")
            Button("Fail a request") { Task { answer = await model.fail() } }.tracedTap("fail")
            Button("Crash") { fatalError("the button was tapped") }.tracedTap("crash")
            Button("What keeps data from arriving?") { Task { answer = await diagnosis() } }.tracedTap("diagnose")
            Text(AppDelegate.failure ?? answer)
        }
        .tracedView("Home")
        // The view stays open while the app is away: it is the same visit when the user comes back.
        .onChange(of: phase) { _, phase in Throughline.log(.info, "the scene is \(phase)") }
    }

    /// It tries to send, and waits: not on the main thread.
    private func diagnosis() async -> String {
        await Task.detached { "\(Throughline.diagnose())" }.value
    }
}
