package dev.throughline.internal

import dev.throughline.Attributes

private const val VERSION: Byte = 1
internal const val HEADER_BYTES: Int = 24
private const val TIME_AT = 16

private const val BLOB_BYTES = 4_097
private const val MAX_ATTRIBUTES = 1_000
private const val MAX_ELEMENTS = 257
private const val MAX_DEPTH = 8

/** Attributes stop here: the core refuses drafts beyond 256 KiB. */
private const val MAX_BYTES = 160 * 1_024

private const val NONE = 0
private const val BOOL = 1
private const val INT = 2
private const val DOUBLE = 3
private const val TEXT = 4
private const val BYTES = 5
private const val LIST = 6
private const val MAP = 7

/**
 * Writes drafts: the layout is that of `uniffi/src/draft.rs`, pinned by `tests/vectors/draft.json`.
 *
 * One per thread, reused. Texts are cut a little above the core's limits, so that a text of 10 MB costs what is kept of
 * it, and lone surrogates become U+FFFD.
 */
internal class Draft : Attributes() {
    /** The slot of the span that runs on this draft's thread; 0: none. Here, so that a thread needs one object of ours. */
    @JvmField
    var runningSlot: Long = 0

    private var isLent = false

    /** This one, or another while it is in use: a host's `toString()` may record, too. */
    fun lend(): Draft {
        if (isLent) return Draft()
        isLent = true
        return this
    }

    fun giveBack() {
        isLent = false
    }

    var bytes: ByteArray = ByteArray(1_024)
        private set
    var length: Int = 0
        private set

    private var countAt = 0
    private var count = 0

    fun begin(call: Int, context: Long, suppressed: Int = 0, timeNs: Long = 0) {
        length = 0
        room(HEADER_BYTES)
        bytes[0] = VERSION
        bytes[1] = call.toByte()
        bytes[2] = 0
        bytes[3] = 0
        length = 4
        u32(suppressed)
        u64(context)
        u64(timeNs)
    }

    /** A copy with the time at which it was written: for the ring of calls before the start. */
    fun copyAt(timeNs: Long): ByteArray {
        val copy = bytes.copyOf(length)
        for (at in 0 until 8) copy[TIME_AT + at] = (timeNs ushr (8 * at)).toByte()
        return copy
    }

    private fun room(more: Int) {
        if (length + more > bytes.size) bytes = bytes.copyOf(maxOf(bytes.size * 2, length + more))
    }

    fun u8(value: Int) {
        room(1)
        bytes[length++] = value.toByte()
    }

    fun flag(value: Boolean): Unit = u8(if (value) 1 else 0)

    fun u16(value: Int) {
        room(2)
        put16(length, value)
        length += 2
    }

    private fun put16(at: Int, value: Int) {
        bytes[at] = value.toByte()
        bytes[at + 1] = (value ushr 8).toByte()
    }

    fun u32(value: Int) {
        room(4)
        put32(length, value)
        length += 4
    }

    private fun put32(at: Int, value: Int) {
        val bytes = bytes
        bytes[at] = value.toByte()
        bytes[at + 1] = (value ushr 8).toByte()
        bytes[at + 2] = (value ushr 16).toByte()
        bytes[at + 3] = (value ushr 24).toByte()
    }

    fun u64(value: Long) {
        u32(value.toInt())
        u32((value ushr 32).toInt())
    }

    fun f64(value: Double): Unit = u64(java.lang.Double.doubleToLongBits(value))

    /** Text of at most [limit] UTF-16 units. */
    fun text(text: String, limit: Int = Limit.NAME_UNITS) {
        val units = minOf(text.length, limit)
        room(4 + 3 * units)
        val bytes = bytes
        val start = length + 4
        var at = start
        var next = 0
        while (next < units) {
            val char = text[next]
            if (char.code >= 0x80) break
            bytes[at++] = char.code.toByte()
            next++
        }
        if (next < units) at = beyondAscii(text, next, units, at)
        put32(length, at - start)
        length = at
    }

    private fun beyondAscii(text: String, from: Int, units: Int, to: Int): Int {
        var at = to
        var next = from
        while (next < units) {
            val char = text[next++]
            var code = char.code
            if (char.isHighSurrogate() && next < units && text[next].isLowSurrogate()) {
                code = Character.toCodePoint(char, text[next++])
            } else if (char.isSurrogate()) {
                code = 0xFFFD
            }
            when {
                code < 0x80 -> bytes[at++] = code.toByte()
                code < 0x800 -> {
                    bytes[at++] = (0xC0 or (code shr 6)).toByte()
                    bytes[at++] = (0x80 or (code and 0x3F)).toByte()
                }
                code < 0x10000 -> {
                    bytes[at++] = (0xE0 or (code shr 12)).toByte()
                    bytes[at++] = (0x80 or (code shr 6 and 0x3F)).toByte()
                    bytes[at++] = (0x80 or (code and 0x3F)).toByte()
                }
                else -> {
                    bytes[at++] = (0xF0 or (code shr 18)).toByte()
                    bytes[at++] = (0x80 or (code shr 12 and 0x3F)).toByte()
                    bytes[at++] = (0x80 or (code shr 6 and 0x3F)).toByte()
                    bytes[at++] = (0x80 or (code and 0x3F)).toByte()
                }
            }
        }
        return at
    }

    private fun blob(value: ByteArray) {
        val size = minOf(value.size, BLOB_BYTES)
        u32(size)
        room(size)
        value.copyInto(bytes, length, 0, size)
        length += size
    }

    fun beginAttributes() {
        countAt = length
        count = 0
        u16(0)
    }

    fun endAttributes(): Unit = put16(countAt, count)

    private fun key(key: String) {
        count++
        text(key, Limit.KEY_UNITS)
    }

    private fun full(): Boolean = count >= MAX_ATTRIBUTES || length > MAX_BYTES

    override fun put(key: String, value: String?) {
        if (value == null || full()) return
        key(key)
        u8(TEXT)
        text(value, Limit.TEXT_UNITS)
    }

    override fun put(key: String, value: Long) {
        if (full()) return
        key(key)
        u8(INT)
        u64(value)
    }

    override fun put(key: String, value: Double) {
        if (full()) return
        key(key)
        u8(DOUBLE)
        f64(value)
    }

    override fun put(key: String, value: Boolean) {
        if (full()) return
        key(key)
        u8(BOOL)
        flag(value)
    }

    override fun putAny(key: String, value: Any?) {
        if (value == null || full()) return
        key(key)
        value(value, 1)
    }

    override fun putAll(attributes: Map<String, Any?>) {
        for ((key, value) in attributes) putAny(key, value)
    }

    /** Lets the app's own code write; what it throws is counted and costs what it wrote, not the call. */
    inline fun guarded(otherwise: Draft.() -> Unit, write: Draft.() -> Unit) {
        val before = length
        val counted = count
        try {
            write()
        } catch (failure: Throwable) {
            Recorder.failed(failure)
            length = before
            count = counted
            otherwise()
        }
    }

    /** A value or none; none for one that cannot be written. */
    fun heldOrNone(value: Any?): Unit = guarded({ u8(NONE) }) { held(value) }

    /** A value or none. */
    fun held(value: Any?): Unit = if (value == null) u8(NONE) else value(value, 1)

    private fun value(value: Any, depth: Int) {
        when (value) {
            is String -> textValue(value)
            is Boolean -> {
                u8(BOOL)
                flag(value)
            }
            is Double -> {
                u8(DOUBLE)
                f64(value)
            }
            is Float -> {
                u8(DOUBLE)
                f64(value.toDouble())
            }
            is Long, is Int, is Short, is Byte -> {
                u8(INT)
                u64((value as Number).toLong())
            }
            is ByteArray -> {
                u8(BYTES)
                blob(value)
            }
            is Map<*, *>, is Iterable<*>, is Array<*> -> nested(value, depth)
            is Enum<*> -> textValue(value.name)
            else -> textValue(value.toString())
        }
    }

    private fun textValue(value: String) {
        u8(TEXT)
        text(value, Limit.TEXT_UNITS)
    }

    private fun nested(value: Any, depth: Int) {
        // What is deeper, or refers to itself, is cut with the core's marker.
        if (depth > MAX_DEPTH || length > MAX_BYTES) return textValue("…")
        u8(if (value is Map<*, *>) MAP else LIST)
        val at = length
        var items = 0
        u16(0)
        when (value) {
            is Map<*, *> -> for ((key, item) in value) {
                if (item == null) continue
                if (items++ >= MAX_ELEMENTS) break
                text(key.toString(), Limit.KEY_UNITS)
                value(item, depth + 1)
            }
            is Array<*> -> for (item in value) {
                if (items++ >= MAX_ELEMENTS) break
                if (item == null) textValue("null") else value(item, depth + 1)
            }
            is Iterable<*> -> for (item in value) {
                if (items++ >= MAX_ELEMENTS) break
                if (item == null) textValue("null") else value(item, depth + 1)
            }
        }
        put16(at, minOf(items, MAX_ELEMENTS))
    }
}

/** Where a draft is cut: a little more than the core keeps, in UTF-16 units. */
internal object Limit {
    const val TEXT_UNITS: Int = 2 * 1_024 + 2
    const val KEY_UNITS: Int = 130
    const val NAME_UNITS: Int = 2 * 256 + 2
    const val MESSAGE_UNITS: Int = 8_200
    const val STACK_UNITS: Int = 49_200
    const val URL_UNITS: Int = 8_192
}

/** The codes of calls. */
internal object Call {
    const val ACTION = 3
    const val RESOURCE = 4
    const val ERROR = 5
    const val LONG_TASK = 6
    const val VITAL = 7
    const val CUSTOM = 8
    const val LOG = 9
    const val MEASUREMENT = 10
    const val START_VIEW = 32
    const val PUSH_VIEW = 33
    const val STOP_VIEW = 34
    const val MARK_INTERACTIVE = 35
    const val START_ACTION = 36
    const val RENEW_SESSION = 37
    const val START_OPERATION = 40
    const val START_SPAN = 41
    const val SPAN_ATTRIBUTES = 42
    const val SPAN_EVENT = 43
    const val SPAN_LINK = 44
    const val END_SPAN = 45
    const val READ_CONTEXT = 46
    const val RETRY = 47
    const val START_REQUEST = 48
    const val END_REQUEST = 49
    const val KEEP_CONTEXT = 50
    const val TAKE_CONTEXT = 51
    const val DECLARE_STORE = 64
    const val MUTATION = 65
    const val DECIDE = 66
    const val UPDATE_POLICY = 67
    const val SUPPRESSED = 68
    const val FRAMES = 80
    const val SLOW_FRAME = 81
    const val MEMORY = 82
    const val PROCESSOR_TIME = 83
    const val PROCESS_START = 84
    const val INITIAL_DISPLAY = 85
    const val SYNC_FAILURE = 90
    const val QUEUE_FLUSH = 91
    const val REPORT_PROBLEM = 92
    const val USER = 100
    const val GLOBAL_ATTRIBUTE = 101
    const val FEATURE_FLAG = 102
    const val FAULT = 255
}
