package dev.throughline

import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** It has a process of its own: a name that was used once is never free again. */
class StoreNamesTest {
    @Test
    fun `names without end do not grow, and it is said that they record nothing`() {
        App().use { app ->
            app.start()
            val before = Throughline.health()!!.unknownCalls
            repeat(400) { n -> Throughline.tracedStore("Screen$n").record("x", 0, 1) }
            val health = Throughline.health()!!
            assertTrue(health.stores.size <= 256)
            assertTrue(health.unknownCalls - before >= 400 - 256, "${health.unknownCalls}")
            assertTrue(health.problems.any { "256 names" in it }, "${health.problems}")
        }
    }
}
