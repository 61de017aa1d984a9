package dev.throughline.android

import android.app.ActivityManager
import android.app.ActivityManager.RunningAppProcessInfo
import android.app.Application
import android.os.Build
import android.os.SystemClock
import java.io.File
import java.io.IOException

/**
 * What is known of this process at a start.
 *
 * @param isForeground whether the user sees the app, or the system has started the process to show
 * it. A process that a push, a job or a broadcast has started is not.
 * @param started when the process was started, in ms since the device was booted. Null: not known.
 */
internal class ProcessState(val isForeground: Boolean, val started: Long?) {
    companion object {
        /** Asks the system for the importance of this process. The tests replace it. */
        @Volatile
        var importance: () -> Int = {
            RunningAppProcessInfo().also(ActivityManager::getMyMemoryState).importance
        }

        fun now(): ProcessState {
            var importance = RunningAppProcessInfo.IMPORTANCE_FOREGROUND
            guarded { importance = this.importance() }
            return ProcessState(isVisible(importance), startedAt())
        }

        /** Whether the user sees a process of an importance. A foreground service is not seen. */
        fun isVisible(importance: Int): Boolean = when (importance) {
            RunningAppProcessInfo.IMPORTANCE_FOREGROUND, RunningAppProcessInfo.IMPORTANCE_VISIBLE -> true
            else -> false
        }

        private fun startedAt(): Long? =
            if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.N) android.os.Process.getStartElapsedRealtime() else null

        /** The name of this process. Before Android 9, only the kernel tells it. */
        fun name(sdk: Int = Build.VERSION.SDK_INT, commandLine: File = File("/proc/self/cmdline")): String = try {
            if (sdk >= Build.VERSION_CODES.P) Application.getProcessName().orEmpty() else nameIn(commandLine.readText())
        } catch (refused: IOException) {
            ""
        }

        /** The command line is the name, which the system has set, and zeros behind it. */
        private fun nameIn(commandLine: String): String = commandLine.substringBefore('\u0000')

        /** The time since the device was booted, ms. */
        fun clock(): Long = SystemClock.elapsedRealtime()
    }
}
