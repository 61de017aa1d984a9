package dev.throughline

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.util.concurrent.CountDownLatch
import java.util.concurrent.Executors
import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicInteger
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

class HangTest {
    private val looper = Executors.newSingleThreadExecutor { Thread(it, "main-stand-in") }
    private val asked = AtomicInteger()
    private val stacks = AtomicInteger()

    private val main = object : MainThread {
        override fun ask() {
            asked.incrementAndGet()
            looper.execute(Throughline::beat)
        }

        override fun stack(): String = "at Checkout.pay(Checkout.kt:7)".also { stacks.incrementAndGet() }
    }

    @Test
    fun `a main thread that does not respond is recorded with its stack when it comes back`() {
        App().use { app ->
            Throughline.watchMainThread(main, 500.milliseconds)
            app.start()
            Throughline.startView("Checkout")
            val end = CountDownLatch(1)
            waitUntil { asked.get() > 2 }
            looper.execute { end.await(60, TimeUnit.SECONDS) }
            waitUntil { stacks.get() == 1 }
            end.countDown()
            waitUntil { app.seen().any { it.attributes["exception.type"] == "AppHang" } }
            val hang = app.seen().single { it.attributes["exception.type"] == "AppHang" }
            assertEquals("at Checkout.pay(Checkout.kt:7)", hang.attributes["exception.stacktrace"])
            assertEquals("Checkout", hang.attributes["app.screen.name"])
            assertTrue(hang.attributes.getValue("rum.hang.duration").toLong() >= 500_000_000)
        }
        looper.shutdown()
    }

    @Test
    fun `a start after an ordinary end does not wait for the delivery of crashes`() {
        App().use { app ->
            assertEquals("Throughline does not run", Throughline.flushCrashes().reason)
            app.start()
            assertTrue(Throughline.flushCrashes(20.seconds).isComplete)
            assertEquals(28, Throughline.runSummary().size)
        }
    }

    @Test
    fun `what the system says about a process is recorded once`() {
        App().use { app ->
            app.start()
            val anr = ProcessExit(
                reason = 6, status = 0, importance = 100, timestamp = System.currentTimeMillis(), pid = 7,
                process = "shop", description = "Input dispatching timed out",
            )
            assertTrue(Throughline.reportExits(emptyList(), "shop"))
            repeat(2) { assertTrue(Throughline.reportExits(listOf(anr), "shop")) }
            assertEquals(1, app.seen().count { it.attributes["exception.message"] == "Input dispatching timed out" })
        }
    }

    private fun waitUntil(isSo: () -> Boolean) {
        repeat(6_000) {
            if (isSo()) return
            Thread.sleep(10)
        }
        error("it never came about")
    }
}
