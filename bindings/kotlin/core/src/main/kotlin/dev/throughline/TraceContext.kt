// The functions that Java calls as `Contexts.bind(…)`.
@file:JvmName("Contexts")

package dev.throughline

import dev.throughline.internal.Answer
import dev.throughline.internal.Call
import dev.throughline.internal.Limit
import dev.throughline.internal.Recorder
import dev.throughline.internal.Running
import dev.throughline.internal.fields
import kotlinx.coroutines.ThreadContextElement
import kotlin.coroutines.AbstractCoroutineContextElement
import kotlin.coroutines.CoroutineContext

/**
 * A place in a trace: what happens [inside][run] belongs to it. It may be kept, handed to other
 * threads, and used after the operation that it came from has ended.
 */
public open class TraceContext internal constructor(@JvmField internal val slot: Long) {
    /**
     * Runs [work] in this context, on this thread. [work] cannot suspend, because a coroutine that
     * waits would leave its context to whatever the thread does next. Suspending code takes
     * [asContextElement].
     */
    // Not inline: the compiler lets an inlined lambda suspend.
    public fun <T> run(work: () -> T): T {
        val before = Recorder.enter(slot)
        return try {
            work()
        } finally {
            Recorder.enter(before)
        }
    }

    /** Runs [work] in this context, on this thread. */
    public fun run(work: Runnable) {
        run { work.run() }
    }

    /**
     * The context for coroutines: `withContext(context.asContextElement()) { … }`. It follows the
     * coroutine from thread to thread.
     */
    public fun asContextElement(): CoroutineContext.Element = TraceElement(slot)

    /**
     * The headers for a request to [url] in this context. [existing] are the app's own headers.
     * Empty for hosts that [Configuration.traceHost] does not list.
     */
    @JvmOverloads
    public fun traceHeaders(url: String, existing: Map<String, String> = emptyMap()): Map<String, String> =
        run { Running.traceHeaders(url, Recorder.currentSlot(), existing.fields()) }

    /**
     * Keeps the context under the id of a message whose answer comes later: a push, or an answer
     * over a WebSocket. 10,000 contexts are kept at once, each for 5 minutes. Keys have at most 128
     * bytes.
     *
     * @return false when the context was not kept.
     */
    public fun keep(key: String): Boolean =
        Recorder.record(Call.KEEP_CONTEXT, slot) { text(key, Limit.KEY_UNITS) } == Answer.DONE

    /** The id of the trace, 32 hexadecimal digits. Null while the client does not run. */
    public val traceId: String?
        get() = Running.ask(null) { it.traceId(slot.toULong()) }?.substringBefore('-')

    public companion object {
        /** The context that is current on this thread, to be kept for later. */
        @JvmStatic
        public fun current(): TraceContext = TraceContext(Recorder.currentSlot())

        /**
         * The context that came with a message, for example in a frame of a WebSocket or a push.
         * When [headers] have no valid context, a new trace begins. Headers that carry no context
         * are not read.
         */
        @JvmStatic
        public fun from(headers: Map<String, String>): TraceContext {
            val slot = Recorder.nextSlot()
            // A map may have no order, so that the first headers of it could be any.
            val carriers = headers.entries.filter { it.key.lowercase() in CARRIERS }.take(Limit.HEADERS)
            Recorder.record(Call.READ_CONTEXT, 0) {
                u64(slot)
                u16(carriers.size)
                for ((name, value) in carriers) {
                    text(name)
                    text(value, Limit.URL_UNITS)
                }
            }
            return TraceContext(slot)
        }

        /** The names of the headers that carry a trace, in lower case. */
        private val CARRIERS = setOf(
            "traceparent", "tracestate", "baggage", "x-datadog-trace-id", "x-datadog-parent-id",
            "x-datadog-sampling-priority", "x-datadog-origin", "x-datadog-tags", "b3", "x-b3-traceid", "x-b3-spanid",
            "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags", "x-correlation-id",
        )

        /**
         * Takes the context that [keep] has kept. Null when there is none, when it was taken
         * already, or when it is older than 5 minutes.
         */
        @JvmStatic
        public fun take(key: String): TraceContext? {
            val slot = Recorder.nextSlot()
            val answer = Recorder.record(Call.TAKE_CONTEXT, 0) {
                u64(slot)
                text(key, Limit.KEY_UNITS)
            }
            return if (answer == Answer.DONE) TraceContext(slot) else null
        }
    }
}

/**
 * Takes the current context along, for executors, handlers and other callbacks: [work] runs in it,
 * on whichever thread and whenever it is called.
 */
public fun <T> Throughline.bind(work: () -> T): () -> T {
    val context = TraceContext.current()
    return { context.run(work) }
}

/** Takes the current context along for a [Runnable]. */
public fun Throughline.bind(work: Runnable): Runnable {
    val context = TraceContext.current()
    return Runnable { context.run(work) }
}

/** Carries the context with a coroutine. */
internal class TraceElement(private val slot: Long) : AbstractCoroutineContextElement(Key), ThreadContextElement<Long> {
    override fun updateThreadContext(context: CoroutineContext): Long = Recorder.enter(slot)

    override fun restoreThreadContext(context: CoroutineContext, oldState: Long) {
        Recorder.enter(oldState)
    }

    companion object Key : CoroutineContext.Key<TraceElement>
}
