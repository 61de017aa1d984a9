package dev.throughline

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** It has a process of its own: after a shutdown, calls are refused instead of kept. */
class EarlyTest {
    @Test
    fun `calls before the start are replayed with their own times`() {
        repeat(150) { Throughline.event("filler") }
        Throughline.setUser("u-1")
        Throughline.log(Severity.INFO, "early bird") { put("n", 7) }
        val operation = Throughline.startOperation("EarlyOperation")
        operation.run { Throughline.log(Severity.WARN, "inside") }
        operation.succeed()
        val before = System.currentTimeMillis()
        // The calls age, so that they would be noticed if they had the time of the start.
        Thread.sleep(300)
        App().use { app ->
            app.start()
            val seen = app.seen()
            val bird = seen.single { it.body == "early bird" }
            assertTrue(bird.timeNs / 1_000_000 <= before + 100, "${bird.timeNs} $before")
            assertEquals("7", bird.attributes["n"])
            assertEquals("u-1", bird.attributes["user.id"])
            val span = seen.single { it.name == "EarlyOperation" }
            assertEquals(span.traceId, seen.single { it.body == "inside" }.traceId)
            // Only the latest 100 calls are kept.
            assertEquals(55, Throughline.health()!!.lostEarlyCalls)
            assertEquals(95, seen.count { it.name == "filler" })
        }
    }
}
