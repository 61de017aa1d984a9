package dev.throughline.android

import android.annotation.SuppressLint
import android.app.Activity
import android.app.Application
import android.content.Context
import android.os.Build
import android.os.SystemClock
import android.provider.Settings
import dev.throughline.Configuration
import dev.throughline.Consent
import dev.throughline.Throughline
import dev.throughline.ThroughlineException
import java.io.File

/** What is collected without a call of the app's. All of it can be left out. */
public class AndroidOptions internal constructor() {
    /** Activities are views; process start and first frame are vitals. */
    public var screens: Boolean = true

    /** Slow and frozen frames, counted on the view that is shown, and its memory, sampled every 60 frames. */
    public var frames: Boolean = true

    /** Taps, by the name of the view that took them. Off unless asked for. */
    public var taps: Boolean = false

    /** Exceptions that nobody caught. */
    public var crashes: Boolean = true

    /** ANRs, native crashes and kills of the run before, as the system tells them (Android 11). */
    public var exitReasons: Boolean = true

    /** Network, battery and power saving decide when uploads go out. */
    public var conditions: Boolean = true

    /** The id of the job that uploads what is left when the app goes; null: no job. */
    public var uploadJobId: Int? = null

    /** What an activity is called; null: it is no view, as one that only holds fragments. */
    public var screenName: (Activity) -> String? = { it.javaClass.simpleName }

    /** Fragments of androidx are views, too, and its dialogs views over them. Off unless asked for. */
    public var fragments: Boolean = false

    /** What a fragment is called; null: it is no view, as those that only hold others. */
    public var fragmentName: (Any) -> String? = { it.javaClass.simpleName.takeIf { name -> name != "NavHostFragment" } }
}

/**
 * Starts Throughline for an Android app, from `Application.onCreate`. Returns at once: the library is loaded and the database
 * opened by a thread of Throughline's; calls wait in a ring of 100 meanwhile. Data lies in `noBackupFilesDir`.
 *
 * ```kotlin
 * class App : Application() {
 *     override fun onCreate() {
 *         super.onCreate()
 *         Throughline.start(this, Consent.PENDING) {
 *             serviceName = "shop"
 *             endpoint("https://otlp.example.com")
 *             traceHost("api.example.com")
 *         }
 *     }
 * }
 * ```
 *
 * [onFailure] is called on that thread with what a configuration got wrong; without it that is printed to the log.
 */
public fun Throughline.start(
    application: Application,
    consent: Consent,
    options: AndroidOptions.() -> Unit = {},
    onFailure: ((ThroughlineException) -> Unit)? = null,
    configure: Configuration.() -> Unit,
) {
    val chosen = AndroidOptions().apply(options)
    Screens.replace(application, Screens(chosen, processStartedAgo()))
    if (chosen.crashes) captureUncaughtExceptions()
    startInBackground(consent, onFailure) {
        dataDirectory = File(application.noBackupFilesDir, "throughline")
        serviceVersion = versionOf(application)
        deviceTag = deviceTagOf(application)
        resource("os.name", "Android")
        resource("os.version", Build.VERSION.RELEASE)
        resource("device.manufacturer", Build.MANUFACTURER)
        resource("device.model.identifier", Build.MODEL)
        configure()
        // On the starting thread: none of this waits for the app.
        if (chosen.conditions) DeviceState(application).watch()
        if (chosen.exitReasons) ExitReasons(application).report()
        chosen.uploadJobId?.let { UploadService.jobId = it }
    }
}

/** How long ago the system started the process, ms; null before Android 7. */
private fun processStartedAgo(): Long? =
    if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.N) {
        SystemClock.elapsedRealtime() - android.os.Process.getStartElapsedRealtime()
    } else {
        null
    }

/** The app's own id of the device since Android 8. Only a hash of it is kept, and nothing is sent. */
@SuppressLint("HardwareIds")
private fun deviceTagOf(context: Context): String? = try {
    Settings.Secure.getString(context.contentResolver, Settings.Secure.ANDROID_ID)
} catch (refused: Exception) {
    null
}

private fun versionOf(context: Context): String = try {
    @Suppress("DEPRECATION")
    context.packageManager.getPackageInfo(context.packageName, 0).versionName ?: ""
} catch (missing: Exception) {
    ""
}
