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
 * Each process of an app reports its own, once. What was reported is written down only when it is in
 * the database: what a start that failed would have reported, the next one does.
 *
 * A crash of native code is left to the core if the run that died captured crashes: the core reports
 * it with its stack, and the system's record of it would be a second one.
 *
 * @param process the name of this process.
 */
internal class ExitReasons(private val context: Context, private val process: String = ProcessState.name(context)) {
    /** Writes down that this run captures crashes. Call it before [report]. */
    fun captures(pid: Int = android.os.Process.myPid(), now: Long = System.currentTimeMillis()): Unit = guarded {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.R) return
        val marks = context.getSharedPreferences(preferences(), Context.MODE_PRIVATE)
        val all = (captured(marks) + Captured(pid, now)).takeLast(MAX_TOLD)
        marks.edit().putString(CAPTURED, all.joinToString(",") { "${it.since}:${it.pid}" }).commit()
    }

    /** A run that captured crashes: its number, which comes again, and when it began to. */
    private class Captured(val pid: Int, val since: Long)

    private fun captured(marks: SharedPreferences): List<Captured> =
        marks.getString(CAPTURED, null).orEmpty().split(',').mapNotNull { mark ->
            val (since, pid) = mark.split(':').takeIf { it.size == 2 } ?: return@mapNotNull null
            Captured(pid.toIntOrNull() ?: return@mapNotNull null, since.toLongOrNull() ?: return@mapNotNull null)
        }

    /** Whether the run that an exit ended captured crashes. */
    private fun hasCaptured(exit: ApplicationExitInfo, runs: List<Captured>, exits: List<ApplicationExitInfo>): Boolean {
        val run = runs.lastOrNull { it.pid == exit.pid && it.since <= exit.timestamp } ?: return false
        // Another process of that number has ended in between: that one was the run.
        return exits.none { it.pid == exit.pid && it.timestamp in run.since until exit.timestamp }
    }

    /** Reports what is new. The client must run; call it off the main thread. */
    fun report(): Unit = guarded {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.R) return
        if (Throughline.health()?.isEnabled != true) return
        val manager = context.getSystemService(ActivityManager::class.java) ?: return
        val marks = context.getSharedPreferences(preferences(), Context.MODE_PRIVATE)
        val own = manager.getHistoricalProcessExitReasons(context.packageName, 0, 0)
            .filter { it.processName == null || it.processName == process }
        val told = told(marks, own)
        val exits = own.filterNot { keyOf(it) in told }.sortedBy { it.timestamp }
        val runs = captured(marks)
        for (exit in exits) if (!isCrashOfCode(exit.reason, exit.status) || !hasCaptured(exit, runs, own)) record(exit)
        if (exits.isEmpty() && marks.contains(TOLD)) return
        if (exits.isNotEmpty() && !Throughline.drain()) return
        val all = (told + exits.map(::keyOf)).takeLast(MAX_TOLD)
        if (all.isEmpty()) return
        marks.edit().putString(TOLD, all.joinToString(",")).commit()
    }

    /**
     * The exits that were told before. Earlier versions wrote down only a time, up to which they had
     * told all. A time alone does not do: a clock that is set back would hide what comes after.
     */
    private fun told(marks: SharedPreferences, own: List<ApplicationExitInfo>): List<String> {
        marks.getString(TOLD, null)?.let { return it.split(',') }
        val until = marks.getLong(LAST_EXIT, 0)
        return own.filter { it.timestamp <= until }.map(::keyOf)
    }

    private fun keyOf(exit: ApplicationExitInfo): String = "${exit.timestamp}:${exit.pid}"

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

    internal companion object {
        private const val MAX_TRACE = 32 * 1_024

        /** How many exits are remembered. The system keeps the latest 16 of an app. */
        private const val MAX_TOLD = 64

        /** What was told, as `time:pid`. */
        private const val TOLD = "told_exits"

        /** The runs that captured crashes, as `time:pid`. */
        private const val CAPTURED = "captured_runs"

        /** What an earlier version has written. */
        private const val LAST_EXIT = "last_exit"

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

        /** Whether native code has crashed, which the core's handler sees. */
        fun isCrashOfCode(reason: Int, status: Int): Boolean = when (reason) {
            ApplicationExitInfo.REASON_CRASH_NATIVE -> true
            ApplicationExitInfo.REASON_SIGNALED -> status in FATAL
            else -> false
        }

        private fun outOfMemory(importance: Int): Pair<ErrorKind, String>? =
            (ErrorKind.OUT_OF_MEMORY to "LowMemory").takeIf { importance <= RunningAppProcessInfo.IMPORTANCE_PERCEPTIBLE }
    }
}
