import Foundation
internal import ThroughlineFFIGenerated

/// What was made of a payload of MetricKit's.
public struct DiagnosticsOutcome: Sendable, Equatable {
    /// Whether the payload is done with. False when that took too long or the client does not run:
    /// hand the same payload to the next start as well.
    public let isComplete: Bool
    /// How many errors were reported.
    public let reported: Int
    /// How many diagnostics were reported before, or by the process that crashed itself.
    public let known: Int
    /// How many were left out: of a time before there was a client, too many, or no error of the
    /// app's.
    public let left: Int
    /// Why the payload was not read, or not yet.
    public let reason: String?

    init(_ outcome: ThroughlineFFIGenerated.DiagnosticsOutcome) {
        isComplete = outcome.complete
        (reported, known, left) = (Int(outcome.reported), Int(outcome.known), Int(outcome.left))
        reason = outcome.reason
    }
}

extension Throughline {
    /// Reports what iOS says about earlier processes of the app: one payload of MetricKit's, of
    /// diagnostics or of metrics, as its `jsonRepresentation()` writes it. Each diagnostic is
    /// reported once ever, and a crash not at all when the app has reported it itself.
    ///
    /// ``Configuration/reportMetricKit`` does that by itself. Without it, call this at each start,
    /// with `{}` when there is no payload: what is older than the first call is of a time before
    /// there was a client, and is not reported.
    ///
    /// It waits: call it off the main thread.
    ///
    /// - Parameters:
    ///   - json: The payload, at most 8 MiB.
    ///   - timeout: How long it waits at most, in seconds.
    @discardableResult
    public static func reportDiagnostics(_ json: Data, timeout: TimeInterval = 10) -> DiagnosticsOutcome {
        // A payload's times are the device's, and name no zone.
        let offset = Int32(clamping: TimeZone.current.secondsFromGMT())
        let outcome = Running.shared.core?.reportDiagnostics(payload: json, utcOffset: offset, timeout: timeout)
        return DiagnosticsOutcome(
            outcome ?? .init(complete: false, reported: 0, known: 0, left: 0, reason: "Throughline does not run"))
    }
}
