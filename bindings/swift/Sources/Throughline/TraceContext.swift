import Foundation

/// A place in a trace: what happens inside ``run(_:)`` belongs to it. It may be kept,
/// handed to other threads, and used after the operation that it came from has ended.
public struct TraceContext: Sendable, Hashable {
    let slot: UInt64

    /// The current context, to be kept for later.
    public static var current: TraceContext { TraceContext(slot: Recorder.slot) }

    /// The context that came with a message, for example in a frame of a WebSocket or a push. When
    /// the headers have no valid context, a new trace begins. Headers that carry no context are not
    /// read.
    public init(headers: [String: String]) {
        let slot = Recorder.nextSlot()
        // A dictionary has no order, so that the first headers of it could be any.
        let headers = headers.filter { TraceHeaders.names.contains($0.key.lowercased()) }.prefix(Limit.headers)
        Recorder.record(.readContext, context: 0) {
            $0.u64(slot)
            $0.u16(UInt16(headers.count))
            for (name, value) in headers {
                $0.text(name)
                $0.text(value, limit: Limit.urlBytes)
            }
        }
        self.slot = slot
    }

    init(slot: UInt64) { self.slot = slot }

    /// Takes the context that ``keep(for:)`` has kept. `nil` when there is none, when it was taken
    /// already, or when it is older than 5 minutes.
    public static func take(for key: String) -> TraceContext? {
        let slot = Recorder.nextSlot()
        let answer = Recorder.record(.takeContext, context: 0) {
            $0.u64(slot)
            $0.text(key, limit: Limit.keyBytes)
        }
        return answer == Answer.done ? TraceContext(slot: slot) : nil
    }

    /// Keeps the context under the id of a message whose answer comes later: a push, or an answer
    /// over a WebSocket. 10,000 contexts are kept at once, each for 5 minutes. Keys have at most
    /// 128 bytes.
    ///
    /// - Returns: False when the context was not kept.
    @discardableResult
    public func keep(for key: String) -> Bool {
        Recorder.record(.keepContext, context: slot) { $0.text(key, limit: Limit.keyBytes) } == Answer.done
    }

    /// Runs `work` in this context.
    public func run<T>(_ work: () throws -> T) rethrows -> T {
        try Recorder.$slot.withValue(slot, operation: work)
    }

    /// Runs `work` in this context, through every suspension and in the tasks that it creates, on
    /// the caller's actor.
    public func run<T>(
        isolation: isolated (any Actor)? = #isolation, _ work: () async throws -> T
    ) async rethrows -> T {
        try await Recorder.$slot.withValue(slot, operation: work, isolation: isolation)
    }

    /// The headers for a request to `url` in this context. `existing` are the app's own headers.
    /// Empty for hosts that ``Configuration/traceHosts`` does not list.
    public func traceHeaders(_ url: URL, existing: [String: String] = [:]) -> [String: String] {
        TraceHeaders.of(url.absoluteString, slot: slot, existing: existing)
    }

    /// The id of the trace, 32 hexadecimal digits. `nil` while the client does not run.
    public var traceId: String? { Running.shared.core?.traceId(slot: slot).map { String($0.prefix(32)) } }
}

extension Throughline {
    /// Takes the current context along, for `Task.detached`, dispatch queues, delegates and other
    /// callbacks.
    ///
    /// ```swift
    /// queue.async(execute: Throughline.bind { save() })
    /// ```
    public static func bind<T>(_ work: @escaping @Sendable () -> T) -> @Sendable () -> T {
        let context = TraceContext.current
        return { context.run(work) }
    }

    /// Takes the current context along for asynchronous work.
    ///
    /// ```swift
    /// Task.detached(operation: Throughline.bind { await save() })
    /// ```
    public static func bind<T: Sendable>(
        _ work: @escaping @Sendable () async throws -> T
    ) -> @Sendable () async throws -> T {
        let context = TraceContext.current
        return { try await context.run(work) }
    }

    /// The headers for a request to `url` in the current context. `existing` are the app's own
    /// headers. Empty for hosts that ``Configuration/traceHosts`` does not list, and when there is
    /// no current context.
    public static func traceHeaders(_ url: URL, existing: [String: String] = [:]) -> [String: String] {
        TraceHeaders.of(url.absoluteString, slot: Recorder.slot, existing: existing)
    }
}

/// The headers that carry a trace.
enum TraceHeaders {
    /// Names, in lower case, of every header that Throughline may add to a request.
    static let names = [
        "traceparent", "tracestate", "baggage", "x-datadog-trace-id", "x-datadog-parent-id",
        "x-datadog-sampling-priority", "x-datadog-origin", "x-datadog-tags", "b3", "x-b3-traceid", "x-b3-spanid",
        "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags", "x-correlation-id",
    ]

    /// The headers for a request to `url` with the request or the context under a slot.
    static func of(_ url: String, slot: UInt64, existing: [String: String]) -> [String: String] {
        Running.shared.core?.traceHeaders(url: url, slot: slot, existing: existing.fields).dictionary ?? [:]
    }

    /// Whether headers that were written for `from` may stay on a request that is redirected to
    /// `to`.
    static func survive(from: String, to: String) -> Bool {
        Running.shared.core?.survivesRedirect(from: from, to: to) ?? haveOneOrigin(from, to)
    }

    /// Whether two URLs have the same scheme, host and port. Without a client the headers are the
    /// app's own, or those of a client that has ended, which must not go elsewhere.
    private static func haveOneOrigin(_ one: String, _ other: String) -> Bool {
        guard let one = URL(string: one), let other = URL(string: other), let host = one.host else { return false }
        return host.lowercased() == other.host?.lowercased() && one.port == other.port
            && one.scheme?.lowercased() == other.scheme?.lowercased()
    }
}
