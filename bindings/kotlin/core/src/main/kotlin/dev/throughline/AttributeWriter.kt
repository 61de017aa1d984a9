package dev.throughline

/**
 * Writes the attributes of an event, in the block that a recording function takes:
 *
 * ```kotlin
 * Throughline.action("checkout") {
 *     put("items", 3)
 *     put("coupon", code)
 * }
 * ```
 *
 * At most 128 attributes are kept. Keys are cut at 128 bytes, texts at 1,024 characters; what is
 * cut or left out is counted on the event. `null` is left out.
 */
public abstract class AttributeWriter internal constructor() {
    /** Adds a text. */
    public abstract fun put(key: String, value: String?)

    /** Adds a whole number. */
    public abstract fun put(key: String, value: Long)

    /** Adds a whole number. */
    public fun put(key: String, value: Int): Unit = put(key, value.toLong())

    /** Adds a number. */
    public abstract fun put(key: String, value: Double)

    /** Adds a boolean. */
    public abstract fun put(key: String, value: Boolean)

    /**
     * Adds a text, a number, a boolean, a byte array of at most 4,096 bytes, or a list or a map of
     * those with at most 256 elements and 8 levels. Of any other value, its `toString()` is added.
     */
    public abstract fun putAny(key: String, value: Any?)

    /** Adds every entry of a map. */
    public abstract fun putAll(attributes: Map<String, Any?>)
}

/**
 * Writes attributes: the block that recording functions take. In Kotlin it is a lambda with an
 * [AttributeWriter] as its receiver, in Java one with a parameter.
 */
public fun interface Attributes {
    /** Writes them. It is called once, before the recording function returns. */
    public fun AttributeWriter.write()
}

/**
 * No attributes. In this file, so that the first call of a process does not load a class for it.
 */
internal val NONE: Attributes = Attributes {}
