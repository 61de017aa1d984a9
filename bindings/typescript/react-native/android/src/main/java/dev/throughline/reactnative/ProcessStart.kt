package dev.throughline.reactnative

import android.app.ActivityManager
import android.app.ActivityManager.RunningAppProcessInfo
import android.app.ApplicationStartInfo
import android.content.Context
import android.os.Build
import android.os.Process
import android.os.SystemClock
import java.util.concurrent.atomic.AtomicBoolean

/** When the process was started, if that was because the user has opened the app. */
internal object ProcessStart {
    private val isTold = AtomicBoolean()

    private val USERS = setOf(
        ApplicationStartInfo.START_REASON_LAUNCHER,
        ApplicationStartInfo.START_REASON_LAUNCHER_RECENTS,
        ApplicationStartInfo.START_REASON_START_ACTIVITY,
    )

    private val VISIBLE = setOf(RunningAppProcessInfo.IMPORTANCE_FOREGROUND, RunningAppProcessInfo.IMPORTANCE_VISIBLE)

    /** ms since the epoch, the first time that somebody asks in this process. Else 0. */
    fun tell(context: Context): Double = try {
        if (isTold.compareAndSet(false, true) && isForUser(reason(context), ::importance)) {
            val age = SystemClock.elapsedRealtime() - Process.getStartElapsedRealtime()
            (System.currentTimeMillis() - age).toDouble()
        } else {
            0.0
        }
    } catch (refused: Throwable) {
        // Whatever the system refuses must not end the app.
        0.0
    }

    /**
     * Whether the user has opened the app, by why the system has started the process. Before Android
     * 15, it does not say why. What is visible now is taken for the reason then, which a service in
     * the foreground is not.
     */
    fun isForUser(reason: Int?, importance: () -> Int): Boolean =
        if (reason != null) reason in USERS else importance() in VISIBLE

    private fun reason(context: Context): Int? {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.VANILLA_ICE_CREAM) return null
        val activities = context.getSystemService(Context.ACTIVITY_SERVICE) as? ActivityManager ?: return null
        // The newest comes first, and a process may have several: an activity in it is started, too.
        return activities.getHistoricalProcessStartReasons(0).lastOrNull { it.pid == Process.myPid() }?.reason
    }

    private fun importance(): Int = RunningAppProcessInfo().also(ActivityManager::getMyMemoryState).importance
}
