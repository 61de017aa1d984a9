package dev.throughline.internal

import dev.throughline.AttributeWriter
import dev.throughline.Attributes
import java.util.ArrayDeque
import java.util.concurrent.atomic.AtomicLong

/**
 * Writes drafts and hands them to the core. While there is none yet, they wait in a ring. Never
 * throws.
 */
internal object Recorder {
    /** How many calls are kept before the start. */
    private const val MAX_DRAFTS = 100

    /** For a draft whose context is the current one. */
    const val CURRENT: Long = Long.MIN_VALUE

    private val perThread = ThreadLocal<Draft>()
    private val slots = AtomicLong(Facade.FIRST_SLOT)

    /** The latest calls before the start. */
    private val ring = ArrayDeque<ByteArray>()

    /** Calls before the start that were lost because too many waited. */
    val lostEarly = AtomicLong()

    /** Calls that failed because the app's own code has thrown. */
    val failures = AtomicLong()

    /** Calls after the shutdown. */
    val refused = AtomicLong()

    /** The handle for the door. 0 before the start, negative after the shutdown. */
    @Volatile
    private var handle = 0L

    /** A slot that nobody has used yet. */
    fun nextSlot(): Long = slots.incrementAndGet()

    /** The draft of this thread. */
    fun threadDraft(): Draft = perThread.get() ?: Draft().also { perThread.set(it) }

    /** The slot of the context that is current on this thread. 0: none. */
    fun currentSlot(): Long = threadDraft().currentSlot

    /**
     * Makes the context under a slot current on this thread, and returns the slot of the one
     * before.
     */
    fun enter(slot: Long): Long {
        val mine = threadDraft()
        val before = mine.currentSlot
        mine.currentSlot = slot
        return before
    }

    /**
     * Records a call. [fields] writes what the layout of the call says. Returns a constant of
     * [Answer], or what the call answers instead.
     *
     * It is inlined. What is the same for all calls stays in functions, so that the facade's
     * classes stay small.
     */
    inline fun record(call: Int, context: Long = CURRENT, suppressed: Int = 0, fields: Draft.() -> Unit): Long {
        val draft = begin(call, context, suppressed) ?: return Answer.CLOSED
        try {
            draft.fields()
        } catch (failure: Throwable) {
            return failed(draft, failure)
        }
        return end(draft)
    }

    /** A draft to write to. Null after the shutdown. */
    fun begin(call: Int, context: Long, suppressed: Int): Draft? {
        if (handle < 0) {
            refused.incrementAndGet()
            return null
        }
        val mine = threadDraft()
        val draft = mine.lend()
        draft.begin(call, if (context == CURRENT) mine.currentSlot else context, suppressed)
        return draft
    }

    /** Hands a draft over. */
    fun end(draft: Draft): Long = try {
        send(draft).also { draft.giveBack() }
    } catch (failure: Throwable) {
        failed(draft, failure)
    }

    /** Gives up a draft because the app's own code has thrown. */
    fun failed(draft: Draft, failure: Throwable): Long {
        draft.giveBack()
        return failed(failure)
    }

    /** Counts what the app's own code has thrown while it was called. */
    fun failed(failure: Throwable): Long {
        // These end the thread, or ask it to end: hiding them would change the app.
        if (failure is ThreadDeath || failure is InterruptedException) throw failure
        failures.incrementAndGet()
        return Answer.NOT_KEPT
    }

    /** Records a call to a door that is not open to everybody yet. */
    fun recordTo(door: Long, call: Int, fields: Draft.() -> Unit): Long {
        val draft = Draft()
        draft.begin(call, 0)
        draft.fields()
        return Door.record(door, draft.bytes, draft.length)
    }

    private fun send(draft: Draft): Long {
        val handle = handle
        return if (handle > 0) Door.record(handle, draft.bytes, draft.length) else keep(draft)
    }

    private fun keep(draft: Draft): Long = synchronized(ring) {
        val handle = handle
        // The client was started since the caller looked.
        if (handle > 0) return Door.record(handle, draft.bytes, draft.length)
        if (handle < 0) {
            refused.incrementAndGet()
            return Answer.CLOSED
        }
        if (ring.size >= MAX_DRAFTS) {
            ring.removeFirst()
            lostEarly.incrementAndGet()
        }
        val now = System.currentTimeMillis() * 1_000_000
        ring.addLast(draft.copyAt(now))
        Answer.NOT_KEPT
    }

    /** Lets calls go to the core from now on. Those of the ring go first, with their own times. */
    fun open(door: Long): Unit = synchronized(ring) {
        while (ring.isNotEmpty()) {
            val draft = ring.removeFirst()
            Door.record(door, draft, draft.size)
        }
        handle = door
    }

    /** Only counts calls from now on. */
    fun close(): Unit = synchronized(ring) {
        handle = -1
        ring.clear()
    }

    /** Keeps calls in the ring from now on, because another start is expected. */
    fun expectStart(): Unit = synchronized(ring) {
        if (handle < 0) handle = 0
    }

    /** Whether calls go to the core. */
    val isOpen: Boolean get() = handle > 0

    /** Whether the client was shut down and no other start is expected. */
    val isClosed: Boolean get() = handle < 0
}

/** Writes the attributes that the app adds. */
internal fun Draft.attributes(attributes: Attributes) {
    beginAttributes()
    write(attributes)
    endAttributes()
}

/** Lets the app write attributes. */
internal fun Draft.write(attributes: Attributes) {
    val draft = this
    attributes.run { draft.write() }
}

/** Writes the attributes that a block adds. */
internal inline fun Draft.attributes(block: AttributeWriter.() -> Unit) {
    beginAttributes()
    block()
    endAttributes()
}

/**
 * Lets the app's own code write. When it throws, that is counted, and [otherwise] is written
 * instead of what it wrote.
 */
internal inline fun Draft.guarded(otherwise: Draft.() -> Unit, write: Draft.() -> Unit) {
    val mark = mark()
    try {
        write()
    } catch (failure: Throwable) {
        Recorder.failed(failure)
        rewind(mark)
        otherwise()
    }
}

/** Writes a value or none. Writes none for a value that cannot be written. */
internal fun Draft.guardedValue(value: Any?): Unit = guarded({ optionalValue(null) }) { optionalValue(value) }

/** Runs a block of the app's. False when it has thrown, which is counted. */
internal inline fun guardedBlock(block: () -> Unit): Boolean = try {
    block()
    true
} catch (failure: Throwable) {
    Recorder.failed(failure)
    false
}

/** A text that the app's own code makes. Empty when that throws, which is counted. */
internal inline fun textOrNone(make: () -> String?): String = try {
    make() ?: ""
} catch (failure: Throwable) {
    Recorder.failed(failure)
    ""
}
