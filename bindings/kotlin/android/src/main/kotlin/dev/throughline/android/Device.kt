package dev.throughline.android

import android.app.job.JobInfo
import android.app.job.JobParameters
import android.app.job.JobScheduler
import android.app.job.JobService
import android.content.BroadcastReceiver
import android.content.ComponentName
import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import android.net.ConnectivityManager
import android.net.Network
import android.net.NetworkCapabilities
import android.os.BatteryManager
import android.os.PowerManager
import dev.throughline.NetworkKind
import dev.throughline.Throughline
import java.io.File
import java.util.concurrent.atomic.AtomicReference
import kotlin.time.Duration.Companion.seconds

/**
 * Watches network, battery and power saving, which decide when uploads are made. What the system
 * refuses stays unknown.
 */
internal class DeviceState(private val context: Context) {
    /** Begins to watch, once in a process: they are watched until it ends, also between starts. */
    fun watch() {
        if (watched.getAndSet(context) === context) return
        guarded { network() }
        guarded { battery() }
    }

    private fun network() {
        val manager = context.getSystemService(ConnectivityManager::class.java) ?: return
        // Without a network nobody calls back.
        guarded { if (manager.activeNetwork == null) ThroughlineSink.network(NetworkKind.OFFLINE) }
        manager.registerDefaultNetworkCallback(object : ConnectivityManager.NetworkCallback() {
            override fun onCapabilitiesChanged(network: Network, capabilities: NetworkCapabilities) {
                val isFree = capabilities.hasCapability(NetworkCapabilities.NET_CAPABILITY_NOT_METERED)
                ThroughlineSink.network(if (isFree) NetworkKind.UNMETERED else NetworkKind.METERED)
            }

            override fun onLost(network: Network) = ThroughlineSink.network(NetworkKind.OFFLINE)
        })
    }

    private fun battery() {
        val power = context.getSystemService(PowerManager::class.java)
        val receiver = object : BroadcastReceiver() {
            override fun onReceive(context: Context?, intent: Intent?) {
                if (intent?.action == Intent.ACTION_BATTERY_CHANGED) {
                    val level = intent.getIntExtra(BatteryManager.EXTRA_LEVEL, -1)
                    val scale = intent.getIntExtra(BatteryManager.EXTRA_SCALE, 100)
                    val plugged = intent.getIntExtra(BatteryManager.EXTRA_PLUGGED, 0)
                    ThroughlineSink.battery(if (level < 0 || scale <= 0) null else 100 * level / scale, plugged != 0)
                }
                ThroughlineSink.lowPower(power?.isPowerSaveMode == true)
            }
        }
        val filter = IntentFilter(Intent.ACTION_BATTERY_CHANGED).apply { addAction(PowerManager.ACTION_POWER_SAVE_MODE_CHANGED) }
        context.registerReceiver(receiver, filter)
    }

    private companion object {
        val watched = AtomicReference<Context>()
    }
}

/** The memory of this process. */
internal object ProcessMemory {
    /**
     * The resident bytes. Null when the system does not say. It reads a file of the kernel's: do
     * not call it on the main thread.
     */
    fun resident(status: File = File("/proc/self/status")): Long? = try {
        // `VmRSS:     12345 kB`
        val line = status.useLines { lines -> lines.firstOrNull { it.startsWith("VmRSS:") } }
        line?.filter(Char::isDigit)?.toLongOrNull()?.times(1_024)
    } catch (refused: java.io.IOException) {
        null
    }
}

/** Uploads what is left when the app has gone to the background and there is a network. */
public class UploadService : JobService() {
    override fun onStartJob(parameters: JobParameters): Boolean {
        Thread({
            val isDone = try {
                // When the process was created for the job, the app's start has only just begun.
                Throughline.awaitStart()
                Throughline.flush(60.seconds).isComplete
            } catch (notRunning: dev.throughline.ThroughlineException) {
                // The app does not start the client here. A launch that does will send the rest.
                true
            }
            jobFinished(parameters, !isDone)
        }, "throughline-upload").start()
        return true
    }

    /**
     * The system ends the job. A request that is under way ends, the rest waits for another job.
     */
    override fun onStopJob(parameters: JobParameters): Boolean = true

    internal companion object {
        @Volatile
        var jobId: Int? = null

        fun schedule(context: Context) {
            val id = jobId ?: return
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
    }
}
