// A program that dies. `ThroughlineDies KIND PLACE [DIRECTORY]`: with a directory, Throughline runs
// in it, and the program dies in an open view and an operation that runs. Before that it prints the
// ids of its session and of its trace. Without a directory it dies alone, for comparison.

import Foundation
import Throughline

let arguments = CommandLine.arguments
guard arguments.count == 3 || arguments.count == 4, let kind = Kind(rawValue: arguments[1]),
    let place = Place(rawValue: arguments[2])
else {
    print("usage: ThroughlineDies KIND PLACE [DIRECTORY]")
    exit(2)
}
if ProcessInfo.processInfo.environment["THROUGHLINE_OTHERS"] == "before" { Others.install() }
// It runs until the end. Whoever keeps an operation no more has abandoned it.
let operation = arguments.count == 4 ? try begin(in: arguments[3]) : nil
if ProcessInfo.processInfo.environment["THROUGHLINE_OTHERS"] == "after" { Others.install() }
place.run { kind.die() }
// Whoever dies elsewhere ends this thread, too.
while true { sleep(1) }

/// Writes a line at once.
func say(_ line: String) { FileHandle.standardOutput.write(Data("\(line)\n".utf8)) }

func begin(in directory: String) throws -> TracedOperation {
    var configuration = Configuration(serviceName: "dies")
    configuration.dataDir = URL(fileURLWithPath: directory)
    configuration.environment = .test
    configuration.selfReport = false
    try Throughline.start(configuration, consent: .granted)
    // From then on crashes are written down.
    while Throughline.health()?.storage != "open" { usleep(1_000) }
    Throughline.startView("Checkout")
    let operation = Throughline.startOperation("Pay")
    say("\(Throughline.sessionId ?? "") \(operation.context.traceId ?? "")")
    return operation
}
