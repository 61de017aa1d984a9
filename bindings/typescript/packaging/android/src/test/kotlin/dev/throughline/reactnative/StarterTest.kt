package dev.throughline.reactnative

import android.app.ActivityManager.RunningAppProcessInfo
import android.app.Application
import dev.throughline.Consent
import dev.throughline.Throughline
import dev.throughline.android.start
import org.json.JSONObject
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotSame
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.BeforeEach
import org.junit.jupiter.api.Test
import java.io.File
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.CountDownLatch
import kotlin.concurrent.thread
import kotlin.io.path.createTempDirectory
import kotlin.time.Duration.Companion.seconds

/** An app on the framework's own classes. What it has not, the facade does without. */
private class App(private val directory: File) : Application() {
    /** Who watches the activities. */
    val watchers = CopyOnWriteArrayList<ActivityLifecycleCallbacks>()

    /** A disk that is slow until it is let go. */
    @Volatile
    var disk: CountDownLatch? = null

    override fun getNoBackupFilesDir(): File {
        disk?.await()
        return directory
    }

    override fun registerActivityLifecycleCallbacks(callback: ActivityLifecycleCallbacks) {
        watchers.add(callback)
    }

    override fun unregisterActivityLifecycleCallbacks(callback: ActivityLifecycleCallbacks) {
        watchers.remove(callback)
    }

    override fun getPackageName(): String = "com.example"
    override fun getSystemService(name: String): Any? = null
    override fun getSystemServiceName(type: Class<*>): String = type.simpleName
}

/** These start the real client, as the native module does. */
class StarterTest {
    private val directory = createTempDirectory("throughline").toFile()
    private val app = App(directory)

    /** The system's answer to what the process is to its user, which needs a device. */
    @BeforeEach
    fun showProcess() {
        val companion = Class.forName("dev.throughline.android.ProcessState").getField("Companion").get(null)
        val set = companion.javaClass.methods.single { it.name == "setImportance" }
        set.invoke(companion, { RunningAppProcessInfo.IMPORTANCE_FOREGROUND })
    }

    @AfterEach
    fun end() {
        if (Throughline.isRunning) Throughline.shutdown()
        directory.deleteRecursively()
    }

    private fun start(vararg fields: Pair<String, Any>): JSONObject {
        val config = JSONObject().put("consent", "granted").put("serviceName", "shop").put("environment", "test")
        for ((name, value) in fields) config.put(name, value)
        return JSONObject(Starter.start(app, config.toString()))
    }

    @Test
    fun the_handler_of_an_app_that_wants_no_uncaught_exceptions_stays() {
        val before = Thread.getDefaultUncaughtExceptionHandler()
        val own = Thread.UncaughtExceptionHandler { _, _ -> }
        try {
            Thread.setDefaultUncaughtExceptionHandler(own)
            assertEquals("{}", start("captureUncaughtExceptions" to false).toString())
            assertSame(own, Thread.getDefaultUncaughtExceptionHandler())
            Throughline.shutdown()
            assertEquals("{}", start().toString())
            assertNotSame(own, Thread.getDefaultUncaughtExceptionHandler())
        } finally {
            Thread.setDefaultUncaughtExceptionHandler(before)
        }
    }

    @Test
    fun the_client_runs_when_the_answer_is_there() {
        assertEquals("{}", start().toString())
        assertTrue(Throughline.isRunning)
        assertTrue(File(directory, "throughline").isDirectory)
    }

    @Test
    fun a_client_that_runs_stays_as_it_is() {
        Throughline.start(Consent.GRANTED) {
            serviceName = "native"
            dataDir = File(directory, "native")
        }
        val session = Throughline.sessionId
        assertEquals(true, start("serviceName" to "script").get("attached"))
        assertEquals(session, Throughline.sessionId)
        assertFalse(File(directory, "throughline").exists())
    }

    @Test
    fun a_native_start_that_is_under_way_is_waited_for() {
        val (begun, go) = listOf(CountDownLatch(1), CountDownLatch(1))
        Throughline.startInBackground(Consent.GRANTED) {
            begun.countDown()
            go.await()
            serviceName = "native"
            dataDir = File(directory, "native")
        }
        begun.await()
        var answer: JSONObject? = null
        val script = thread { answer = start() }
        go.countDown()
        script.join()
        assertEquals(true, answer!!.get("attached"))
    }

    @Test
    fun a_native_start_that_takes_long_is_not_waited_for_and_keeps_its_screens() {
        app.disk = CountDownLatch(1)
        Throughline.start(app, Consent.GRANTED) { serviceName = "native" }
        val watchers = app.watchers.toList()
        val answer = start("serviceName" to "script")
        assertEquals(listOf(true, true), listOf(answer.get("attached"), answer.get("starting")))
        assertEquals(watchers, app.watchers.toList())
        assertFalse(Throughline.isRunning)
        app.disk!!.countDown()
        assertTrue(Throughline.awaitStart(60.seconds))
        assertEquals("{\"attached\":true}", start().toString())
    }

    @Test
    fun a_start_that_takes_long_does_not_hold_the_thread_of_JavaScript_and_is_no_failure() {
        app.disk = CountDownLatch(1)
        assertEquals("{\"starting\":true}", start().toString())
        app.disk!!.countDown()
        assertTrue(Throughline.awaitStart(60.seconds))
    }

    @Test
    fun a_start_that_the_app_makes_beside_takes_no_screens_away() {
        start()
        val watchers = app.watchers.toList()
        val refused = CountDownLatch(1)
        Throughline.start(app, Consent.GRANTED, onFailure = { refused.countDown() }) { serviceName = "native" }
        refused.await()
        assertEquals(watchers, app.watchers.toList())
    }

    @Test
    fun a_value_that_cannot_work_is_an_error_and_starts_nothing() {
        val answer = start("sessionSampleRate" to 7)
        assertEquals("invalidConfig", answer.getString("error"))
        assertTrue("session_sample_rate" in answer.getString("reason"), answer.toString())
        assertFalse(Throughline.isRunning)
        assertEquals("{}", start().toString())
    }

    @Test
    fun a_field_that_is_misspelt_is_an_error_and_starts_nothing() {
        val answer = start("serviceVresion" to "1")
        assertEquals("invalidConfig", answer.getString("error"))
        assertEquals("serviceVresion is not known", answer.getString("reason"))
        assertFalse(Throughline.isRunning)
    }

    @Test
    fun a_directory_that_cannot_be_used_is_an_error() {
        val file = File(directory, "file").apply { writeText("not a directory") }
        assertEquals("invalidConfig", start("dataDir" to file.path).getString("error"))
    }

    @Test
    fun a_flush_and_a_shutdown_without_a_client_are_errors() {
        assertEquals("closed", JSONObject(Starter.flush(10.0)).getString("error"))
        assertEquals("closed", JSONObject(Starter.shutdown(10.0)).getString("error"))
    }

    @Test
    fun a_flush_and_a_shutdown_answer_what_became_of_the_events() {
        start("endpoint" to "http://127.0.0.1:9")
        Throughline.event("something")
        val flush = JSONObject(Starter.flush(500.0))
        assertFalse(flush.getBoolean("isComplete"))
        assertTrue(flush.getLong("waiting") > 0)
        assertTrue(flush.getString("reason").isNotEmpty())
        assertTrue(JSONObject(Starter.shutdown(Double.POSITIVE_INFINITY)).getBoolean("complete"))
    }

    @Test
    fun a_time_that_is_none_does_not_throw() {
        start()
        for (time in listOf(Double.NaN, -1.0, Double.NEGATIVE_INFINITY)) {
            assertFalse("error" in Starter.flush(time))
        }
    }
}
