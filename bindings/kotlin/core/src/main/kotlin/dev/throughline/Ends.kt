package dev.throughline

import dev.throughline.internal.ffi.HostMainThread
import dev.throughline.internal.ffi.ProcessExit as GeneratedExit

/**
 * The app's main thread, as [Throughline.watchMainThread] watches it. Both methods are called on a
 * thread of Throughline's.
 */
public interface MainThread {
    /** Gives the main thread a task that calls [Throughline.beat]. It must not wait for that. */
    public fun ask()

    /** The stack of the main thread, one frame a line. */
    public fun stack(): String = ""
}

/** What the system says about the end of a process of the app: Android's `ApplicationExitInfo`. */
public class ProcessExit @JvmOverloads constructor(
    /** Why it ended: one of Android's numbers `REASON_…`. */
    public val reason: Int,
    /** The exit status, or the number of the signal. */
    public val status: Int,
    /** How important it was to the user: one of Android's numbers `IMPORTANCE_…`. */
    public val importance: Int,
    /** When it ended, in ms since the Unix epoch. */
    public val timestamp: Long,
    /** The number of the process. */
    public val pid: Int,
    /** The name of the process. Null: the system does not say. */
    public val process: String? = null,
    /** The memory of the process, its own and its share of what is used together, in KiB. */
    public val pss: Long = 0,
    /** The memory that was mapped, in KiB. */
    public val rss: Long = 0,
    /** What the process had given to `setProcessStateSummary`. */
    public val summary: ByteArray? = null,
    /** What the system says in words. */
    public val description: String? = null,
    /** The stacks of all threads, for an ANR. */
    public val trace: String? = null,
) {
    internal fun generated(): GeneratedExit = GeneratedExit(
        reason = reason,
        status = status,
        importance = importance,
        atMs = maxOf(0, timestamp).toULong(),
        pid = maxOf(0, pid).toUInt(),
        process = process,
        pssKb = maxOf(0, pss).toULong(),
        rssKb = maxOf(0, rss).toULong(),
        summary = summary ?: ByteArray(0),
        description = description ?: "",
        trace = trace ?: "",
    )
}

/** Shows a main thread to the core, which ignores what is thrown. */
internal class ShownMainThread(private val main: MainThread) : HostMainThread {
    override fun ask(): Unit = main.ask()

    override fun stack(): String = main.stack()
}
