package dev.throughline.android

import android.app.ActivityManager
import android.app.ApplicationExitInfo
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
import android.os.Build
import android.os.PowerManager
import dev.throughline.ErrorKind
import dev.throughline.NetworkKind
import dev.throughline.Throughline
import java.io.File
import java.io.InputStream
import java.text.SimpleDateFormat
import java.util.Date
import java.util.Locale
import java.util.TimeZone
import java.util.concurrent.atomic.AtomicBoolean
import kotlin.time.Duration.Companion.seconds

/**
 * Watches network, battery and power saving, which decide when uploads are made. What the system
 * refuses stays unknown.
 */
internal class DeviceState(private val context: Context) {
    /** Begins to watch, once in a process: they are watched until it ends. */
    fun watch() {
        if (isWatched.getAndSet(true)) return
        guarded { network() }
        guarded { battery() }
    }

    private fun network() {
        val manager = context.getSystemService(ConnectivityManager::class.java) ?: return
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
        val isWatched = AtomicBoolean()
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

/** Reports why earlier runs ended, as the system knows since Android 11. Each is reported once. */
internal class ExitReasons(private val context: Context) {
    fun report(): Unit = guarded {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.R) return
        val manager = context.getSystemService(ActivityManager::class.java) ?: return
        val preferences = context.getSharedPreferences("throughline", Context.MODE_PRIVATE)
        val last = preferences.getLong(LAST, 0)
        val exits = manager.getHistoricalProcessExitReasons(context.packageName, 0, MAX_EXITS)
        for (exit in exits.filter { it.timestamp > last }.sortedBy { it.timestamp }) {
            val kind = kindOf(exit.reason) ?: continue
            Throughline.error(kind.second, exit.description ?: "", trace(exit), kind.first) {
                put("process.pid", exit.pid)
                put("process.exit.time", timeOf(exit.timestamp))
                put("dev.throughline.exit.status", exit.status)
                put("dev.throughline.exit.importance", exit.importance)
                put("dev.throughline.exit.pss_kb", exit.pss)
            }
        }
        exits.maxOfOrNull { it.timestamp }?.let { preferences.edit().putLong(LAST, it).apply() }
    }

    /**
     * The stacks of all threads, for an ANR. For a native crash, what the system keeps is not text.
     */
    private fun trace(exit: ApplicationExitInfo): String = try {
        if (exit.reason == ApplicationExitInfo.REASON_ANR) exit.traceInputStream?.use(::beginningOf) ?: "" else ""
    } catch (unreadable: java.io.IOException) {
        ""
    }

    internal companion object {
        private const val LAST = "last_exit"
        private const val MAX_EXITS = 16
        private const val MAX_TRACE = 32 * 1_024

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
         */
        fun kindOf(reason: Int): Pair<ErrorKind, String>? = when (reason) {
            ApplicationExitInfo.REASON_ANR -> ErrorKind.ANR to "ANR"
            ApplicationExitInfo.REASON_CRASH_NATIVE -> ErrorKind.CRASH to "NativeCrash"
            ApplicationExitInfo.REASON_LOW_MEMORY -> ErrorKind.OUT_OF_MEMORY to "LowMemory"
            ApplicationExitInfo.REASON_INITIALIZATION_FAILURE -> ErrorKind.CRASH to "InitializationFailure"
            else -> null
        }
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
