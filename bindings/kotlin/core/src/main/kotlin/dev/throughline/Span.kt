@file:JvmName("Operations")

package dev.throughline

import dev.throughline.internal.Call
import dev.throughline.internal.Limit
import dev.throughline.internal.OutcomeCode
import dev.throughline.internal.Recorder
import dev.throughline.internal.attributes
import dev.throughline.internal.guarded
import kotlinx.coroutines.TimeoutCancellationException
import kotlinx.coroutines.withContext
import kotlin.coroutines.cancellation.CancellationException

/**
 * A span that runs. End it once, by [succeed], [fail], [cancel], [timeOut] or [close]; later calls do
 * nothing. It is not bound to a thread.
 *
 * ```kotlin
 * Throughline.startSpan("decode").use { span ->
 *     decode()
 *     span.succeed()
 * }
 * ```
 */
public open class Span internal constructor(slot: Long) : TraceContext(slot), AutoCloseable {
    /** Sets attributes. */
    public fun set(attributes: Attributes) {
        Recorder.record(Call.SPAN_ATTRIBUTES) {
            u64(slot)
            attributes(attributes)
        }
    }

    /** Records that something happened within the span. */
    @JvmOverloads
    public fun event(name: String, attributes: Attributes = NONE) {
        Recorder.record(Call.SPAN_EVENT) {
            u64(slot)
            text(name)
            attributes(attributes)
        }
    }

    /** Refers to another context, for example to that of a message which this span also answers. */
    public fun link(other: TraceContext) {
        Recorder.record(Call.SPAN_LINK) {
            u64(slot)
            u64(other.slot)
        }
    }

    /** Begins a span inside this one. */
    @JvmOverloads
    public fun child(name: String, attributes: Attributes = NONE): Span =
        Span(begin(Call.START_SPAN, slot, name, attributes))

    /** Ends the span: it did what it was for. */
    public fun succeed(): Unit = end(OutcomeCode.SUCCEEDED, "") { "" }

    /**
     * Ends the span with an error. The error of an operation is also recorded as such, in the same
     * trace.
     */
    public fun fail(error: Throwable): Unit = end(OutcomeCode.FAILED, error.javaClass.name) { error.message ?: "" }

    /** Ends the span with an error that is not an exception. */
    public fun fail(type: String, message: String): Unit = end(OutcomeCode.FAILED, type) { message }

    /** Ends the span: nobody wants its result any more. That is no error. */
    public fun cancel(): Unit = end(OutcomeCode.CANCELLED, "") { "" }

    /** Ends the span: it took longer than it may. That is an error, of the type `timeout`. */
    public fun timeOut(): Unit = end(OutcomeCode.TIMED_OUT, "") { "" }

    /** Ends the span, unless it has ended: it was given up, without saying why. */
    override fun close(): Unit = end(OutcomeCode.ABANDONED, "") { "" }

    @Volatile
    private var hasEnded = false

    private inline fun end(outcome: Int, errorType: String, message: () -> String) {
        if (hasEnded) return
        hasEnded = true
        Recorder.record(Call.END_SPAN, 0) {
            u64(slot)
            u8(outcome)
            text(errorType)
            guarded({ text("") }) { text(message(), Limit.MESSAGE_UNITS) }
        }
    }

    internal companion object {
        fun begin(call: Int, parent: Long, name: String, attributes: Attributes): Long {
            val slot = Recorder.nextSlot()
            Recorder.record(call, parent) {
                u64(slot)
                text(name)
                attributes(attributes)
            }
            return slot
        }
    }
}

/**
 * A unit of work that a user would name, for example `UpdateDisplayName`. One operation is one
 * trace: requests made inside carry it, and mutations inside are its children.
 *
 * It is on the disk at once. When the process dies, the operation is closed with
 * `throughline.ended = process_death`.
 */
public class Operation internal constructor(slot: Long) : Span(slot) {
    /** Records that the operation is tried again. [attempt] counts from 1. */
    public fun retry(attempt: Int) {
        Recorder.record(Call.RETRY) {
            u64(slot)
            u32(maxOf(0, attempt))
        }
    }
}

/**
 * Begins an operation in the current context. End it by [Span.succeed], [Span.fail],
 * [Span.cancel], [Span.timeOut] or [Span.close].
 */
@JvmOverloads
public fun Throughline.startOperation(name: String, attributes: Attributes = NONE): Operation =
    Operation(Span.begin(Call.START_OPERATION, Recorder.CURRENT, name, attributes))

/** Begins a span in the current context. */
@JvmOverloads
public fun Throughline.startSpan(name: String, attributes: Attributes = NONE): Span =
    Span(Span.begin(Call.START_SPAN, Recorder.CURRENT, name, attributes))

/**
 * Runs [body] as an operation, whose context follows it through every suspension. The operation
 * succeeds when [body] returns, and fails with what it throws. It is cancelled when its coroutine
 * is, and has timed out when a `withTimeout` around it or inside it has ended it.
 *
 * ```kotlin
 * suspend fun rename(name: String) = Throughline.operation("UpdateDisplayName") {
 *     api.rename(name)
 *     profile.update { it.copy(displayName = name) }
 * }
 * ```
 */
public suspend fun <T> Throughline.operation(
    name: String,
    attributes: Attributes = NONE,
    body: suspend Operation.() -> T,
): T {
    val operation = startOperation(name, attributes)
    return ending(operation) { withContext(operation.asContextElement()) { operation.body() } }
}

/**
 * Runs [body] as an operation, for code that blocks instead of suspending. It ends as that of
 * [operation] does, and is cancelled when its thread is interrupted. [body] cannot suspend.
 */
@JvmOverloads
public fun <T> Throughline.blockingOperation(
    name: String,
    attributes: Attributes = NONE,
    body: Operation.() -> T,
): T {
    val operation = startOperation(name, attributes)
    // Not inline: the compiler lets an inlined lambda suspend.
    return ending(operation) { operation.run<T> { operation.body() } }
}

/** Ends a span in the way in which its body ends. */
private inline fun <T> ending(span: Span, body: () -> T): T {
    val result = try {
        body()
    } catch (late: TimeoutCancellationException) {
        span.timeOut()
        throw late
    } catch (cancelled: CancellationException) {
        span.cancel()
        throw cancelled
    } catch (interrupted: InterruptedException) {
        // How code that blocks is cancelled.
        span.cancel()
        throw interrupted
    } catch (error: Throwable) {
        span.fail(error)
        throw error
    }
    span.succeed()
    return result
}
