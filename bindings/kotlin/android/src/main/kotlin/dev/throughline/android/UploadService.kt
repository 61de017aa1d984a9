package dev.throughline.android

import android.app.job.JobInfo
import android.app.job.JobParameters
import android.app.job.JobScheduler
import android.app.job.JobService
import android.content.ComponentName
import android.content.Context
import dev.throughline.Finding
import dev.throughline.Throughline
import dev.throughline.ThroughlineException
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

/**
 * Uploads what is left when the app has gone to the background and there is a network. Without the
 * user's consent, and for what only the app can change, there is no job.
 */
public class UploadService : JobService() {
    override fun onStartJob(parameters: JobParameters): Boolean {
        Thread({
            val isToBeRepeated = try {
                // When the process was created for the job, the app's start has only just begun.
                Throughline.awaitStart()
                !Throughline.flush(60.seconds).isComplete && mayPass(obstacles())
            } catch (notRunning: ThroughlineException) {
                // The app does not start the client here. A launch that does will send the rest.
                false
            }
            jobFinished(parameters, isToBeRepeated)
        }, "throughline-upload").start()
        return true
    }

    /**
     * The system ends the job. A request that is under way ends, the rest waits for another job.
     */
    override fun onStopJob(parameters: JobParameters): Boolean = true

    internal companion object {
        /** The causes that may be gone at the next job. The others are the user's or the app's. */
        private val PASSING =
            setOf("offline", "saves_data", "storage_locked", "storage_full", "unreachable", "backend_fails", "host_fails")

        @Volatile
        var jobId: Int? = null

        /** Schedules the job if the app has one, on a thread that this returns. */
        fun schedule(context: Context): Thread? {
            // The user may leave the app while it starts: the options are read on another thread.
            if (jobId == null && !Throughline.isStarting) return null
            val scheduler = Thread(
                {
                    val id = if (Throughline.awaitStart()) jobId else null
                    if (id != null && !isHopeless(obstacles())) enqueue(context, id)
                },
                "throughline-schedule",
            )
            return try {
                scheduler.apply { start() }
            } catch (noMemory: OutOfMemoryError) {
                // There is no thread to be had. The next launch sends the rest.
                null
            }
        }

        private fun enqueue(context: Context, id: Int) {
            val job = JobInfo.Builder(id, ComponentName(context, UploadService::class.java))
                .setRequiredNetworkType(JobInfo.NETWORK_TYPE_ANY)
                .setMinimumLatency(1_000)
                .build()
            try {
                context.getSystemService(JobScheduler::class.java)?.schedule(job)
            } catch (refused: RuntimeException) {
                // There are too many jobs, or the manifest has no such service. The next launch
                // sends the rest.
            }
        }

        /** What keeps events from being sent now. */
        private fun obstacles(): List<Finding> = Throughline.diagnose(Duration.ZERO).findings.filter { it.blocks }

        /** Whether no job could send anything to anybody. */
        private fun isHopeless(obstacles: List<Finding>): Boolean =
            obstacles.any { it.destination == null && it.cause !in PASSING }

        /** Whether another job could send what this one has left. */
        private fun mayPass(obstacles: List<Finding>): Boolean =
            !isHopeless(obstacles) && (obstacles.isEmpty() || obstacles.any { it.cause in PASSING })
    }
}
