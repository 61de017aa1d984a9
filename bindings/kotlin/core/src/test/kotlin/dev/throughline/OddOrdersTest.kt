package dev.throughline

import dev.throughline.internal.Core
import dev.throughline.internal.Recorder
import dev.throughline.internal.Running
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.util.concurrent.CountDownLatch
import java.util.concurrent.atomic.AtomicInteger
import kotlin.time.Duration.Companion.seconds

/** Calls in orders that nobody plans, and callbacks that misbehave. */
class OddOrdersTest {
    @Test
    fun `a refusal of the user's is not lost among a hundred other calls before the start`() {
        App().use { app ->
            Throughline.setEnabled(true)
            repeat(150) { n -> Throughline.setConditions(Conditions(batteryPercent = 100 - n % 10, charging = true)) }
            Throughline.setConsent(Consent.DENIED)
            repeat(150) { Throughline.setSessionSampleRate(1.0) }
            Recorder.expectStart()
            app.start()
            Throughline.event("refused")
            Throughline.setConsent(Consent.GRANTED)
            Throughline.flush(5.seconds)
            assertTrue(app.backend.seen().none { it.name == "refused" })
        }
    }

    @Test
    fun `a flush that a shutdown overtakes is told that the client is closed`() {
        App().use { app ->
            app.start()
            // A job that flushes has looked for the client already when the app shuts it down.
            val ending = Running.core!!
            Throughline.shutdown()
            assertThrows(ThroughlineException.Closed::class.java) { Core.translating { ending.flush(1.seconds) } }
        }
    }

    @Test
    fun `who waits for a start is not sent away by another one that is refused`() {
        App().use { app ->
            val go = CountDownLatch(1)
            val isUnderWay = CountDownLatch(1)
            Throughline.startInBackground(Consent.GRANTED) {
                isUnderWay.countDown()
                go.await()
                serviceName = "kotlin-test"
                dataDir = app.directory
            }
            isUnderWay.await()
            val isRefused = CountDownLatch(1)
            Throughline.startInBackground(Consent.GRANTED, { isRefused.countDown() }) {}
            isRefused.await()
            val begun = CountDownLatch(1)
            var runs = false
            val waiting = Thread {
                begun.countDown()
                runs = Throughline.awaitStart(30.seconds)
            }
            waiting.start()
            begun.await()
            while (waiting.state != Thread.State.TIMED_WAITING && waiting.state != Thread.State.TERMINATED) Thread.onSpinWait()
            go.countDown()
            waiting.join()
            assertTrue(runs)
        }
    }

    @Test
    fun `a crash is one crash, although another SDK has wrapped our handler before a second start`() {
        val original = Thread.getDefaultUncaughtExceptionHandler()
        try {
            App().use { app ->
                app.start()
                val handed = AtomicInteger()
                Thread.setDefaultUncaughtExceptionHandler { _, _ -> handed.incrementAndGet() }
                repeat(3) {
                    Throughline.captureUncaughtExceptions()
                    val inner = Thread.getDefaultUncaughtExceptionHandler()
                    Thread.setDefaultUncaughtExceptionHandler { thread, failure -> inner.uncaughtException(thread, failure) }
                }
                Throughline.captureUncaughtExceptions()
                for (n in 1..2) Thread({ error("crash $n") }, "doomed").apply { start() }.join()
                assertEquals(2, handed.get())
                val crashes = app.seen().filter { it.attributes["exception.type"] == "java.lang.IllegalStateException" }
                assertEquals(listOf("crash 1", "crash 2"), crashes.map { it.attributes["exception.message"] }.sortedBy { it })
            }
        } finally {
            Thread.setDefaultUncaughtExceptionHandler(original)
        }
    }

    @Test
    fun `a log that throws, records and asks the client breaks nothing, and what it throws is counted`() {
        val lines = AtomicInteger()
        val app = App {
            debug = true
            debugLog = DebugLog {
                lines.incrementAndGet()
                Throughline.event("from the log")
                Throughline.tracedStore("FromTheLog").path("lines").set(0, 1)
                Throughline.health()
                error("the app's own")
            }
        }
        app.use {
            val before = Recorder.failures.get()
            repeat(50) { n -> Throughline.tracedStore("Logged") { deny("n$n") } }
            app.start()
            val store = Throughline.tracedStore("Logged")
            repeat(50) { n -> store.path("[bad$n").set(0, 1) }
            Throughline.event("the app's")
            val seen = app.seen()
            assertTrue(lines.get() > 0)
            assertEquals(1, seen.count { it.name == "the app's" }, "$seen")
            val health = Throughline.health()!!
            assertEquals(listOf(0L, 0L), listOf(health.panics, health.malformedCalls))
            assertTrue(Recorder.failures.get() - before >= lines.get(), "${Recorder.failures.get()} $lines")
            assertFalse(health.storage == "failed")
        }
    }

    @Test
    fun `a trace is found among any number of headers`() {
        App().use { app ->
            app.start()
            val others = (0 until 500).associate { "x-other-$it" to "value" }
            val trace = "0af7651916cd43dd8448eb211c80319c"
            TraceContext.from(others + ("TraceParent" to "00-$trace-b7ad6b7169203331-01")).run { Throughline.event("answered") }
            assertEquals(trace, app.seen().single { it.name == "answered" }.traceId)
        }
    }

    @Test
    fun `a store whose context changes the store is asked once`() {
        App().use { app ->
            app.start()
            val store = Throughline.tracedStore("Self") { coalesce = kotlin.time.Duration.ZERO }
            store.context { store.record("seen", 0, 1) }
            store.record("n", 0, 1)
            assertEquals(1, app.seen().count { it.name == "Self.seen.Update" })
        }
    }

    @Test
    fun `ignored mutations are not lost with a call that waited for the start`() {
        App().use { app ->
            val store = Throughline.tracedStore("Waiting") { deny("denied") }
            app.start()
            store.path("denied").set(0, 1)
            Throughline.shutdown()
            Recorder.expectStart()
            repeat(3) { store.path("denied").set(it, it + 1) }
            // More than the ring has room for, so that the first of them is lost.
            repeat(300) { store.record("n", it, it + 1) }
            app.start()
            assertEquals(3L, Throughline.health()!!.stores["Waiting"]!!.suppressed.values.sum())
        }
    }
}
