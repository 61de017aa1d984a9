/// A span that runs. End it once; later calls do nothing. A span that nobody has ended is abandoned
/// when it is released.
///
/// ```swift
/// let span = Throughline.startSpan("decode")
/// defer { span.succeed() }
/// ```
public class TracedSpan: @unchecked Sendable {
    /// The span's place in its trace.
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

    deinit { end(.abandoned, "", "") }

    /// Sets attributes.
    public func set(_ attributes: Attributes) {
        Recorder.record(.spanAttributes) {
            $0.u64(context.slot)
            $0.attributes(attributes)
        }
    }

    /// Records that something happened within the span.
    public func event(_ name: String, _ attributes: Attributes = [:]) {
        Recorder.record(.spanEvent) {
            $0.u64(context.slot)
            $0.text(name)
            $0.attributes(attributes)
        }
    }

    /// Refers to another context, for example to that of a message which this span also answers.
    public func link(_ other: TraceContext) {
        Recorder.record(.spanLink) {
            $0.u64(context.slot)
            $0.u64(other.slot)
        }
    }

    /// Begins a span inside this one.
    public func child(_ name: String, _ attributes: Attributes = [:]) -> TracedSpan {
        TracedSpan(.startSpan, parent: context.slot, name, attributes)
    }

    /// Ends the span: it did what it was for.
    public func succeed() { end(.succeeded, "", "") }

    /// Ends the span with an error. The error of an operation is also recorded as such, in the same
    /// trace.
    ///
    /// An error that says that the work was cancelled is none: a `CancellationError`,
    /// `URLError.cancelled` and `CocoaError.userCancelled` end the span as ``cancel()`` does.
    public func fail(_ error: any Error) {
        if error.isCancellation { return cancel() }
        end(.failed, error.kindName, "\(error)")
    }

    /// Ends the span with an error that is not a value of Swift's.
    public func fail(type: String, message: String) { end(.failed, type, message) }

    /// Ends the span: nobody wants its result any more. It has not failed.
    public func cancel() { end(.cancelled, "", "") }

    /// Ends the span: it did not end within the time that the app has given it. This is a failure,
    /// but no error is recorded beside it.
    public func timeOut() { end(.timedOut, "", "") }

    /// Ends the span: it was given up, and nobody says why.
    public func abandon() { end(.abandoned, "", "") }

    private func end(_ outcome: Outcome, _ errorType: String, _ message: String) {
        if ended.add(1) > 0 { return }
        Recorder.record(.endSpan, context: 0) {
            $0.u64(context.slot)
            $0.u8(outcome.rawValue)
            $0.text(errorType)
            $0.text(message, limit: Limit.messageBytes)
        }
    }
}

/// A unit of work that a user would name, for example `UpdateDisplayName`. One operation is one
/// trace: requests made inside carry it, and mutations inside are its children.
///
/// It is on the disk at once. When the process dies, the operation is closed with
/// `throughline.ended = process_death`.
public final class TracedOperation: TracedSpan, @unchecked Sendable {
    fileprivate init(_ name: String, _ attributes: Attributes) {
        super.init(.startOperation, parent: Recorder.current, name, attributes)
    }

    /// Records that the operation is tried again. `attempt` counts from 1.
    public func retry(_ attempt: Int) {
        Recorder.record(.retry) {
            $0.u64(context.slot)
            $0.u32(UInt32(clamping: attempt))
        }
    }
}

extension Throughline {
    /// Begins an operation in the current context.
    public static func startOperation(_ name: String, _ attributes: Attributes = [:]) -> TracedOperation {
        TracedOperation(name, attributes)
    }

    /// Begins a span in the current context.
    public static func startSpan(_ name: String, _ attributes: Attributes = [:]) -> TracedSpan {
        TracedSpan(.startSpan, parent: Recorder.current, name, attributes)
    }

    /// Runs `body` as an operation, on the caller's actor. Its context follows `body` through every
    /// suspension and into the tasks that it creates. The operation succeeds when `body` returns,
    /// and fails with what it throws. It is cancelled when that says so, as a `CancellationError`
    /// does. An operation that `body` has ended already stays as it is.
    ///
    /// ```swift
    /// try await Throughline.operation("UpdateDisplayName") { _ in
    ///     try await api.rename(name)
    ///     profile.displayName = name
    /// }
    /// ```
    public static func operation<T>(
        _ name: String, _ attributes: Attributes = [:], isolation: isolated (any Actor)? = #isolation,
        _ body: (TracedOperation) async throws -> T
    ) async rethrows -> T {
        let operation = startOperation(name, attributes)
        do {
            let result = try await operation.context.run(isolation: isolation) { try await body(operation) }
            operation.succeed()
            return result
        } catch {
            operation.fail(error)
            throw error
        }
    }

    /// Runs `body` as an operation, for code that does not suspend.
    public static func operation<T>(
        _ name: String, _ attributes: Attributes = [:], _ body: (TracedOperation) throws -> T
    ) rethrows -> T {
        let operation = startOperation(name, attributes)
        do {
            let result = try operation.context.run { try body(operation) }
            operation.succeed()
            return result
        } catch {
            operation.fail(error)
            throw error
        }
    }
}
