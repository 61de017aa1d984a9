package dev.throughline.internal

import dev.throughline.Attributes
import java.util.ArrayDeque
import java.util.concurrent.atomic.AtomicLong

/** Writes drafts and hands them to the core, or to the ring while there is none. Never throws. */
internal object Recorder {
    /** Calls that are kept before the start. */
    private const val RING = 100

    /** Which facade chose a slot: other languages share the process. */
    private const val SLOT_BASE = 1L shl 48

    private val perThread = ThreadLocal<Draft>()
    private val slots = AtomicLong(SLOT_BASE)
    private val ring = ArrayDeque<ByteArray>()

    /** Calls that fell out of the ring, and calls that failed in the facade. */
    val lostEarly = AtomicLong()
    val failures = AtomicLong()
    val refused = AtomicLong()

    /** The door's handle; 0 before the start, negative after the shutdown. */
    @Volatile
    private var handle = 0L

    fun nextSlot(): Long = slots.incrementAndGet()

    /** The draft of this thread. */
    fun mine(): Draft = perThread.get() ?: Draft().also { perThread.set(it) }

    fun currentSlot(): Long = mine().runningSlot

    /** Inlined where it is called: what is not the caller's own stays behind calls, so that the facade's classes stay small. */
    inline fun record(call: Int, context: Long = CURRENT, suppressed: Int = 0, fields: Draft.() -> Unit): Long {
        val draft = begin(call, context, suppressed) ?: return Door.CLOSED
        try {
            draft.fields()
        } catch (failure: Throwable) {
            return failed(draft, failure)
        }
        return end(draft)
    }

    /** A draft to write to; null after the shutdown. */
    fun begin(call: Int, context: Long, suppressed: Int): Draft? {
        if (handle < 0) {
            refused.incrementAndGet()
            return null
        }
        val mine = mine()
        val draft = mine.lend()
        draft.begin(call, if (context == CURRENT) mine.runningSlot else context, suppressed)
        return draft
    }

    /** Hands a draft over. */
    fun end(draft: Draft): Long = try {
        send(draft).also { draft.giveBack() }
    } catch (failure: Throwable) {
        failed(draft, failure)
    }

    fun failed(draft: Draft, failure: Throwable): Long {
        draft.giveBack()
        return failed(failure)
    }

    /** Counts what the app's own code threw while it was asked. */
    fun failed(failure: Throwable): Long {
        // Not ours to survive, nor to hide.
        if (failure is ThreadDeath || failure is InterruptedException) throw failure
        failures.incrementAndGet()
        return 0
    }

    /** Records to a door that is not open to everybody yet. */
    fun recordTo(door: Long, call: Int, fields: Draft.() -> Unit): Long {
        val draft = Draft()
        draft.begin(call, 0)
        draft.fields()
        return Door.record(door, draft.bytes, draft.length)
    }

    private fun send(draft: Draft): Long {
        val handle = handle
        return if (handle > 0) Door.record(handle, draft.bytes, draft.length) else early(draft)
    }

    private fun early(draft: Draft): Long = synchronized(ring) {
        val handle = handle
        // Started meanwhile.
        if (handle > 0) return Door.record(handle, draft.bytes, draft.length)
        if (handle < 0) {
            refused.incrementAndGet()
            return Door.CLOSED
        }
        if (ring.size >= RING) {
            // The latest say what happened last; who is first has been counted.
            ring.removeFirst()
            lostEarly.incrementAndGet()
        }
        val now = System.currentTimeMillis() * 1_000_000
        ring.addLast(draft.copyAt(now))
        0
    }

    /** From now on calls go to the core; those of the ring first, with their own times. */
    fun open(door: Long): Unit = synchronized(ring) {
        while (ring.isNotEmpty()) {
            val draft = ring.removeFirst()
            Door.record(door, draft, draft.size)
        }
        handle = door
    }

    /** From now on calls are counted and do nothing. */
    fun close(): Unit = synchronized(ring) {
        handle = Door.CLOSED
        ring.clear()
    }

    /** Another start is awaited: calls go to the ring. */
    fun await(): Unit = synchronized(ring) {
        if (handle < 0) handle = 0
    }

    val isOpen: Boolean get() = handle > 0

    /** After a shutdown, until another start is awaited. */
    val isClosed: Boolean get() = handle < 0

    const val CURRENT: Long = Long.MIN_VALUE
}

/** Writes the attributes that a block adds; what it throws ends them. */
internal inline fun Draft.attributes(block: Attributes.() -> Unit) {
    beginAttributes()
    block()
    endAttributes()
}
