package dev.throughline.work

import android.app.Activity
import android.app.Application
import android.content.Context
import android.os.Build
import android.os.Bundle
import android.util.Log
import androidx.work.BackoffPolicy
import androidx.work.Constraints
import androidx.work.ExistingPeriodicWorkPolicy
import androidx.work.ExistingWorkPolicy
import androidx.work.NetworkType
import androidx.work.OneTimeWorkRequest
import androidx.work.OutOfQuotaPolicy
import androidx.work.PeriodicWorkRequest
import androidx.work.WorkManager
import androidx.work.WorkRequest
import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicReference

/** Uploads in the background, by WorkManager. */
public object ThroughlineWork {
    /** The name of the work that is repeated. */
    public const val PERIODIC: String = "throughline-periodic"

    /** The name of the work that is done once, when the app has gone to the background. */
    public const val ONCE: String = "throughline-once"

    private const val BACKOFF_SECONDS = 60L
    private const val TAG = "Throughline"

    private val watching = AtomicReference<Watch>()

    /**
     * Sends in the background what is left: every [hours] hours, and whenever the app leaves the
     * screen, each when there is a network. Call it in `Application.onCreate`, in the app's main
     * process alone. A second call with another [worker] or [hours] takes their place for what
     * leaves the screen; the repeated work stays as it was scheduled first, until [cancel].
     *
     * @param worker the class of the worker: a subclass starts the client itself.
     * @return false when WorkManager refuses, for example because the app has not initialized it.
     */
    @JvmStatic @JvmOverloads
    public fun schedule(
        context: Context,
        worker: Class<out UploadWorker> = UploadWorker::class.java,
        hours: Long = 1,
    ): Boolean {
        val application = context.applicationContext ?: context
        val watch = Watch(application, worker)
        val before = watching.getAndSet(watch)
        if (application is Application) {
            if (before != null) application.unregisterActivityLifecycleCallbacks(before)
            application.registerActivityLifecycleCallbacks(watch)
        }
        return asked {
            val work = PeriodicWorkRequest.Builder(worker, hours, TimeUnit.HOURS).onNetwork().build()
            WorkManager.getInstance(application)
                .enqueueUniquePeriodicWork(PERIODIC, ExistingPeriodicWorkPolicy.KEEP, work)
        }
    }

    /**
     * Sends what is left as soon as there is a network, once. While such work waits or runs, another
     * call adds none.
     *
     * @return false when WorkManager refuses.
     */
    @JvmStatic @JvmOverloads
    public fun sendSoon(context: Context, worker: Class<out UploadWorker> = UploadWorker::class.java): Boolean = asked {
        val builder = OneTimeWorkRequest.Builder(worker).onNetwork()
        // Before Android 12, WorkManager would show a notification for expedited work.
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.S) {
            builder.setExpedited(OutOfQuotaPolicy.RUN_AS_NON_EXPEDITED_WORK_REQUEST)
        }
        WorkManager.getInstance(context).enqueueUniqueWork(ONCE, ExistingWorkPolicy.KEEP, builder.build())
    }

    /** Ends both kinds of work. What was recorded waits for the next launch. */
    @JvmStatic public fun cancel(context: Context) {
        watching.getAndSet(null)?.let { watch ->
            (watch.context as? Application)?.unregisterActivityLifecycleCallbacks(watch)
        }
        asked {
            WorkManager.getInstance(context).cancelUniqueWork(PERIODIC)
            WorkManager.getInstance(context).cancelUniqueWork(ONCE)
        }
    }

    private fun <B : WorkRequest.Builder<B, W>, W : WorkRequest> B.onNetwork(): B = apply {
        setConstraints(Constraints.Builder().setRequiredNetworkType(NetworkType.CONNECTED).build())
        setBackoffCriteria(BackoffPolicy.EXPONENTIAL, BACKOFF_SECONDS, TimeUnit.SECONDS)
    }

    /** Telemetry must not end an app whose WorkManager is not there, or is full. */
    private inline fun asked(ask: () -> Unit): Boolean = try {
        ask()
        true
    } catch (refused: RuntimeException) {
        Log.w(TAG, "WorkManager takes no uploads: $refused")
        false
    }

    /** Notices that no activity is on the screen any more. */
    private class Watch(
        val context: Context,
        private val worker: Class<out UploadWorker>,
    ) : Application.ActivityLifecycleCallbacks {
        private val shown = HashSet<Int>()

        override fun onActivityStarted(activity: Activity) {
            shown.add(System.identityHashCode(activity))
        }

        override fun onActivityStopped(activity: Activity) {
            // One that is made anew, for example because the screen was turned, stays in the set
            // until the new one is there: nothing has left the screen.
            if (activity.isChangingConfigurations) return
            shown.remove(System.identityHashCode(activity))
            if (shown.isEmpty()) sendSoon(context, worker)
        }

        override fun onActivityDestroyed(activity: Activity) {
            shown.remove(System.identityHashCode(activity))
        }

        override fun onActivityCreated(activity: Activity, state: Bundle?): Unit = Unit
        override fun onActivityResumed(activity: Activity): Unit = Unit
        override fun onActivityPaused(activity: Activity): Unit = Unit
        override fun onActivitySaveInstanceState(activity: Activity, state: Bundle): Unit = Unit
    }
}
