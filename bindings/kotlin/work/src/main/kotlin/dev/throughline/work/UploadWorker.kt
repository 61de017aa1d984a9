package dev.throughline.work

import android.content.Context
import androidx.work.Worker
import androidx.work.WorkerParameters
import dev.throughline.HostTransport
import dev.throughline.Throughline
import kotlin.time.Duration.Companion.seconds

/**
 * Sends what is left, for at most eight minutes: WorkManager ends a worker after ten.
 *
 * The client must have been started with `pull`, by the app's `Application.onCreate` or by [start].
 * While consent is pending, nothing is sent. A request that was under way when the process died is
 * sent again by the next one, with the same events.
 */
public open class UploadWorker(context: Context, parameters: WorkerParameters) : Worker(context, parameters) {
    private val uploads by lazy { Uploads(transport()) }

    /**
     * Starts the client, if the app's `Application.onCreate` does not. It is called on a thread of
     * WorkManager's when no client runs, and none is about to.
     */
    protected open fun start(context: Context): Unit = Unit

    /**
     * What sends the requests. By default it is an `HttpURLConnection`; an app with certificates or
     * proxies of its own returns an `OkHttpTransport`. A request that takes over 30 seconds is given
     * up, and its thread is interrupted.
     */
    protected open fun transport(): HostTransport = PlainTransport()

    final override fun doWork(): Result {
        if (!Throughline.isRunning && !Throughline.isStarting) {
            try {
                start(applicationContext)
            } catch (failed: Exception) {
                // The client runs already, or it cannot run at all. A later launch sends the rest.
            }
        }
        // The process may have been created for this worker.
        if (!Throughline.awaitStart(START_SECONDS.seconds)) return Result.success()
        return if (uploads.send { isStopped }) Result.success() else Result.retry()
    }

    final override fun onStopped() {
        uploads.stop()
    }

    private companion object {
        const val START_SECONDS = 30
    }
}
