// Throughline and the other library use their SQLite in turn.
import Foundation
import Other
import Throughline

let folder = FileManager.default.temporaryDirectory.appendingPathComponent("throughline-linking-\(UUID())")
defer { try? FileManager.default.removeItem(at: folder) }
// Nobody listens there: what is recorded stays in Throughline's queue.
var configuration = Configuration(serviceName: "linking", endpoint: "http://127.0.0.1:9")
configuration.dataDir = folder
try Throughline.start(configuration, consent: .granted)
Throughline.action("linked")
let outcome = try Throughline.flush(timeout: 1)
let other = other_sqlite_version()
let storage = Throughline.health()?.storage ?? "off"
try Throughline.shutdown()
print("the other SQLite is \(other), and \(outcome.waiting) events wait in Throughline's, which is \(storage)")
precondition(other > 0 && outcome.waiting > 0 && storage == "open")
