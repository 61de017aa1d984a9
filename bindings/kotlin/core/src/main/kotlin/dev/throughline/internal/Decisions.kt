package dev.throughline.internal

/**
 * What the core answers to "decide": whether the mutations of a path are recorded, and which
 * version of the store's policy says so.
 *
 * If it is positive, it is the version, shifted to the left, and a code. [PathAnswerLayout] has the
 * numbers.
 */
@JvmInline
internal value class PathAnswer(private val bits: Long) {
    /** Whether the core did decide. */
    val isDecided: Boolean get() = bits > 0

    val version: Long get() = bits shr PathAnswerLayout.VERSION_SHIFT

    /** Whether mutations of the path are ignored. */
    val ignores: Boolean get() = bits and PathAnswerLayout.CODE_MASK != PathAnswerLayout.RECORDS
}

/**
 * The decision about a path that a facade remembers.
 *
 * Bit 0 says whether mutations are ignored, the other bits are the version of the policy that
 * decided. 0: none is remembered.
 */
@JvmInline
internal value class RememberedDecision(private val bits: Long) {
    /** Whether this is a decision of the policy with a version. */
    fun isBy(version: Long): Boolean = bits shr 1 == version

    /** Whether this is a decision of the policy with a version, by which mutations are ignored. */
    fun ignores(version: Long): Boolean = bits == (version shl 1 or 1)

    companion object {
        fun of(version: Long, ignores: Boolean) = RememberedDecision(version shl 1 or (if (ignores) 1 else 0))
    }
}
