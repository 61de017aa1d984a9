package dev.throughline

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.ByteArrayOutputStream
import java.io.PrintStream
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

class LifecycleTest {
    @Test
    fun `only start, flush and shutdown throw, and what cannot be served is counted`() {
        assertThrows(ThroughlineException.Closed::class.java) { Throughline.flush() }
        assertThrows(ThroughlineException.Closed::class.java) { Throughline.shutdown() }
        assertNull(Throughline.sessionId)
        assertNull(Throughline.health())
        assertEquals(emptyMap<String, String>(), Throughline.traceHeaders("https://a.example"))
        App().use { app ->
            app.start()
            assertThrows(ThroughlineException.Closed::class.java) { app.start() }
            assertTrue(Throughline.shutdown())
            val operation = Throughline.startOperation("late")
            operation.set { put("a", 1) }
            operation.fail(IllegalStateException())
            operation.succeed()
            Throughline.action("late")
            Throughline.setGlobalAttribute("a", 1)
            Throughline.setConsent(Consent.GRANTED)
            assertFalse(Throughline.drain())
            app.start()
            assertTrue(Throughline.health()!!.closedCalls >= 5)
            assertTrue(app.seen().none { it.target == "late" || it.name == "late" })
        }
    }

    @Test
    fun `a configuration that cannot work names its field`() {
        fun failure(block: Configuration.() -> Unit) =
            assertThrows(ThroughlineException.InvalidConfiguration::class.java) { Throughline.start(Consent.GRANTED, block) }.message!!
        assertTrue("service_name" in failure {})
        assertTrue("data_dir" in failure { serviceName = "a" })
        App().use { app ->
            val base: Configuration.() -> Unit = {
                serviceName = "a"
                dataDir = app.directory
            }
            assertTrue("endpoint" in failure { base(); endpoint("nonsense") })
            assertTrue("dsn" in failure { base(); destination("sentry", "nonsense") { sentry() } })
            assertTrue("application_id" in failure { base(); destination("datadog", "") { datadog("pub1", "7") } })
            assertTrue("lanes" in failure { base(); destination("d", "http://127.0.0.1:9") { lanes = emptySet() } })
            assertTrue("kinds" in failure { base(); destination("d", "http://127.0.0.1:9") { kinds = emptySet() } })
            assertTrue("max_age" in failure { base(); destination("d", "http://127.0.0.1:9") { maxAge = 1.seconds } })
            assertTrue("tag" in failure { base(); destination("logs", "http://127.0.0.1:9") { fluentd("A b") } })
            assertTrue("trace_hosts" in failure { base(); traceHost("https://a.example/x") })
            assertTrue("session_sample_rate" in failure { base(); sessionSampleRate = -1.0 })
            assertTrue("queue_bytes" in failure { base(); queueBytes = -1 })
            // A valid configuration works after all of these.
            app.start()
        }
    }

    @Test
    fun `what the app throws inside our calls costs that call alone`() {
        App().use { app ->
            app.start()
            val before = Throughline.health()!!.failures
            Throughline.action("bad") { error("thrown in a block") }
            Throughline.action("worse") { putAny("x", object { override fun toString(): String = throw OutOfMemoryError("in toString") }) }
            val mute = object : RuntimeException() { override val message: String get() = throw IllegalStateException("in message") }
            Throughline.error(mute)
            Throughline.startOperation("Mute").fail(mute)
            Throughline.action("nested") {
                Throughline.action("inner") { put("a", 1) }
                put("b", 2)
            }
            val seen = app.seen()
            // The stack contains the message, so that it is asked for twice.
            assertEquals(before + 5, Throughline.health()!!.failures)
            assertEquals(2, seen.count { it.attributes["exception.type"]?.endsWith("\$mute\$1") == true && it.name != "Mute" })
            assertTrue(seen.any { it.name == "Mute" })
            assertTrue(seen.none { it.target == "bad" || it.target == "worse" })
            assertEquals("1", seen.single { it.target == "inner" }.attributes["a"])
            assertEquals("2", seen.single { it.target == "nested" }.attributes["b"])
        }
    }

    @Test
    fun `what is huge or odd is cut, counted and survived`() {
        App().use { app ->
            app.start()
            val huge = "x".repeat(10_000_000)
            Throughline.action(huge) { put(huge, huge) }
            Throughline.error(IllegalStateException(huge))
            Throughline.log(Severity.INFO, "\uD800 alone") { put("\uDC00", "\uD800") }
            val itself = ArrayList<Any>().apply { add(this) }
            Throughline.event("loop") { putAny("itself", itself) }
            Throughline.event("many") { repeat(5_000) { put("k$it", it) } }
            Throughline.measure("m", Double.NaN)
            Throughline.setUser("")
            val seen = app.seen()
            val health = Throughline.health()!!
            assertEquals(0, health.malformedCalls)
            assertEquals("\uFFFD alone", seen.single { it.body.endsWith(" alone") }.body)
            assertTrue(seen.any { it.name == "loop" } && seen.any { it.name == "many" })
        }
    }

    @Test
    fun `a start in the background keeps what is told meanwhile`() {
        App().use { app ->
            val failed = CountDownLatch(1)
            Throughline.startInBackground(Consent.GRANTED, { failed.countDown() }) { serviceName = "no directory" }
            assertTrue(failed.await(10, TimeUnit.SECONDS))
            assertFalse(Throughline.awaitStart())
            Throughline.startInBackground(Consent.GRANTED) {
                serviceName = "kotlin-test"
                dataDir = app.directory
                startJitter = false
                endpoint(app.backend.url) { encoding = Destination.Encoding.JSON }
            }
            Throughline.event("meanwhile")
            assertTrue(Throughline.awaitStart(10.seconds))
            assertTrue(app.seen().any { it.name == "meanwhile" })
        }
    }

    @Test
    fun `a start in the background that nobody waits for says on standard error why it failed`() {
        val error = System.err
        val said = ByteArrayOutputStream()
        System.setErr(PrintStream(said, true))
        try {
            // The library is compiled without enum entries. `entries` works all the same.
            Throughline.startInBackground(Consent.entries.first()) { serviceName = "no directory" }
            val deadline = System.nanoTime() + 10.seconds.inWholeNanoseconds
            while (!said.toString().endsWith("\n") && System.nanoTime() < deadline) Thread.sleep(1)
        } finally {
            System.setErr(error)
        }
        assertTrue("did not start" in said.toString() && "data_dir" in said.toString(), said.toString())
    }

    @Test
    fun `an uncaught exception is a crash, and the handler before ours still runs`() {
        val original = Thread.getDefaultUncaughtExceptionHandler()
        try {
            App().use { app ->
                app.start()
                var handed: Throwable? = null
                Thread.setDefaultUncaughtExceptionHandler { _, throwable -> handed = throwable }
                Throughline.captureUncaughtExceptions()
                Throughline.captureUncaughtExceptions()
                val failure = IllegalStateException("nobody caught me")
                Thread({ throw failure }, "doomed").apply { start() }.join()
                assertEquals(failure, handed)
                val crash = app.seen().single { it.attributes["exception.type"] == "java.lang.IllegalStateException" }
                assertEquals("doomed", crash.attributes["thread.name"])
            }
        } finally {
            Thread.setDefaultUncaughtExceptionHandler(original)
        }
    }

    @Test
    fun `who switches uncaught exceptions off has none recorded, and the handler before ours still runs`() {
        val original = Thread.getDefaultUncaughtExceptionHandler()
        try {
            var isOn = true
            App { captureUncaughtExceptions = isOn }.use { app ->
                var handed = 0
                Thread.setDefaultUncaughtExceptionHandler { _, _ -> handed++ }
                fun crash() = Thread { error("nobody caught me") }.apply { start() }.join()
                app.start()
                crash()
                // Another SDK keeps the handler of the first start.
                val ours = Thread.getDefaultUncaughtExceptionHandler()
                Thread.setDefaultUncaughtExceptionHandler { thread, failure -> ours.uncaughtException(thread, failure) }
                Throughline.shutdown()
                isOn = false
                app.start()
                crash()
                assertEquals(2, handed)
                // It was being sent when the client was shut down, so it may come twice under one id.
                val crashes = app.seen().filter { it.name == "app.crash" }
                assertEquals(1, crashes.distinctBy { it.attributes["app.crash.id"] }.size, "$crashes")
            }
        } finally {
            Thread.setDefaultUncaughtExceptionHandler(original)
        }
    }

    @Test
    fun `a crash while a start is under way is not lost with the ring`() {
        val original = Thread.getDefaultUncaughtExceptionHandler()
        try {
            App().use { app ->
                Thread.setDefaultUncaughtExceptionHandler { _, _ -> }
                Throughline.captureUncaughtExceptions()
                val crashing = CountDownLatch(1)
                Throughline.startInBackground(Consent.GRANTED) {
                    crashing.await()
                    serviceName = "kotlin-test"
                    dataDir = app.directory
                    startJitter = false
                    endpoint(app.backend.url) { encoding = Destination.Encoding.JSON }
                }
                assertFalse(Throughline.awaitStart(1.milliseconds))
                val doomed = Thread({ throw IllegalStateException("too early") }, "doomed").apply { start() }
                while (doomed.state != Thread.State.TIMED_WAITING) Thread.onSpinWait()
                crashing.countDown()
                doomed.join()
                // The thread that crashed has waited until the client was started.
                assertTrue(Throughline.isRunning)
                assertTrue(app.seen().any { it.attributes["exception.message"] == "too early" })
            }
        } finally {
            Thread.setDefaultUncaughtExceptionHandler(original)
        }
    }

    @Test
    fun `a null from Java costs its call alone`() {
        App().use { app ->
            app.start()
            val before = Throughline.health()!!.failures
            val string = String::class.java
            Throughline::class.java.getMethod("startView", string).invoke(Throughline, null)
            Throughline::class.java.getMethod("setFeatureFlag", string, Any::class.java).invoke(Throughline, null, null)
            assertEquals(before + 2, Throughline.health()!!.failures)
        }
    }

    @Test
    fun `erasing, renewing and suspending do what they say`() {
        App().use { app ->
            app.start()
            Throughline.event("erased")
            val installation = Throughline.installationId
            assertTrue(Throughline.erase())
            assertTrue(installation != null && installation != Throughline.installationId)
            val first = Throughline.sessionId
            Throughline.renewSession()
            assertTrue(first != null && first != Throughline.sessionId)
            assertTrue(Throughline.suspendStorage())
            assertEquals("suspended", Throughline.health()!!.storage)
            Throughline.event("while suspended")
            assertTrue(Throughline.resumeStorage())
            val seen = app.seen()
            assertTrue(seen.none { it.name == "erased" } && seen.any { it.name == "while suspended" })
        }
    }

    @Test
    fun `the same directory with another device's tag is another installation`() {
        var tag = "phone-a"
        App { deviceTag = tag }.use { app ->
            app.start()
            val first = Throughline.installationId
            Throughline.event("said once")
            assertEquals(first, app.seen().single { it.name == "said once" }.resource["app.installation.id"])
            fun again(): String? {
                Throughline.shutdown()
                app.start()
                return Throughline.installationId
            }
            assertEquals(first, again())
            tag = "phone-b"
            val clone = again()
            assertTrue(clone != null && clone != first)
            assertEquals(clone, again())
        }
    }

    @Test
    fun `a session that is not sampled is kept aside and sent after an error`() {
        App { sessionSampleRate = 0.0 }.use { app ->
            app.start()
            Throughline.setTailSampling {}
            Throughline.event("before")
            assertTrue(Throughline.drain())
            assertTrue(app.backend.seen().none { it.name == "before" })
            Throughline.error("Oops", "reason enough")
            assertTrue(app.seen().any { it.name == "before" })
        }
    }

    @Test
    fun `views carry what was fed to them, a user goes, and headers are those of what runs`() {
        App { traceHost("api.example.com") }.use { app ->
            app.start()
            Throughline.setUser("u-1")
            Throughline.startView("List")
            Throughline.markInteractive()
            Throughline.frames(59)
            Throughline.slowFrame(50.milliseconds)
            Throughline.memory(4_096)
            Throughline.cpuTime(250.milliseconds)
            Throughline.pushView("Sheet")
            Throughline.log(Severity.INFO, "over it")
            Throughline.stopView()
            Throughline.clearUser()
            Throughline.log(Severity.INFO, "nobody's")
            Throughline.stopView()
            val seen = app.seen()
            val over = seen.single { it.body == "over it" }
            assertEquals(listOf("Sheet", "u-1"), listOf(over.attributes["app.screen.name"], over.attributes["user.id"]))
            val back = seen.single { it.body == "nobody's" }
            assertEquals(listOf("List", null), listOf(back.attributes["app.screen.name"], back.attributes["user.id"]))
            val list = seen.last { it.name == "app.screen.view" && it.attributes["app.screen.name"] == "List" }.attributes
            assertEquals(
                listOf("59", "1", "4096", "0.25"),
                listOf("frame.count", "slow_frame.count", "memory_max", "cpu_time").map { list["rum.view.$it"] },
            )
            assertTrue("rum.view.loading_time" in list, "$list")
            val headers = Throughline.blockingOperation("Headers") {
                assertEquals(emptyMap<String, String>(), Throughline.traceHeaders("https://example.org/"))
                assertEquals(traceId, Throughline.traceHeaders("https://api.example.com/me").getValue("traceparent").split('-')[1])
                Throughline.traceHeaders("https://api.example.com/me", mapOf("traceparent" to "the app's own"))
            }
            assertFalse("traceparent" in headers, "$headers")
            assertEquals(emptyMap<String, String>(), Throughline.traceHeaders("https://api.example.com/me"))
        }
    }

    @Test
    fun `while nobody has asked the user, health says why nothing is sent`() {
        App().use { app ->
            app.start(Consent.PENDING)
            assertTrue(Throughline.health()!!.problems.any { "consent" in it && "pending" in it }, "${Throughline.health()!!.problems}")
            Throughline.setConsent(Consent.GRANTED)
            assertTrue(Throughline.health()!!.problems.none { "consent" in it })
        }
    }

    @Test
    fun `what debug writes reaches the app's own log, and what that throws ends nothing`() {
        val lines = java.util.concurrent.ConcurrentLinkedQueue<String>()
        App {
            debug = true
            debugLog = DebugLog {
                lines += it
                error("the app's own bug")
            }
        }.use { app ->
            app.start()
            Throughline.event("seen")
            assertTrue(app.seen().any { it.name == "seen" })
            assertTrue(lines.isNotEmpty() && lines.none { "\n" in it }, "$lines")
        }
    }

    @Test
    fun `consent and switches hold`() {
        App().use { app ->
            app.start(Consent.PENDING)
            Throughline.event("undecided")
            assertFalse(Throughline.flush(2.seconds).isComplete)
            Throughline.setConsent(Consent.GRANTED)
            assertTrue(app.seen().any { it.name == "undecided" })
            Throughline.setEnabled(false)
            Throughline.event("off")
            assertFalse(Throughline.health()!!.isEnabled)
            Throughline.setEnabled(true)
            val deadline = System.nanoTime() + 10.seconds.inWholeNanoseconds
            while (!Throughline.health()!!.isEnabled && System.nanoTime() < deadline) Thread.onSpinWait()
            Throughline.event("on")
            Throughline.setFeatureFlag("beta", true)
            Throughline.syncFailure("orders.push", "unavailable", 3, true)
            Throughline.queueFlush(12, false)
            Throughline.reportProblem("odd")
            val seen = app.seen()
            assertTrue(seen.none { it.name == "off" } && seen.any { it.name == "on" })
            assertEquals("true", seen.single { it.name == "queue.flush" }.attributes["throughline.feature_flag.beta"])
            assertEquals("beta", seen.single { it.name == "feature_flag.evaluation" }.attributes["feature_flag.key"])
            assertTrue(seen.any { it.name == "sync.failure" } && seen.any { it.name == "problem.reported" })
            Throughline.setConsent(Consent.DENIED)
            Throughline.event("denied")
            assertFalse(Throughline.health()!!.isEnabled)
        }
    }
}
