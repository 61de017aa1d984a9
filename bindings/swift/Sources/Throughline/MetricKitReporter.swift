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
        // Not here: this may be the main thread at the launch of the app, and payloads are large.
        queue.async {
            let manager = MXMetricManager.shared
            if isNew && !isWanted { manager.remove(self) }
            if !isWanted { return }
            self.begin()
            if isNew {
                manager.add(self)
                self.handIn(manager.pastDiagnosticPayloads.map { $0.jsonRepresentation() })
                self.handIn(manager.pastPayloads.map { $0.jsonRepresentation() })
            }
        }
    }

    /// The client may record from now on.
    static func consented() {
        shared.queue.async { if shared.lock.withLock({ shared.isSubscribed }) { shared.begin() } }
    }

    /// The core takes what is older than its first payload for something of a time before there was
    /// a client or a consent. So it must have one before those that iOS delivers.
    private func begin() {
        _ = Throughline.reportDiagnostics(Data("{}".utf8))
        handIn([])
    }

    func didReceive(_ payloads: [MXDiagnosticPayload]) {
        let read = payloads.map { $0.jsonRepresentation() }
        queue.async { self.handIn(read) }
    }

    func didReceive(_ payloads: [MXMetricPayload]) {
        let read = payloads.map { $0.jsonRepresentation() }
        queue.async { self.handIn(read) }
    }

    /// Runs on the queue.
    private func handIn(_ payloads: [Data]) {
        let left = (waiting + payloads).filter { !Throughline.reportDiagnostics($0).isComplete }
        waiting = Array(left.suffix(Self.maxWaiting))
    }
}
#else
/// There is nothing to report without MetricKit.
enum MetricKitReporter {
    static func report(_: Bool) {}
    static func consented() {}
}
#endif
