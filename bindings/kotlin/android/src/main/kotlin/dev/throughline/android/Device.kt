package dev.throughline.android

import android.content.BroadcastReceiver
import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import android.net.ConnectivityManager
import android.net.Network
import android.net.NetworkCapabilities
import android.os.BatteryManager
import android.os.PowerManager
import dev.throughline.NetworkKind
import java.io.File
import java.util.concurrent.atomic.AtomicReference

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
