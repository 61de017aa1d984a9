import Foundation

#if canImport(MetricKit) && (os(iOS) || DECLARATIONS)
import MetricKit

/// Hands what iOS says about earlier processes of the app to the core: MetricKit's payloads.
///
/// iOS delivers each payload once, so one that the core could not take waits here for the next
/// start of the client.
final class MetricKitReporter: NSObject, MXMetricManagerSubscriber, @unchecked Sendable {
    private static let shared = MetricKitReporter()

    /// How many payloads wait at most. Those that are left out are not delivered again.
    private static let maxWaiting = 16

    /// Payloads are read one after the other, and not on the thread that starts the client.
    private let queue = DispatchQueue(label: "dev.throughline.metrickit", qos: .utility)
    private let lock = NSLock()
    private var isSubscribed = false
    /// Only the queue touches it.
    private var waiting: [Data] = []

    /// Begins or ends to report. Called at each start of the client.
    static func report(_ isWanted: Bool) { shared.report(isWanted) }

    private func report(_ isWanted: Bool) {
        let isNew = lock.withLock {
            defer { isSubscribed = isWanted }
            return isSubscribed != isWanted
        }
        let manager = MXMetricManager.shared
        if isNew && !isWanted { manager.remove(self) }
        if !isWanted { return }
        // The core takes what is older than its first payload for something of a time before there
        // was a client. It must come before those that iOS delivers.
        handIn([Data("{}".utf8)])
        if isNew {
            manager.add(self)
            handIn(manager.pastDiagnosticPayloads.map { $0.jsonRepresentation() })
            handIn(manager.pastPayloads.map { $0.jsonRepresentation() })
        }
    }

    func didReceive(_ payloads: [MXDiagnosticPayload]) { handIn(payloads.map { $0.jsonRepresentation() }) }

    func didReceive(_ payloads: [MXMetricPayload]) { handIn(payloads.map { $0.jsonRepresentation() }) }

    private func handIn(_ payloads: [Data]) {
        if payloads.isEmpty { return }
        queue.async {
            let all = self.waiting + payloads
            let left = all.filter { !Throughline.reportDiagnostics($0).isComplete && $0.count > 2 }
            self.waiting = Array(left.suffix(Self.maxWaiting))
        }
    }
}
#else
/// There is nothing to report without MetricKit.
enum MetricKitReporter {
    static func report(_: Bool) {}
}
#endif
