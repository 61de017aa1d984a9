package dev.throughline.android

import android.app.ActivityManager
import android.app.ApplicationExitInfo
import android.content.Context
import android.os.Build
import dev.throughline.ProcessExit
import dev.throughline.Throughline
import java.io.InputStream

/**
 * Tells the core why earlier runs of this process ended, as the system knows since Android 11. The
 * core reports what is new and what the run itself has not said.
 *
 * @param process the name of this process. Each process of an app reports its own.
 */
internal class ExitReasons(
    private val context: Context,
    private val process: String = processName().ifEmpty { context.packageName },
) {
    /** Reports what is new. The client must run; call it off the main thread. */
    fun report(): Unit = guarded {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.R) return
        if (Throughline.health()?.isEnabled != true) return
        val manager = context.getSystemService(ActivityManager::class.java) ?: return
        val exits = manager.getHistoricalProcessExitReasons(context.packageName, 0, 0).map(::told)
        // Also when there are none: what the first call sees is of a time before the client.
        Throughline.reportExits(exits, process)
        // So that the record of this run's end names it. The number of its process comes again.
        guarded { manager.setProcessStateSummary(Throughline.runSummary()) }
    }

    private fun told(exit: ApplicationExitInfo): ProcessExit = ProcessExit(
        reason = exit.reason,
        status = exit.status,
        importance = exit.importance,
        timestamp = exit.timestamp,
        pid = exit.pid,
        process = exit.processName,
        pss = exit.pss,
        rss = exit.rss,
        summary = exit.processStateSummary,
        description = exit.description,
        trace = trace(exit),
    )

    /**
     * The stacks of all threads, for an ANR. For a native crash, what the system keeps is not text.
     */
    private fun trace(exit: ApplicationExitInfo): String = try {
        if (exit.reason == ApplicationExitInfo.REASON_ANR) exit.traceInputStream?.use(::beginningOf) ?: "" else ""
    } catch (unreadable: java.io.IOException) {
        ""
    }

    internal companion object {
        private const val MAX_TRACE = 32 * 1_024

        /** The first 32 KiB of a text. */
        fun beginningOf(text: InputStream): String {
            val bytes = ByteArray(MAX_TRACE)
            var length = 0
            while (length < bytes.size) {
                val more = text.read(bytes, length, bytes.size - length)
                if (more < 0) break
                length += more
            }
            return String(bytes, 0, length, Charsets.UTF_8)
        }
    }
}
