import Foundation
internal import ThroughlineFFIGenerated

/// The main thread, as the core's watchdog sees it.
final class ShownMainThread: HostMainThread {
    func ask() throws {
        DispatchQueue.main.async { Throughline.beat() }
    }

    func stack() throws -> String { "" }
}

extension Throughline {
    /// Watches the main thread while the app is in the foreground: ten times a second it gets an
    /// empty task. When it does not respond for `threshold` seconds, at least 0.5, that is recorded:
    /// as an error `AppHang` when it comes back, and by the next start as the end of the app when it
    /// does not. The report has no stack: iOS shows that of another thread only to a debugger, and
    /// to MetricKit, whose hangs are errors of their own (``Configuration/reportMetricKit``).
    ///
    /// Call it before or after ``start(_:consent:)``.
    public static func watchMainThread(threshold: TimeInterval = 2) {
        Running.shared.whenStarted(.mainThread) { core in
            Running.shared.setWatching(core)
            core.watchMain(main: ShownMainThread(), threshold: threshold)
        }
    }

    /// The main thread lives.
    static func beat() {
        Running.shared.watching?.beat()
    }

    /// Sends the crashes of earlier runs and waits for at most `timeout` seconds until none waits
    /// any more, if the last run died within 5 seconds of its start; else it returns at once. For an
    /// app that may crash again before anything could be sent. Call it off the main thread, or with
    /// a short time.
    @discardableResult
    public static func flushCrashes(timeout: TimeInterval = 2) -> FlushOutcome {
        Running.shared.core.map { FlushOutcome($0.flushCrashes(timeout: timeout)) } ?? .ofNobody
    }
}
