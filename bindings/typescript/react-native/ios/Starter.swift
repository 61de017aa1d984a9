import Dispatch
import Foundation
import Throughline

/// Starts and ends the client for JavaScript, through the facade that an app in Swift uses. The
/// answers are JSON, as `src/NativeThroughline.ts` describes them. Nothing is thrown.
enum Starter {
    /// How long a flush or a shutdown may take at most, in seconds, whatever JavaScript says.
    private static let longestCall: TimeInterval = 600

    /// How many flushes and shutdowns may wait.
    private static let maxWaiting = 100

    /// Starts the client, unless it runs: the app may have started it itself.
    ///
    /// - Parameter started: Called when this has started it.
    static func start(_ config: String, started: () -> Void = {}) -> String {
        answering {
            if Throughline.isRunning { return attached }
            let request = try StartRequest(json: config)
            do {
                try Throughline.start(request.configuration, consent: request.consent)
            } catch ThroughlineError.closed {
                // The app has started it at the same moment, and may not have ended that.
                return Throughline.isRunning ? attached : #"{"attached":true,"starting":true}"#
            }
            started()
            return "{}"
        }
    }

    /// When the process was started for its user, in ms since 1970, the first time that somebody
    /// asks in this process. Else 0.
    ///
    /// - Parameter opened: Says when that was, in seconds.
    static func processStart(_ opened: () -> TimeInterval?) -> Double {
        asked.enter(atMost: 1) ? (opened() ?? 0) * 1_000 : 0
    }

    /// Sends everything. It waits.
    static func flush(_ timeoutMs: Double) -> String {
        answering {
            let outcome = try Throughline.flush(timeout: seconds(timeoutMs))
            return json(
                Flushed(
                    isComplete: outcome.isComplete, delivered: outcome.delivered, waiting: outcome.waiting,
                    reason: outcome.reason))
        }
    }

    /// Ends the client. It waits.
    static func shutdown(_ timeoutMs: Double) -> String {
        answering { json(["complete": try Throughline.shutdown(timeout: seconds(timeoutMs))]) }
    }

    /// Does what waits on another thread: two at a time, so that a shutdown need not wait for a
    /// flush.
    static func later(_ work: @escaping @Sendable () -> Void, refused: (String) -> Void) {
        guard waiting.enter(atMost: maxWaiting) else { return refused(error("closed", "too many calls wait")) }
        calls.addOperation {
            work()
            waiting.leave()
        }
    }

    private static let attached = #"{"attached":true}"#

    private static let calls: OperationQueue = {
        let calls = OperationQueue()
        calls.name = "dev.throughline.calls"
        calls.maxConcurrentOperationCount = 2
        calls.qualityOfService = .utility
        return calls
    }()

    private static let waiting = Places()

    /// One, for the first who asks.
    private static let asked = Places()

    /// How many places are taken.
    private final class Places: @unchecked Sendable {
        private let lock = NSLock()
        private var count = 0

        func enter(atMost most: Int) -> Bool {
            lock.lock()
            defer { lock.unlock() }
            if count >= most { return false }
            count += 1
            return true
        }

        func leave() {
            lock.lock()
            count -= 1
            lock.unlock()
        }
    }

    private struct Flushed: Encodable {
        let isComplete: Bool
        let delivered: UInt64
        let waiting: UInt64
        let reason: String?
    }

    private static func answering(_ work: () throws -> String) -> String {
        do { return try work() } catch let invalid as InvalidField {
            return error("invalidConfig", invalid.message)
        } catch ThroughlineError.invalidConfiguration(let reason) {
            return error("invalidConfig", reason)
        } catch ThroughlineError.storage(let reason) {
            return error("storage", reason)
        } catch ThroughlineError.closed(let reason) {
            return error("closed", reason)
        } catch ThroughlineError.library(let reason) {
            return error("library", reason)
        } catch let failure {
            return error("storage", "\(failure)")
        }
    }

    private static func error(_ kind: String, _ reason: String) -> String { json(["error": kind, "reason": reason]) }

    private static func json(_ value: some Encodable) -> String {
        (try? JSONEncoder().encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }

    /// A time of JavaScript's. What is no time is none.
    private static func seconds(_ ms: Double) -> TimeInterval {
        ms.isNaN ? 0 : min(max(0, ms / 1_000), longestCall)
    }
}
