package dev.throughline

/**
 * Takes the attributes of an event, in the block that a recording function is given:
 *
 * ```kotlin
 * Throughline.action("checkout") {
 *     put("items", 3)
 *     put("coupon", code)
 * }
 * ```
 *
 * At most 128 are kept, keys of 128 bytes, texts of 1,024 characters; what is more is cut or counted. `null` is left out.
 */
public abstract class Attributes internal constructor() {
    /** Adds a text. */
    public abstract fun put(key: String, value: String?)

    /** Adds a whole number. */
    public abstract fun put(key: String, value: Long)

    /** Adds a whole number. */
    public fun put(key: String, value: Int): Unit = put(key, value.toLong())

    /** Adds a number. */
    public abstract fun put(key: String, value: Double)

    /** Adds true or false. */
    public abstract fun put(key: String, value: Boolean)

    /** Adds texts, numbers, booleans, byte arrays, lists and maps of those, 8 deep; of anything else its `toString()`. */
    public abstract fun putAny(key: String, value: Any?)

    /** Adds what a map holds. */
    public abstract fun putAll(attributes: Map<String, Any?>)
}

/** No attributes. Here, not where it is used: what is not needed at the first call is not loaded at the first call. */
internal val NONE: Attributes.() -> Unit = {}
