internal import ThroughlineFFIGenerated
#if canImport(os)
import os

/// Gives what ``Configuration/debug`` prints to the system's log, because nobody reads the standard
/// error of an app on a device. Console shows it under the subsystem `dev.throughline`.
final class SystemLog: HostLog {
    private let logger = Logger(subsystem: "dev.throughline", category: "debug")

    func line(line: String) {
        // The core prints neither values nor texts of the app's.
        logger.notice("\(line, privacy: .public)")
    }
}
#endif

/// Where the debug log goes. `nil`: to standard error.
func hostLog() -> (any HostLog)? {
    #if canImport(os)
    SystemLog()
    #else
    nil
    #endif
}
