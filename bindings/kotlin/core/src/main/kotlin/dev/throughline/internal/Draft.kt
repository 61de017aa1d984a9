package dev.throughline.internal

import dev.throughline.AttributeWriter

/**
 * Writes draft events: the header, then the fields of the call in the order of
 * `uniffi/src/draft/calls.rs`. `tests/vectors/draft.json` pins the layout in every language.
 *
 * A thread has one and uses it again. Texts are cut a little above the core's limits, so that a
 * text of 10 MB costs what is kept of it, and the core still sees that something was cut. Lone
 * surrogates become U+FFFD.
 */
internal class Draft : AttributeWriter() {
    /**
     * The slot of the context that is current on the thread of this draft. 0: none. It is here so
     * that a thread needs only one object.
     */
    @JvmField
    var currentSlot: Long = 0

    /** Whether the app says on the thread of this draft what surrounds a mutation. */
    @JvmField
    var isInContext = false

    private var isLent = false

    /**
     * This draft. While it is in use, another one: the `toString()` of an app's class may record,
     * too.
     */
    fun lend(): Draft {
        if (isLent) return Draft()
        isLent = true
        return this
    }

    fun giveBack() {
        isLent = false
    }

    /** What was written, and room for more. */
    var bytes: ByteArray = ByteArray(1_024)
        private set
    /** How many bytes were written. */
    var length: Int = 0
        private set

    /** Where the count of the attributes lies. */
    private var countAt = 0
    private var count = 0

    /**
     * Begins a draft.
     *
     * @param context the slot of the span or context that caused it. 0: the core's current one.
     * @param suppressed mutations of a store that were suppressed here since the last draft.
     * @param timeNs wall time in ns since the Unix epoch. 0: now.
     */
    fun begin(call: Int, context: Long, suppressed: Int = 0, timeNs: Long = 0) {
        length = 0
        reserve(DraftLayout.HEADER_BYTES)
        bytes[0] = DraftLayout.VERSION.toByte()
        bytes[1] = call.toByte()
        bytes[2] = 0
        bytes[3] = 0
        length = 4
        u32(suppressed)
        u64(context)
        u64(timeNs)
    }

    /** A copy that says when it was written, for the ring of calls before the start. */
    fun copyAt(timeNs: Long): ByteArray {
        val copy = bytes.copyOf(length)
        for (at in 0 until 8) copy[DraftLayout.TIME_AT + at] = (timeNs ushr (8 * at)).toByte()
        return copy
    }

    private fun reserve(more: Int) {
        if (length + more > bytes.size) bytes = bytes.copyOf(maxOf(bytes.size * 2, length + more))
    }

    fun u8(value: Int) {
        reserve(1)
        bytes[length++] = value.toByte()
    }

    fun flag(value: Boolean): Unit = u8(if (value) 1 else 0)

    fun u16(value: Int) {
        reserve(2)
        put16(length, value)
        length += 2
    }

    private fun put16(at: Int, value: Int) {
        bytes[at] = value.toByte()
        bytes[at + 1] = (value ushr 8).toByte()
    }

    fun u32(value: Int) {
        reserve(4)
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
        reserve(4 + 3 * units)
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
        val size = minOf(value.size, Limit.BLOB_BYTES)
        u32(size)
        reserve(size)
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

    private fun isFull(): Boolean = count >= Limit.ATTRIBUTES || length > Limit.ATTRIBUTES_END_BYTES

    override fun put(key: String, value: String?) {
        if (value == null || isFull()) return
        key(key)
        u8(Tag.TEXT)
        text(value, Limit.TEXT_UNITS)
    }

    override fun put(key: String, value: Long) {
        if (isFull()) return
        key(key)
        u8(Tag.INT)
        u64(value)
    }

    override fun put(key: String, value: Double) {
        if (isFull()) return
        key(key)
        u8(Tag.DOUBLE)
        f64(value)
    }

    override fun put(key: String, value: Boolean) {
        if (isFull()) return
        key(key)
        u8(Tag.BOOL)
        flag(value)
    }

    override fun putAny(key: String, value: Any?) {
        if (value == null || isFull()) return
        key(key)
        value(value, 1)
    }

    override fun putAll(attributes: Map<String, Any?>) {
        for ((key, value) in attributes) putAny(key, value)
    }

    /** How far the draft has come, for [rewind]. */
    fun mark(): Long = count.toLong() shl 32 or length.toLong()

    /** Forgets what was written since a [mark]. */
    fun rewind(mark: Long) {
        length = mark.toInt()
        count = (mark shr 32).toInt()
    }

    /** A value, or the tag that stands for none. */
    fun optionalValue(value: Any?): Unit = if (value == null) u8(Tag.NONE) else value(value, 1)

    private fun value(value: Any, depth: Int) {
        when (value) {
            is String -> textValue(value)
            is Boolean -> {
                u8(Tag.BOOL)
                flag(value)
            }
            is Double -> {
                u8(Tag.DOUBLE)
                f64(value)
            }
            is Float -> {
                u8(Tag.DOUBLE)
                f64(value.toDouble())
            }
            is Long, is Int, is Short, is Byte -> {
                u8(Tag.INT)
                u64((value as Number).toLong())
            }
            is ByteArray -> {
                u8(Tag.BYTES)
                blob(value)
            }
            is Map<*, *>, is Iterable<*>, is Array<*> -> nested(value, depth)
            is Enum<*> -> textValue(value.name)
            else -> textValue(value.toString())
        }
    }

    private fun textValue(value: String) {
        u8(Tag.TEXT)
        text(value, Limit.TEXT_UNITS)
    }

    private fun nested(value: Any, depth: Int) {
        // The core's marker stands for what is too deep, which includes a list that contains
        // itself.
        if (depth > Limit.DEPTH || length > Limit.ATTRIBUTES_END_BYTES) return textValue("…")
        u8(if (value is Map<*, *>) Tag.MAP else Tag.LIST)
        val at = length
        var items = 0
        u16(0)
        when (value) {
            is Map<*, *> -> for ((key, item) in value) {
                if (item == null) continue
                if (items++ >= Limit.ELEMENTS) break
                text(key.toString(), Limit.KEY_UNITS)
                value(item, depth + 1)
            }
            is Array<*> -> for (item in value) {
                if (items++ >= Limit.ELEMENTS) break
                if (item == null) textValue("null") else value(item, depth + 1)
            }
            is Iterable<*> -> for (item in value) {
                if (items++ >= Limit.ELEMENTS) break
                if (item == null) textValue("null") else value(item, depth + 1)
            }
        }
        put16(at, minOf(items, Limit.ELEMENTS))
    }
}
