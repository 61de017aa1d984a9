import Foundation

/// What the platform measures. `ThroughlineUI` feeds most of it.
extension Throughline {
    /// Records that the main thread was busy for long, in seconds.
    public static func longTask(_ duration: TimeInterval, frozenFrame: Bool = false) {
        Recorder.record(.longTask) {
            $0.u64(duration.nanoseconds)
            $0.flag(frozenFrame)
            $0.attributes([:])
        }
    }

    /// Counts the frames that were drawn since the last call, for the current view.
    public static func frames(_ count: Int) { Recorder.record(.frames) { $0.u64(UInt64(clamping: count)) } }

    /// Records a frame that took too long, in seconds. From 0.7 s on it is a frozen frame.
    public static func slowFrame(_ duration: TimeInterval) {
        Recorder.record(.slowFrame) { $0.u64(duration.nanoseconds) }
    }

    /// Takes a sample of the memory that the process uses, for the current view.
    public static func memory(bytes: UInt64) { Recorder.record(.memory) { $0.u64(bytes) } }

    /// Adds CPU time that the process used since the last call, in seconds, to the current view.
    public static func cpuTime(_ used: TimeInterval) { Recorder.record(.cpuTime) { $0.u64(used.nanoseconds) } }

    /// Records how long the process took to start, in seconds. The type is `cold`, `warm` or `hot`.
    public static func processStart(_ type: String, _ duration: TimeInterval) {
        Recorder.record(.processStart) {
            $0.text(type)
            $0.u64(duration.nanoseconds)
        }
    }

    /// Records how long it took until the first frame was shown, in seconds.
    public static func initialDisplay(_ duration: TimeInterval) {
        Recorder.record(.initialDisplay) { $0.u64(duration.nanoseconds) }
    }

    /// Records that the *app's own* synchronization failed: the name of the call, the code of the
    /// failure, how often it was tried again, and whether there was no network.
    public static func syncFailure(rpc: String, code: String, retries: Int, offline: Bool) {
        Recorder.record(.syncFailure) {
            $0.text(rpc)
            $0.text(code)
            $0.u32(UInt32(clamping: retries))
            $0.flag(offline)
        }
    }

    /// Records that the *app's own* queue was flushed: how many entries it had, and whether all of
    /// them were sent.
    public static func queueFlush(depth: Int, ok: Bool) {
        Recorder.record(.queueFlush) {
            $0.u64(UInt64(clamping: depth))
            $0.flag(ok)
        }
    }
}

extension TimeInterval {
    /// Whole nanoseconds. 0 for what is negative or not a number, and at most 31 years.
    var nanoseconds: UInt64 { isNaN ? 0 : UInt64(Swift.min(Swift.max(0, self * 1e9), 1e18)) }
}
