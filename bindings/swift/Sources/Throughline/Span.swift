import Foundation

/// A place in a trace: what happens inside ``run(_:)-(()->T)`` belongs to it. May be kept, handed to other threads, and used
/// after the operation that it came from has ended.
public struct TraceContext: Sendable, Hashable {
    let slot: UInt64

    /// What runs now: to be kept for later.
    public static var current: TraceContext { TraceContext(slot: Recorder.slot) }

    /// The context that came with a message: a WebSocket frame, a push. Without sound headers a new trace begins.
    public init(headers: [String: String]) {
        let slot = Recorder.nextSlot()
        Recorder.record(.readContext, context: 0) {
            $0.u64(slot)
            $0.u16(UInt16(min(headers.count, 64)))
            for (name, value) in headers.prefix(64) {
                $0.text(name)
                $0.text(value, limit: Draft.urlBytes)
            }
        }
        self.slot = slot
    }

    init(slot: UInt64) { self.slot = slot }

    /// The context that ``keep(for:)`` kept; `nil` when there is none, it was taken, or it is older than 5 minutes.
    public static func take(for key: String) -> TraceContext? {
        let slot = Recorder.nextSlot()
        let answer = Recorder.record(.takeContext, context: 0) {
            $0.u64(slot)
            $0.text(key, limit: Draft.keyBytes)
        }
        return answer == 1 ? TraceContext(slot: slot) : nil
    }

    /// Keeps the context for an event that comes later under the id of a message: a push, an answer over a WebSocket. 10,000 at
    /// once, for 5 minutes, keys of 128 bytes. False when it was not kept.
    @discardableResult
    public func keep(for key: String) -> Bool {
        Recorder.record(.keepContext, context: slot) { $0.text(key, limit: Draft.keyBytes) } == 1
    }

    /// Runs `work` inside.
    public func run<T>(_ work: () throws -> T) rethrows -> T {
        try Recorder.$slot.withValue(slot, operation: work)
    }

    /// Runs `work` inside, through every suspension and in the tasks that it makes, on the caller's actor.
    public func run<T>(
        isolation: isolated (any Actor)? = #isolation, _ work: () async throws -> T
    ) async rethrows -> T {
        try await Recorder.$slot.withValue(slot, operation: work, isolation: isolation)
    }

    /// The headers for a request to `url` in this context; `existing` are the app's own. Empty for hosts not listed.
    public func traceHeaders(_ url: URL, existing: [String: String] = [:]) -> [String: String] {
        Throughline.traceHeaders(url.absoluteString, slot: slot, existing: existing)
    }

    /// The trace's id, 32 hexadecimal digits; `nil` while Throughline does not run.
    public var traceId: String? { Throughline.traceId(slot).map { String($0.prefix(32)) } }
}

/// Takes the current context along: for `Task.detached`, dispatch queues, delegates and other callbacks.
///
/// ```swift
/// queue.async(execute: bind { save() })
/// ```
public func bind<T>(_ work: @escaping @Sendable () -> T) -> @Sendable () -> T {
    let context = TraceContext.current
    return { context.run(work) }
}

/// As `bind`, for asynchronous work: `Task.detached(operation: bind { await save() })`.
public func bind<T: Sendable>(_ work: @escaping @Sendable () async throws -> T) -> @Sendable () async throws -> T {
    let context = TraceContext.current
    return { try await context.run(work) }
}

/// A span that runs. End it once; later calls do nothing. One that nobody ends is abandoned when it is released.
public class Span: @unchecked Sendable {
    /// Its place in the trace.
    public let context: TraceContext
    private let ended = Count()

    fileprivate init(_ call: Call, parent: UInt64, _ name: String, _ attributes: Attributes) {
        let slot = Recorder.nextSlot()
        context = TraceContext(slot: slot)
        Recorder.record(call, context: parent) {
            $0.u64(slot)
            $0.text(name)
            $0.attributes(attributes)
        }
    }

    deinit { end(0, "", "") }

    /// Sets attributes.
    public func set(_ attributes: Attributes) {
        Recorder.record(.spanAttributes) {
            $0.u64(context.slot)
            $0.attributes(attributes)
        }
    }

    /// Says that something happened.
    public func event(_ name: String, _ attributes: Attributes = [:]) {
        Recorder.record(.spanEvent) {
            $0.u64(context.slot)
            $0.text(name)
            $0.attributes(attributes)
        }
    }

    /// Refers to another context: a message that this span also answers.
    public func link(_ other: TraceContext) {
        Recorder.record(.spanLink) {
            $0.u64(context.slot)
            $0.u64(other.slot)
        }
    }

    /// Begins a span inside this one.
    public func child(_ name: String, _ attributes: Attributes = [:]) -> Span {
        Span(.startSpan, parent: context.slot, name, attributes)
    }

    /// Ends it well.
    public func succeed() { end(1, "", "") }

    /// Ends it with an error. An operation's error is also recorded as such, in its trace.
    public func fail(_ error: any Error) { end(2, String(reflecting: type(of: error)), "\(error)") }

    /// Ends it with an error that has no value.
    public func fail(type: String, message: String) { end(2, type, message) }

    /// Gives it up.
    public func abandon() { end(0, "", "") }

    private func end(_ outcome: UInt8, _ errorType: String, _ message: String) {
        if ended.add(1) > 0 { return }
        Recorder.record(.endSpan, context: 0) {
            $0.u64(context.slot)
            $0.u8(outcome)
            $0.text(errorType)
            $0.text(message, limit: Draft.messageBytes)
        }
    }
}

/// What a user would name: `UpdateDisplayName`. One operation is one trace: requests made inside carry it, mutations inside are
/// its children. It is on the disk at once; should the process die, it is closed with `throughline.ended = process_death`.
public final class Operation: Span, @unchecked Sendable {
    fileprivate init(_ name: String, _ attributes: Attributes) {
        super.init(.startOperation, parent: Recorder.current, name, attributes)
    }

    /// Says that it is tried again; `attempt` counts from 1.
    public func retry(_ attempt: Int) {
        Recorder.record(.retry) {
            $0.u64(context.slot)
            $0.u32(UInt32(clamping: attempt))
        }
    }
}

extension Throughline {
    /// Begins an operation in the current context.
    public static func startOperation(_ name: String, _ attributes: Attributes = [:]) -> Operation {
        Operation(name, attributes)
    }

    /// Begins a span in the current context.
    public static func startSpan(_ name: String, _ attributes: Attributes = [:]) -> Span {
        Span(.startSpan, parent: Recorder.current, name, attributes)
    }

    /// Runs `body` as an operation, which follows it through every suspension and into the tasks that it makes, on the caller's
    /// actor. It succeeds when `body` returns and fails with what it throws; a cancelled one is abandoned.
    ///
    /// ```swift
    /// try await Throughline.operation("UpdateDisplayName") { _ in
    ///     try await api.rename(name)
    ///     profile.displayName = name
    /// }
    /// ```
    public static func operation<T>(
        _ name: String, _ attributes: Attributes = [:], isolation: isolated (any Actor)? = #isolation,
        _ body: (Operation) async throws -> T
    ) async rethrows -> T {
        let operation = startOperation(name, attributes)
        do {
            let result = try await operation.context.run(isolation: isolation) { try await body(operation) }
            operation.succeed()
            return result
        } catch {
            operation.end(with: error)
            throw error
        }
    }

    /// As ``operation(_:_:isolation:_:)``, for code that does not suspend.
    public static func operation<T>(
        _ name: String, _ attributes: Attributes = [:], _ body: (Operation) throws -> T
    ) rethrows -> T {
        let operation = startOperation(name, attributes)
        do {
            let result = try operation.context.run { try body(operation) }
            operation.succeed()
            return result
        } catch {
            operation.end(with: error)
            throw error
        }
    }
}

extension Span {
    fileprivate func end(with error: any Error) {
        if error is CancellationError { abandon() } else { fail(error) }
    }
}
