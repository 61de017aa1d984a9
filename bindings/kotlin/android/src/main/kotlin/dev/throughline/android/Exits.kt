package dev.throughline.android

import android.app.ActivityManager
import android.app.ActivityManager.RunningAppProcessInfo
import android.app.ApplicationExitInfo
import android.content.Context
import android.content.SharedPreferences
import android.os.Build
import dev.throughline.ErrorKind
import dev.throughline.Throughline
import java.io.InputStream
import java.text.SimpleDateFormat
import java.util.Date
import java.util.Locale
import java.util.TimeZone

/**
 * Reports why earlier runs of this process ended, as the system knows since Android 11.
 *
 * Each process of an app reports its own, once. The mark of what was reported moves only when the
 * reports are in the database: what a start that failed would have reported, the next one does.
 *
 * @param process the name of this process.
 */
internal class ExitReasons(private val context: Context, private val process: String = ProcessState.name(context)) {
    /** Reports what is new. The client must run; call it off the main thread. */
    fun report(): Unit = guarded {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.R) return
        if (Throughline.health()?.isEnabled != true) return
        val manager = context.getSystemService(ActivityManager::class.java) ?: return
        val marks = context.getSharedPreferences(preferences(), Context.MODE_PRIVATE)
        val mark = Mark.read(marks)
        val exits = manager.getHistoricalProcessExitReasons(context.packageName, 0, 0)
            .filter { it.processName == null || it.processName == process }
            .filterNot { mark.covers(it.timestamp, it.pid) }
            .sortedBy { it.timestamp }
        if (exits.isEmpty()) return
        for (exit in exits) record(exit)
        if (!Throughline.drain()) return
        val last = exits.last().timestamp
        val pids = exits.filter { it.timestamp == last }.map { it.pid }.toSet()
        Mark(last, if (last == mark.time) pids + mark.pids else pids).write(marks)
    }

    private fun record(exit: ApplicationExitInfo) {
        val kind = kindOf(exit.reason, exit.importance, exit.status) ?: return
        Throughline.error(kind.second, exit.description ?: "", trace(exit), kind.first) {
            put("process.pid", exit.pid)
            put("process.executable.name", exit.processName)
            put("process.exit.time", timeOf(exit.timestamp))
            put("dev.throughline.exit.status", exit.status)
            put("dev.throughline.exit.importance", exit.importance)
            put("dev.throughline.exit.pss_kb", exit.pss)
        }
    }

    /** A file for each process: two processes must not write to one. */
    private fun preferences(): String =
        if (process == context.packageName) "throughline" else "throughline-" + process.map(::harmless).joinToString("")

    private fun harmless(char: Char) = if (char.isLetterOrDigit() || char == '.') char else '_'

    /**
     * The stacks of all threads, for an ANR. For a native crash, what the system keeps is not text.
     */
    private fun trace(exit: ApplicationExitInfo): String = try {
        if (exit.reason == ApplicationExitInfo.REASON_ANR) exit.traceInputStream?.use(::beginningOf) ?: "" else ""
    } catch (unreadable: java.io.IOException) {
        ""
    }

    /** Up to which exit everything was reported: its time, and which processes ended then. */
    private class Mark(val time: Long, val pids: Set<Int>) {
        fun covers(time: Long, pid: Int): Boolean = time < this.time || time == this.time && pid in pids

        fun write(marks: SharedPreferences) {
            marks.edit().putLong(TIME, time).putString(PIDS, pids.joinToString(",")).commit()
        }

        companion object {
            private const val TIME = "last_exit"
            private const val PIDS = "last_exit_pids"

            fun read(marks: SharedPreferences): Mark {
                val time = marks.getLong(TIME, 0)
                // Earlier versions wrote no numbers of processes, and had told all of that time.
                val pids = marks.getString(PIDS, null) ?: return Mark(if (time > 0) time + 1 else 0, emptySet())
                return Mark(time, pids.split(',').mapNotNull { it.toIntOrNull() }.toSet())
            }
        }
    }

    internal companion object {
        private const val MAX_TRACE = 32 * 1_024

        /** The number of the signal that cannot be caught, by which the system takes memory back. */
        private const val SIGKILL = 9

        /** Signals of a process that has broken itself, by their numbers and names. */
        private val FATAL = mapOf(
            4 to "SIGILL", 5 to "SIGTRAP", 6 to "SIGABRT", 7 to "SIGBUS", 8 to "SIGFPE", 11 to "SIGSEGV", 31 to "SIGSYS",
        )

        /** A time in ISO 8601, in UTC. */
        fun timeOf(millis: Long): String =
            SimpleDateFormat("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", Locale.ROOT).run {
                timeZone = TimeZone.getTimeZone("UTC")
                format(Date(millis))
            }

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

        /**
         * What is recorded of an exit. Null for an ordinary one, and for a crash that was recorded
         * when it happened.
         *
         * The system ends processes that nobody needs all the time, to have their memory. Only when
         * the user was using the process is that out of memory.
         */
        fun kindOf(reason: Int, importance: Int, status: Int): Pair<ErrorKind, String>? = when (reason) {
            ApplicationExitInfo.REASON_ANR -> ErrorKind.ANR to "ANR"
            ApplicationExitInfo.REASON_CRASH_NATIVE -> ErrorKind.CRASH to "NativeCrash"
            ApplicationExitInfo.REASON_INITIALIZATION_FAILURE -> ErrorKind.CRASH to "InitializationFailure"
            ApplicationExitInfo.REASON_LOW_MEMORY -> outOfMemory(importance)
            ApplicationExitInfo.REASON_SIGNALED -> when (status) {
                // Devices that do not report low memory say only this.
                SIGKILL -> outOfMemory(importance)
                else -> FATAL[status]?.let { ErrorKind.CRASH to it }
            }
            else -> null
        }

        private fun outOfMemory(importance: Int): Pair<ErrorKind, String>? =
            (ErrorKind.OUT_OF_MEMORY to "LowMemory").takeIf { importance <= RunningAppProcessInfo.IMPORTANCE_PERCEPTIBLE }
    }
}
