import Foundation
import ProfileFlow
import Throughline

// `profile-app COLLECTOR BACKEND`: as `throughline inspect --sample-backend` prints them.
guard CommandLine.arguments.count == 3 else {
    print("usage: profile-app COLLECTOR BACKEND")
    exit(2)
}
let (collector, backend) = (CommandLine.arguments[1], CommandLine.arguments[2])
try startTelemetry(
    collector: collector, dataDir: FileManager.default.temporaryDirectory.appendingPathComponent("profile-swift"))
let model = ProfileModel(ProfileAPI(url: backend))
Throughline.startView("Profile")
Throughline.tap("save")
await model.rename("Ada")
await model.rename("taken")
// The user leaves the view, which ends the action that still collects.
Throughline.stopView()
print("The name is \(model.profile.displayName).")
let delivered = try Throughline.flush(timeout: 5).delivered
print("Delivered: \(delivered) events. Session: \(collector)/session/\(Throughline.sessionId ?? "")")
try Throughline.shutdown()
