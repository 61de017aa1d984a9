import Foundation
internal import ThroughlineFFIGenerated

/// Keeps sessions that are not sampled on the device, and sends one when something happens in it: a
/// crash, an error, a slow operation, or ``Throughline/reportProblem(_:)``. From then on the
/// session is recorded as a sampled one is.
public struct TailSampling: Sendable {
    /// How far back events are kept, 60 to 3,600 seconds.
    public var window: TimeInterval = 300
    /// How many bytes of events are kept, 64 KiB to 8 MiB. The oldest are dropped first.
    public var bytes = 2 * 1_024 * 1_024
    /// Whether every session waits for its reason, also those that the sample rate would keep.
    public var allSessions = false
    /// Whether a handled error is a reason to send. Crashes, hangs and ANRs always are.
    public var onError = true
    /// An operation that takes at least this long, in seconds, is a reason to send. `nil`: no
    /// duration is.
    public var slowOperation: TimeInterval?

    /// The defaults.
    public init() {}

    var generated: ThroughlineFFIGenerated.TailSampling {
        ThroughlineFFIGenerated.TailSampling(
            window: window, bytes: UInt64(clamping: bytes), allSessions: allSessions, onError: onError,
            slowOperation: slowOperation)
    }
}
