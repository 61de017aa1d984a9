package dev.throughline

import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds

/** How much of a value is recorded. */
public enum class Capture {
    /** Nothing. */
    NONE,

    /** Booleans and numbers. Of texts and bytes, the length. */
    PRIMITIVE,

    /** As [PRIMITIVE], and of lists and maps the number of elements. */
    SUMMARY,

    /** Texts, lists and maps as they are, up to 1,024 characters. */
    FULL,
}

/**
 * What of a traced store is recorded.
 *
 * A pattern is a path of dotted keys in which `*` stands for one key, `**` for any number of keys,
 * `[3]` for an element and `[*]` for any element: `items[*].price`, `**.isLoading`. A store with a
 * pattern that cannot be read records nothing, and [Health.problems] names the pattern.
 *
 * ```kotlin
 * Throughline.tracedStore("Cart") {
 *     deny("user.*.email")
 *     transient("**.isLoading")
 *     capture("coupon", Capture.FULL)
 * }
 * ```
 */
@ThroughlineDsl
public class StorePolicy internal constructor() {
    private val allow = ArrayList<String>()
    private val deny = ArrayList<String>()
    private val transient = ArrayList<String>()
    private val redact = ArrayList<String>()
    private val captures = ArrayList<Pair<String, Capture>>()

    /**
     * Mutations of one path with one cause within this time make one action. Zero: each makes its
     * own. At most 1 minute.
     */
    public var coalesce: Duration = 250.milliseconds

    /**
     * A value that is back where it was within this time makes no action. Zero: it does. At most 1
     * minute.
     */
    public var ignoreIfReverted: Duration = Duration.ZERO

    /** How many actions the store may make a second. Further mutations are only counted. */
    public var maxActionsPerSecond: Int = 20

    /** How much of a value is recorded where no rule covers its path. */
    public var capture: Capture = Capture.PRIMITIVE

    /** Adds paths whose mutations are recorded as actions. Without any, all are. */
    public fun allow(vararg paths: String) {
        allow += paths
    }

    /** Adds paths whose mutations are not recorded although [allow] covers them. */
    public fun deny(vararg paths: String) {
        deny += paths
    }

    /**
     * Adds paths whose mutations never make an action of their own, for example loading flags and
     * scroll positions.
     */
    // In Java the name would be a keyword.
    @JvmName("transientPaths")
    public fun transient(vararg paths: String) {
        transient += paths
    }

    /** Adds paths whose values are never recorded. */
    public fun redact(vararg paths: String) {
        redact += paths
    }

    /**
     * Sets how much is recorded of the values of some paths. The last rule that covers a path
     * counts.
     */
    public fun capture(paths: String, capture: Capture) {
        captures += paths to capture
    }

    /** The policy as the core reads it. As JSON it has its durations in whole milliseconds. */
    internal fun json(): String = buildString {
        append("{\"allow\":")
        list(allow.ifEmpty { listOf("**") })
        append(",\"deny\":")
        list(deny)
        append(",\"transient\":")
        list(transient)
        append(",\"redact\":")
        list(redact)
        append(",\"captures\":[")
        captures.forEachIndexed { at, (paths, capture) ->
            if (at > 0) append(',')
            append("{\"paths\":")
            quoted(paths)
            append(",\"capture\":\"").append(capture.name.lowercase()).append("\"}")
        }
        append("],\"capture\":\"").append(capture.name.lowercase())
        append("\",\"coalesce_ms\":").append(maxOf(0, coalesce.inWholeMilliseconds))
        append(",\"ignore_if_reverted_ms\":").append(maxOf(0, ignoreIfReverted.inWholeMilliseconds))
        append(",\"max_actions_per_second\":").append(maxOf(0, maxActionsPerSecond)).append('}')
    }

    private fun StringBuilder.list(items: List<String>) {
        append('[')
        items.forEachIndexed { at, item ->
            if (at > 0) append(',')
            quoted(item)
        }
        append(']')
    }

    private fun StringBuilder.quoted(text: String) {
        append('"')
        for (char in text) {
            when {
                char == '"' || char == '\\' -> append('\\').append(char)
                char < ' ' || char.isSurrogate() -> append("\\u").append(char.code.toString(16).padStart(4, '0'))
                else -> append(char)
            }
        }
        append('"')
    }
}
