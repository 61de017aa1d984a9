@file:JvmName("ThroughlineAndroid")

package dev.throughline.android

import android.annotation.SuppressLint
import android.app.Activity
import android.app.Application
import android.content.Context
import android.os.Build
import android.os.Handler
import android.os.Looper
import android.provider.Settings
import android.util.Log
import dev.throughline.Configuration
import dev.throughline.Consent
import dev.throughline.DebugLog
import dev.throughline.Setup
import dev.throughline.StartFailure
import dev.throughline.Throughline
import java.io.File
import kotlin.time.Duration.Companion.milliseconds

/** What is collected without a call of the app's. Each part can be switched off. */
public class AndroidOptions internal constructor() {
    /** Makes activities views, and process start and first frame vitals. */
    public var screens: Boolean = true

    /**
     * Counts slow and frozen frames for the current view, and samples the memory every 60 frames.
     */
    public var frames: Boolean = true

    /** Records taps, under the name of the view that receives them. Off by default. */
    public var taps: Boolean = false

    /**
     * Records exceptions that nobody has caught as crashes, from the call of `start` on. Crashes of
     * native code have a switch of their own: [Configuration.captureCrashes].
     */
    public var crashes: Boolean = true

    /**
     * Records ANRs, native crashes, and kills for want of memory of what the user was using, of
     * earlier runs, as the system reports them since Android 11. Each process reports its own. A run
     * names itself to the system by `setProcessStateSummary`; an app that uses that itself may call
     * it later.
     */
    public var exitReasons: Boolean = true

    /**
     * Watches the main thread while the app is in the foreground: ten times a second it gets an
     * empty message. When it does not respond for [hangMillis], that is recorded with its stack.
     */
    public var hangs: Boolean = true

    /** For how many milliseconds the main thread must not respond, at least 500. */
    public var hangMillis: Long = 2_000

    /** Watches network, battery and power saving, which decide when uploads are made. */
    public var conditions: Boolean = true

    /**
     * The id of the job that uploads what is left when the app has gone to the background. Null:
     * there is no job.
     */
    public var uploadJobId: Int? = null

    /**
     * The name of an activity. Null: it is no view, for example because it only holds fragments.
     */
    public var screenName: (Activity) -> String? = { it.javaClass.simpleName }

    /** Makes fragments of androidx views, and its dialogs views over them. Off by default. */
    public var fragments: Boolean = false

    /** The name of a fragment. Null: it is no view, for example because it only holds others. */
    public var fragmentName: (Any) -> String? = { it.javaClass.simpleName.takeIf { name -> name != "NavHostFragment" } }
}

/**
 * Starts the client for an Android app. Call it in `Application.onCreate`. It returns at once: a
 * thread of Throughline's loads the library and opens the database, and the latest 100 calls wait
 * in memory meanwhile. The data directory is in `noBackupFilesDir`.
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
 * @param onFailure takes what the start would have thrown, on that thread. Without it, that is
 * printed to the log.
 */
@JvmOverloads
public fun Throughline.start(
    application: Application,
    consent: Consent,
    options: Setup<AndroidOptions> = Setup {},
    onFailure: StartFailure? = null,
    configure: Setup<Configuration>,
) {
    val chosen = AndroidOptions()
    options.run { chosen.setUp() }
    // A start that will be refused must not take the screens from the client that runs.
    if (!isStarting && !isRunning) watch(application, chosen)
    startInBackground(consent, onFailure ?: StartFailure { Log.e(TAG, "Throughline did not start", it) }) {
        debugLog = DebugLog { Log.d(TAG, it) }
        dataDir = File(application.noBackupFilesDir, "throughline")
        serviceVersion = versionOf(application)
        deviceTag = deviceTagOf(application)
        captureUncaughtExceptions = chosen.crashes
        resource("os.name", "Android")
        resource("os.version", Build.VERSION.RELEASE)
        resource("android.os.api_level", Build.VERSION.SDK_INT.toString())
        resource("device.manufacturer", Build.MANUFACTURER)
        resource("device.model.identifier", Build.MODEL)
        val configuration = this
        configure.run { configuration.setUp() }
        // On the starting thread, so that the app does not wait for it.
        if (chosen.conditions) DeviceState(application).watch()
        ThroughlineSink.tell()
        whenStarted {
            // What has changed while the client started.
            ThroughlineSink.tell()
            if (chosen.exitReasons) ExitReasons(application).report()
        }
        UploadService.jobId = chosen.uploadJobId
    }
}

/**
 * The name of this process, on every Android: that of the package for the main one, and with a
 * suffix such as `:push` for those of `android:process`. Empty: the system does not say.
 */
public fun processName(): String = ProcessState.name()

/** Watches what the app does from now on. */
private fun Throughline.watch(application: Application, options: AndroidOptions) {
    val process = ProcessState.now()
    val screens = Screens(options, process)
    ThroughlineSink.foreground(process.isForeground)
    Screens.replace(application, screens)
    guarded { Handler(Looper.getMainLooper()).post(screens::turned) }
    if (options.crashes) captureUncaughtExceptions()
    if (options.hangs) guarded { watchMainThread(MainLooper(), options.hangMillis.milliseconds) }
}

/** The tag of what Throughline writes to the log. */
private const val TAG = "Throughline"

/**
 * Since Android 8 this id differs between apps. Only a hash of it is kept, and nothing of it is
 * sent.
 */
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
