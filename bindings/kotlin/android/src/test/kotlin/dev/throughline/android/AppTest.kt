package dev.throughline.android

import android.app.ActivityManager.RunningAppProcessInfo
import android.app.Application
import android.app.ApplicationExitInfo
import android.app.Exits
import android.app.job.JobInfo
import android.app.job.JobScheduler
import android.app.job.JobWorkItem
import android.content.BroadcastReceiver
import android.content.Intent
import android.content.IntentFilter
import android.content.SharedPreferences
import android.net.ConnectivityManager
import android.net.Network
import android.net.NetworkCapabilities
import android.os.BatteryManager
import android.util.Log
import dev.throughline.Conditions
import dev.throughline.Configuration
import dev.throughline.Consent
import dev.throughline.Destination
import dev.throughline.NetworkKind
import dev.throughline.Throughline
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import sun.misc.Unsafe
import java.io.File
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit
import java.util.zip.GZIPInputStream
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

private val unsafe = Unsafe::class.java.getDeclaredField("theUnsafe").apply { isAccessible = true }.get(null) as Unsafe

/** An object that is created without its constructor, which would need a device. */
internal inline fun <reified T> withoutDevice(): T = make(T::class.java)

@PublishedApi
internal fun <T> make(type: Class<T>): T = type.cast(unsafe.allocateInstance(type))

/**
 * An app on the framework's own classes. It has those services of the system that are used here.
 */
internal class App(private val directory: File) : Application() {
    class Connectivity : ConnectivityManager(null, null) {
        @JvmField
        var told: NetworkCallback? = null

        @JvmField
        var active: Network? = null
        override fun getActiveNetwork(): Network? = active
        override fun registerDefaultNetworkCallback(callback: NetworkCallback) {
            told = callback
        }
    }

    class Jobs : JobScheduler() {
        val all = ArrayList<JobInfo>()
        override fun schedule(job: JobInfo): Int = RESULT_SUCCESS.also { all += job }
        override fun enqueue(job: JobInfo, work: JobWorkItem): Int = RESULT_FAILURE
        override fun scheduleAsPackage(job: JobInfo, name: String, user: Int, tag: String): Int = RESULT_FAILURE
        override fun cancel(id: Int): Unit = Unit
        override fun cancelAll(): Unit = Unit
        override fun getAllPendingJobs(): List<JobInfo> = all
        override fun getPendingJob(id: Int): JobInfo? = all.find { it.id == id }
    }

    val connectivity: Connectivity = withoutDevice<Connectivity>().apply { active = withoutDevice() }
    val exits: Exits = withoutDevice<Exits>().apply { all = emptyList() }
    val jobs = Jobs()
    val receivers = ArrayList<BroadcastReceiver>()
    private val settings = HashMap<String, Settings>()

    override fun getNoBackupFilesDir(): File = directory
    override fun getPackageName(): String = "com.example"
    override fun getSystemServiceName(type: Class<*>): String = type.simpleName
    override fun getSystemService(name: String): Any? = when (name) {
        "ConnectivityManager" -> connectivity
        "ActivityManager" -> exits
        "JobScheduler" -> jobs
        else -> null
    }

    override fun registerReceiver(receiver: BroadcastReceiver?, filter: IntentFilter?): Intent? {
        receivers += receiver!!
        return null
    }

    override fun getSharedPreferences(name: String?, mode: Int): SharedPreferences = settings.getOrPut(name!!) { Settings() }
}

private class Settings : SharedPreferences, SharedPreferences.Editor {
    private val all = HashMap<String, Any?>()
    override fun getLong(key: String, otherwise: Long): Long = all[key] as? Long ?: otherwise
    override fun edit(): SharedPreferences.Editor = this
    override fun putLong(key: String, value: Long): SharedPreferences.Editor = apply { all[key] = value }
    override fun apply(): Unit = Unit
    override fun commit(): Boolean = true
    override fun getAll(): Map<String, *> = all
    override fun contains(key: String): Boolean = key in all
    override fun getString(key: String, otherwise: String?): String? = all[key] as? String ?: otherwise
    override fun getStringSet(key: String, otherwise: Set<String>?): Set<String>? = otherwise
    override fun getInt(key: String, otherwise: Int): Int = otherwise
    override fun getFloat(key: String, otherwise: Float): Float = otherwise
    override fun getBoolean(key: String, otherwise: Boolean): Boolean = otherwise
    override fun registerOnSharedPreferenceChangeListener(listener: SharedPreferences.OnSharedPreferenceChangeListener): Unit = Unit
    override fun unregisterOnSharedPreferenceChangeListener(listener: SharedPreferences.OnSharedPreferenceChangeListener): Unit = Unit
    override fun putString(key: String, value: String?): SharedPreferences.Editor = apply { all[key] = value }
    override fun putStringSet(key: String, values: Set<String>?): SharedPreferences.Editor = this
    override fun putInt(key: String, value: Int): SharedPreferences.Editor = this
    override fun putFloat(key: String, value: Float): SharedPreferences.Editor = this
    override fun putBoolean(key: String, value: Boolean): SharedPreferences.Editor = this
    override fun remove(key: String): SharedPreferences.Editor = this
    override fun clear(): SharedPreferences.Editor = this
}

/** Starts an app on the framework's own classes. Only what a device would have is missing. */
class AppTest : AppSetUp() {
    private fun start(configure: Configuration.() -> Unit = {}) {
        Throughline.start(app, Consent.GRANTED, { uploadJobId = 4711; screens = false; frames = false }) {
            serviceName = "shop"
            configure()
            pull = true
            startJitter = false
            selfReport = false
            endpoint("http://127.0.0.1:9") { encoding = Destination.Encoding.JSON }
        }
        assertTrue(Throughline.awaitStart())
    }

    /** The bodies of all uploads. */
    private fun uploaded(): String = buildString {
        while (true) {
            val upload = Throughline.nextUpload(300.milliseconds) ?: break
            val body = upload.request.body
            val isPacked = upload.request.headers["content-encoding"] == "gzip"
            append(String(if (isPacked) GZIPInputStream(body.inputStream()).readBytes() else body))
            Throughline.uploadDone(upload, dev.throughline.UploadResponse(200, emptyMap(), "{}".toByteArray()))
        }
    }

    private fun exit(reason: Int, time: Long, said: String, pid: Int = 1, process: String = "com.example") = ApplicationExitInfo().apply {
        setReason(reason)
        setTimestamp(time)
        setDescription(said)
        setPid(pid)
        setProcessName(process)
        setImportance(RunningAppProcessInfo.IMPORTANCE_FOREGROUND)
    }

    /** The system has shown to an earlier start that it has no record. */
    private fun startBefore() {
        start()
        Throughline.shutdown()
    }

    /** What a flush of the reports sends. */
    private fun reported(): String {
        Throughline.drain(5.seconds)
        return uploaded()
    }

    @Test
    fun `exits that a start that failed would have told are told by the next, each once`() {
        startBefore()
        app.exits.all = listOf(exit(ApplicationExitInfo.REASON_ANR, 1_000, "of the first run"))
        val failed = CountDownLatch(1)
        Throughline.start(app, Consent.GRANTED, { screens = false; frames = false }, { failed.countDown() }) {}
        assertTrue(failed.await(10, TimeUnit.SECONDS))
        // One that nobody waits for says so in the system's log.
        Throughline.start(app, Consent.GRANTED, { screens = false; frames = false }) {}
        assertFalse(Throughline.awaitStart())
        assertTrue(Log.lines.any { it.startsWith("Throughline: ") && "did not start" in it && "service_name" in it }, "${Log.lines}")
        // A client that is off records nothing, so it tells nothing either.
        start { enabled = false }
        Throughline.shutdown()
        start()
        assertTrue("of the first run" in reported())
        assertTrue(app.exits.summary.decodeToString().startsWith("throughline"))
        Throughline.shutdown()
        // Two processes ended within one millisecond, and the system knows of one a moment later.
        app.exits.all += exit(ApplicationExitInfo.REASON_ANR, 2_000, "of pid 7", pid = 7)
        start()
        val second = reported()
        assertTrue("of pid 7" in second && "of the first run" !in second, second)
        Throughline.shutdown()
        app.exits.all += exit(ApplicationExitInfo.REASON_ANR, 2_000, "of pid 8", pid = 8)
        start()
        val third = reported()
        assertTrue("of pid 8" in third && "of pid 7" !in third, third)
        Throughline.shutdown()
        start()
        assertTrue("of pid" !in reported())
    }

    @Test
    fun `an exit after the clock was set back is told, and those before it are not told again`() {
        startBefore()
        app.exits.all = listOf(exit(ApplicationExitInfo.REASON_ANR, 9_000, "of the day after", pid = 1))
        start()
        assertTrue("of the day after" in reported())
        Throughline.shutdown()
        app.exits.all += exit(ApplicationExitInfo.REASON_ANR, 5_000, "of the day before", pid = 2)
        start()
        val told = reported()
        assertTrue("of the day before" in told && "of the day after" !in told, told)
        Throughline.shutdown()
        // The number of a process comes again, and so may a time.
        app.exits.all += exit(ApplicationExitInfo.REASON_ANR, 4_000, "of pid 2 again", pid = 2)
        app.exits.all += exit(ApplicationExitInfo.REASON_ANR, 5_000, "of the same moment", pid = 3)
        start()
        val again = reported()
        assertTrue("of pid 2 again" in again && "of the same moment" in again && "of the day before" !in again, again)
        Throughline.shutdown()
        start()
        assertTrue("of " !in reported())
    }

    @Test
    fun `a start without an upload job schedules none, although an earlier start had one`() {
        start()
        Throughline.shutdown()
        Throughline.start(app, Consent.GRANTED, { screens = false; frames = false }) { serviceName = "shop" }
        assertTrue(Throughline.awaitStart())
        UploadService.schedule(app)?.join()
        assertEquals(emptyList<JobInfo>(), app.jobs.all)
    }

    @Test
    fun `several processes of an app tell each of its own end`() {
        start()
        ExitReasons(app, "com.example:push").report()
        Throughline.shutdown()
        app.exits.all = listOf(
            exit(ApplicationExitInfo.REASON_ANR, 1_000, "of the main one"),
            exit(ApplicationExitInfo.REASON_ANR, 2_000, "of the push one", process = "com.example:push"),
        )
        start()
        val main = reported()
        assertTrue("of the main one" in main && "of the push one" !in main, main)
        repeat(2) { ExitReasons(app, "com.example:push").report() }
        val push = reported()
        assertEquals(1, push.split("of the push one").size - 1, push)
        assertTrue("of the main one" !in push, push)
        ExitReasons(app).report()
        assertTrue("of the" !in reported())
    }

    @Test
    fun `a process that a push has started is in the background until a screen is there`() {
        ProcessState.importance = { RunningAppProcessInfo.IMPORTANCE_CACHED }
        start()
        assertFalse(ThroughlineSink.conditions.foreground)
        ProcessState.importance = { error("the system refuses") }
        Throughline.shutdown()
        start()
        assertTrue(ThroughlineSink.conditions.foreground)
    }

    @Test
    fun `a second start knows the network and the battery that the first has learnt`() {
        start()
        app.connectivity.told!!.onCapabilitiesChanged(withoutDevice(), NetworkCapabilities())
        ThroughlineSink.network(NetworkKind.UNMETERED)
        assertEquals("pulled once", offered("pulled once"))
        Throughline.shutdown()
        // What changes while there is no client is known to the next.
        repeat(200) { ThroughlineSink.network(if (it % 2 == 0) NetworkKind.METERED else NetworkKind.OFFLINE) }
        start()
        assertEquals(0, Throughline.health()!!.lostEarlyCalls)
        assertEquals(listOf("offline"), obstacles())
        ThroughlineSink.network(NetworkKind.UNMETERED)
        assertEquals(emptyList<String>(), obstacles())
        assertEquals("pulled again", offered("pulled again"))
    }

    private fun obstacles() = Throughline.diagnose(Duration.ZERO).findings.filter { it.blocks }.map { it.cause }

    /** The name of an event, if an upload is offered after it. */
    private fun offered(event: String): String? {
        Throughline.event(event)
        Throughline.drain(5.seconds)
        return event.takeIf { it in uploaded() }
    }

    @Test
    fun `a device without a network says so at the start, although nobody calls back`() {
        app.connectivity.active = null
        start()
        assertEquals(NetworkKind.OFFLINE, ThroughlineSink.conditions.network)
        ThroughlineSink.network(NetworkKind.UNMETERED)
    }

    @Test
    fun `what debug writes is in the system's log`() {
        Throughline.start(app, Consent.GRANTED, { screens = false; frames = false; conditions = false }) {
            serviceName = "shop"
            debug = true
            startJitter = false
            // Nobody is there.
            endpoint("http://127.0.0.1:9")
        }
        Throughline.event("seen")
        assertTrue(Throughline.awaitStart())
        assertFalse(Throughline.flush(5.seconds).isComplete)
        assertTrue(Log.lines.any { it.startsWith("Throughline: ") && "did not start" !in it }, "${Log.lines}")
    }

    @Test
    fun `an app starts, learns what the device says, and is told of the run before once`() {
        startBefore()
        app.exits.all = listOf(
            exit(ApplicationExitInfo.REASON_CRASH_NATIVE, 2_000, "signal 11"),
            exit(ApplicationExitInfo.REASON_USER_REQUESTED, 1_500, "swiped away"),
            exit(ApplicationExitInfo.REASON_ANR, 1_000, "input timed out"),
        )
        start()
        assertTrue(File(directory, "throughline").isDirectory)
        Throughline.event("first")
        Throughline.startView("Home")
        ThroughlineSink.drawn(60)
        Throughline.stopView()
        Throughline.drain(5.seconds)
        val first = uploaded()
        for (text in listOf("first", "rum.view.memory_max", "input timed out", "signal 11", "android.os.api_level", "\"Android\"", "\"None\"")) assertTrue(text in first, "$text in $first")
        assertTrue("swiped away" !in first)

        // A second start in the process neither reports them again nor watches twice.
        Throughline.shutdown()
        start()
        Throughline.event("second")
        Throughline.drain(5.seconds)
        val second = uploaded()
        assertTrue("second" in second && "signal 11" !in second, second)
        assertEquals(1, app.receivers.size)

        val network = withoutDevice<Network>()
        val free = NetworkCapabilities().apply { addCapability(NetworkCapabilities.NET_CAPABILITY_NOT_METERED) }
        val known = { ThroughlineSink.conditions }
        app.connectivity.told!!.onCapabilitiesChanged(network, free)
        assertEquals(NetworkKind.UNMETERED, known().network)
        app.connectivity.told!!.onCapabilitiesChanged(network, NetworkCapabilities())
        assertEquals(NetworkKind.METERED, known().network)
        app.connectivity.told!!.onLost(network)
        val battery = Intent(Intent.ACTION_BATTERY_CHANGED)
            .putExtra(BatteryManager.EXTRA_LEVEL, 21).putExtra(BatteryManager.EXTRA_SCALE, 50).putExtra(BatteryManager.EXTRA_PLUGGED, 1)
        app.receivers.single().onReceive(app, battery)
        assertEquals(Conditions(true, NetworkKind.OFFLINE, 42, true, false), known())
        app.receivers.single().onReceive(app, Intent(Intent.ACTION_BATTERY_CHANGED))
        assertEquals(Conditions(true, NetworkKind.OFFLINE, null, false, false), known())

        UploadService.schedule(app)?.join()
        val job = app.jobs.all.single()
        assertEquals(4711, job.id)
        assertEquals(UploadService::class.java.name, job.service.className)
    }
}
