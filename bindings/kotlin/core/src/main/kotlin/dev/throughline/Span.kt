package dev.throughline

import dev.throughline.internal.Call
import dev.throughline.internal.Draft
import dev.throughline.internal.Limit
import dev.throughline.internal.Recorder
import dev.throughline.internal.attributes
import kotlinx.coroutines.ThreadContextElement
import kotlinx.coroutines.withContext
import kotlin.coroutines.AbstractCoroutineContextElement
import kotlin.coroutines.CoroutineContext
import kotlin.coroutines.cancellation.CancellationException

/**
 * A place in a trace: what happens [inside][run] belongs to it. May be kept, handed to other threads, and used after the
 * operation that it came from has ended.
 */
public open class TraceContext internal constructor(@JvmField internal val slot: Long) {
    /** Runs [work] inside, on this thread. */
    public inline fun <T> run(work: () -> T): T {
        val before = enter()
        return try {
            work()
        } finally {
            leave(before)
        }
    }

    /** For [run] alone. */
    @PublishedApi
    internal fun enter(): Long {
        val mine = Recorder.mine()
        val before = mine.runningSlot
        mine.runningSlot = slot
        return before
    }

    /** For [run] alone. */
    @PublishedApi
    internal fun leave(before: Long) {
        Recorder.mine().runningSlot = before
    }

    /** For coroutines: `withContext(context.asContextElement()) { … }`. Follows the coroutine from thread to thread. */
    public fun asContextElement(): CoroutineContext.Element = TraceElement(slot)

    /** The headers for a request to [url] in this context; [existing] are the app's own. Empty for hosts not listed. */
    public fun traceHeaders(url: String, existing: Map<String, String> = emptyMap()): Map<String, String> =
        run { Throughline.traceHeaders(url, existing) }

    /**
     * Keeps the context for an event that comes later under the id of a message: a push, an answer over a WebSocket. 10,000 at
     * once, for 5 minutes, keys of 128 bytes. False when it was not kept.
     */
    public fun keep(key: String): Boolean = Recorder.record(Call.KEEP_CONTEXT, slot) { text(key, Limit.KEY_UNITS) } == 1L

    /** The trace's id, 32 hexadecimal digits; null while Throughline does not run. */
    public val traceId: String? get() = Throughline.traceId(slot)?.substringBefore('-')

    public companion object {
        /** What runs on this thread now: to be kept for later. */
        public fun current(): TraceContext = TraceContext(Recorder.currentSlot())

        /**
         * The context that came with a message: a WebSocket frame, a push. Without sound headers among [headers] a new trace
         * begins.
         */
        public fun from(headers: Map<String, String>): TraceContext {
            val slot = Recorder.nextSlot()
            Recorder.record(Call.READ_CONTEXT, 0) {
                u64(slot)
                u16(minOf(headers.size, MAX_HEADERS))
                for ((name, value) in headers.entries.take(MAX_HEADERS)) {
                    text(name)
                    text(value, Limit.URL_UNITS)
                }
            }
            return TraceContext(slot)
        }

        /** The context that [keep] kept; null when there is none, it was taken, or it is older than 5 minutes. */
        public fun take(key: String): TraceContext? {
            val slot = Recorder.nextSlot()
            val answer = Recorder.record(Call.TAKE_CONTEXT, 0) {
                u64(slot)
                text(key, Limit.KEY_UNITS)
            }
            return if (answer == 1L) TraceContext(slot) else null
        }

        private const val MAX_HEADERS = 64
    }
}

/** Takes the current context along: [work] runs in it, whichever thread calls it, and whenever. */
public fun <T> bind(work: () -> T): () -> T {
    val context = TraceContext.current()
    return { context.run(work) }
}

/** As [bind], for executors and handlers. */
public fun bind(work: Runnable): Runnable {
    val context = TraceContext.current()
    return Runnable { context.run(work::run) }
}

/** Carries the context with a coroutine. */
internal class TraceElement(val slot: Long) : AbstractCoroutineContextElement(Key), ThreadContextElement<Long> {
    override fun updateThreadContext(context: CoroutineContext): Long {
        val mine = Recorder.mine()
        val before = mine.runningSlot
        mine.runningSlot = slot
        return before
    }

    override fun restoreThreadContext(context: CoroutineContext, oldState: Long) {
        Recorder.mine().runningSlot = oldState
    }

    companion object Key : CoroutineContext.Key<TraceElement>
}

/**
 * A span that runs. End it once, by [succeed], [fail] or [close]; later calls do nothing and are counted.
 *
 * Not bound to a thread.
 */
public open class Span internal constructor(slot: Long) : TraceContext(slot), AutoCloseable {
    /** Sets attributes. */
    public fun set(attributes: Attributes.() -> Unit) {
        Recorder.record(Call.SPAN_ATTRIBUTES) {
            u64(slot)
            attributes(attributes)
        }
    }

    /** Says that something happened. */
    public fun event(name: String, attributes: Attributes.() -> Unit = {}) {
        Recorder.record(Call.SPAN_EVENT) {
            u64(slot)
            text(name)
            attributes(attributes)
        }
    }

    /** Refers to another context: a message that this span also answers. */
    public fun link(other: TraceContext) {
        Recorder.record(Call.SPAN_LINK) {
            u64(slot)
            u64(other.slot)
        }
    }

    /** Begins a span inside this one. */
    public fun child(name: String, attributes: Attributes.() -> Unit = {}): Span =
        Span(begin(Call.START_SPAN, slot, name, attributes))

    /** Ends it well. */
    public fun succeed(): Unit = end(SUCCEEDED, "") { "" }

    /** Ends it with an error. An operation's error is also recorded as such, in its trace. */
    public fun fail(error: Throwable): Unit = end(FAILED, error.javaClass.name) { error.message ?: "" }

    /** Ends it with an error that has no exception. */
    public fun fail(errorType: String, message: String): Unit = end(FAILED, errorType) { message }

    /** Gives it up, unless it has ended. */
    override fun close(): Unit = end(ABANDONED, "") { "" }

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
        private const val ABANDONED = 0
        private const val SUCCEEDED = 1
        private const val FAILED = 2

        fun begin(call: Int, parent: Long, name: String, attributes: Attributes.() -> Unit): Long {
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
 * What a user would name: `UpdateDisplayName`. One operation is one trace: requests made inside carry it, mutations inside are
 * its children. It is on the disk at once; should the process die, it is closed with `throughline.ended = process_death`.
 */
public class Operation internal constructor(slot: Long) : Span(slot) {
    /** Says that it is tried again; [attempt] counts from 1. */
    public fun retry(attempt: Int) {
        Recorder.record(Call.RETRY) {
            u64(slot)
            u32(maxOf(0, attempt))
        }
    }
}

/** Begins an operation in the current context. End it with [Span.succeed], [Span.fail] or [Span.close]. */
public fun Throughline.startOperation(name: String, attributes: Attributes.() -> Unit = {}): Operation =
    Operation(Span.begin(Call.START_OPERATION, Recorder.CURRENT, name, attributes))

/** Begins a span in the current context. */
public fun Throughline.startSpan(name: String, attributes: Attributes.() -> Unit = {}): Span =
    Span(Span.begin(Call.START_SPAN, Recorder.CURRENT, name, attributes))

/**
 * Runs [body] as an operation, which follows it through every suspension. It succeeds when [body] returns and fails with what
 * [body] throws; a cancelled one is abandoned.
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
    attributes: Attributes.() -> Unit = {},
    body: suspend Operation.() -> T,
): T {
    val operation = startOperation(name, attributes)
    return ending(operation) { withContext(operation.asContextElement()) { operation.body() } }
}

/** As [operation], for code that blocks. */
public inline fun <T> Throughline.blockingOperation(name: String, body: Operation.() -> T): T {
    val operation = startOperation(name)
    return ending(operation) { operation.run { operation.body() } }
}

/** Ends a span as its body ends. */
@PublishedApi
internal inline fun <T> ending(span: Span, body: () -> T): T {
    val result = try {
        body()
    } catch (cancelled: CancellationException) {
        span.close()
        throw cancelled
    } catch (error: Throwable) {
        span.fail(error)
        throw error
    }
    span.succeed()
    return result
}
