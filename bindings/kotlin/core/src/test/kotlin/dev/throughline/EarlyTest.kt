package dev.throughline

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** In a process of its own: once something has been started and shut down, calls are refused instead of kept. */
class EarlyTest {
    @Test
    fun `calls before the start are replayed with their own times`() {
        repeat(150) { Throughline.event("filler") }
        Throughline.setUser("u-1")
        Throughline.log(Level.INFO, "early bird") { put("n", 7) }
        val operation = Throughline.startOperation("EarlyOperation")
        operation.run { Throughline.log(Level.WARN, "inside") }
        operation.succeed()
        val before = System.currentTimeMillis()
        // Age, so that the time of the start would be seen.
        Thread.sleep(300)
        App().use { app ->
            app.start()
            val seen = app.seen()
            val bird = seen.single { it.body == "early bird" }
            assertTrue(bird.timeNs / 1_000_000 <= before + 100, "${bird.timeNs} $before")
            assertEquals("7", bird.attributes["n"])
            assertEquals("u-1", bird.resource["user.id"])
            val span = seen.single { it.name == "EarlyOperation" }
            assertEquals(span.traceId, seen.single { it.body == "inside" }.traceId)
            // The ring takes 100: the latest.
            assertEquals(55, Throughline.health()!!.lostEarlyCalls)
            assertEquals(95, seen.count { it.name == "filler" })
        }
    }
}
