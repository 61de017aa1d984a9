// What `MetricKitReporter` uses of the facade, of which only that file is compiled here.

import Foundation

enum Throughline {
    static func reportDiagnostics(_ json: Data) -> (isComplete: Bool, reason: String?) { (true, nil) }
}
