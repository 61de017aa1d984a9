package dev.throughline

import dev.throughline.internal.Recorder
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.update
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.util.concurrent.CountDownLatch
import kotlin.concurrent.thread

class StoresTest {
    private fun counts(store: String) = Throughline.health()!!.stores.getValue(store)

    private fun assertBalanced(counts: StateCounts) =
        assertEquals(counts.mutations, counts.recorded + counts.suppressed.values.sum() + counts.dropped, "$counts")

    @Test
    fun `a store that is looked up by its name keeps its policy, and what it redacts`() {
        App().use { app ->
            app.start()
            Throughline.tracedStore("Account") {
                redact("iban")
                transient("isLoading")
                capture = Capture.FULL
            }
            // Another screen asks for the same store, in each way in which one can.
            Throughline.tracedStore("Account").record("iban", "DE00", "DE11")
            Throughline.tracedStore("Account", null).path("isLoading").set(false, true)
            val flow = MutableStateFlow(Profile()).traced("Account") { path("displayName") { it.displayName } }
            flow.update { it.copy(displayName = "Ada") }
            Throughline.tracedStore("Account").path("iban").set("DE11", "DE22")
            val seen = app.seen()
            assertTrue(seen.none { "DE" in (it.attributes["state.new"] ?: "") }, "$seen")
            assertTrue(seen.none { it.target == "Account.isLoading.Update" })
            assertEquals("Ada", seen.single { it.target == "Account.displayName.Update" }.attributes["state.new"])
            // Only a policy that is given replaces the one before.
            Throughline.tracedStore("Account") { transient("iban") }.path("isLoading").set(true, false)
            assertEquals(1, app.seen().count { it.target == "Account.isLoading.Update" })
            assertBalanced(counts("Account"))
        }
    }

    @Test
    fun `stores and policies that threads set while the client starts are not lost`() {
        App().use { app ->
            // Declaring them takes a while, in which others come.
            repeat(100) { n -> Throughline.tracedStore("Before$n") }
            var usual = 1_000_000L
            repeat(40) { round ->
                val go = CountDownLatch(1)
                // Over the time of a start, threads replace a policy, and each fourth makes a store.
                val names = List(12) { n -> if (n % 4 == 0) "Late${round}Of$n" else "Race$n" }
                val threads = names.mapIndexed { n, name ->
                    thread {
                        go.await()
                        val until = System.nanoTime() + usual * (n + 1) / names.size
                        while (System.nanoTime() < until) Thread.onSpinWait()
                        Throughline.tracedStore(name) { deny("last$round") }
                    }
                }
                go.countDown()
                val begun = System.nanoTime()
                app.start()
                usual = System.nanoTime() - begun
                threads.forEach { it.join() }
                for (name in names) {
                    val store = Throughline.tracedStore(name)
                    store.path("last$round").set(0, 1)
                    store.path("other").set(0, 1)
                    val counts = Throughline.health()!!.stores[name]
                    assertEquals(listOf(2L, 1L), listOf(counts?.mutations, counts?.suppressed?.values?.sum()), "$name in round $round")
                }
                assertEquals(0, Throughline.health()!!.unknownCalls)
                Throughline.shutdown()
            }
        }
    }

    /** What the process holds after a collection, in bytes. */
    private fun held(): Long {
        repeat(3) { System.gc() }
        return Runtime.getRuntime().run { totalMemory() - freeMemory() }
    }

    @Test
    fun `two hundred thousand paths cost a megabyte at most, and are counted`() {
        App().use { app ->
            app.start()
            val store = Throughline.tracedStore("Catalogue") { transient("items[*].seen") }
            val before = held()
            for (n in 0 until 200_000) {
                val path = store.path("items[$n].seen")
                path.set(false, true)
                path.set(true, false)
            }
            val grown = held() - before
            println("200,000 paths: $grown bytes")
            assertTrue(grown <= 1_048_576, "$grown bytes")
            val counts = counts("Catalogue")
            assertEquals(400_000, counts.mutations)
            assertEquals(200_000 - 1_024, counts.pathsNotRemembered)
            assertEquals(400_000, counts.suppressed.values.sum())
            assertBalanced(counts)
            // A path that is not remembered works all the same, also for another client.
            val beyond = store.path("items[300000].seen")
            val recorded = store.path("items[300000].price")
            Throughline.shutdown()
            app.start()
            beyond.set(false, true)
            recorded.set(1, 2)
            assertEquals(1, app.seen().count { it.target == "Catalogue.items[*].price.Update" })
            val again = counts("Catalogue")
            assertEquals(listOf(2L, 1L), listOf(again.mutations, again.suppressed.values.sum()))
        }
    }

    @Test
    fun `two thousand traced flows cost two megabytes at most`() {
        App().use { app ->
            app.start()
            fun flow(n: Int) = MutableStateFlow(Profile("$n")).traced("Rows") {
                path("displayName") { it.displayName }
                path("isLoading") { it.isLoading }
            }
            flow(0)
            val before = held()
            val flows = List(2_000, ::flow)
            val grown = held() - before
            println("2,000 traced flows: $grown bytes")
            assertTrue(grown <= 2 * 1_048_576, "$grown bytes")
            assertEquals("1999", flows.last().value.displayName)
        }
    }

    @Test
    fun `a flow that is traced twice counts a change once`() {
        App().use { app ->
            app.start()
            val once = MutableStateFlow(Profile()).traced("Twice") {
                path("displayName") { it.displayName }
                context { put("visits", it.visits) }
            }
            val twice = once.traced("Twice") {
                path("displayName") { it.displayName }
                path("visits") { it.visits }
            }
            twice.update { Profile("Ada", visits = 1) }
            assertEquals(2, counts("Twice").mutations)
            assertEquals("1", app.seen().single { it.target == "Twice.displayName.Update" }.attributes["visits"])
        }
    }

    @Test
    fun `a decision of the client before is none of the next`() {
        App().use { app ->
            val store = Throughline.tracedStore("Again") { deny("x") }
            val path = store.path("x")
            app.start()
            path.set(0, 1)
            Throughline.shutdown()
            Recorder.expectStart()
            store.updatePolicy { allow("x") }
            app.start()
            path.set(1, 2)
            assertEquals(1, app.seen().count { it.target == "Again.x.Update" })
        }
    }
}
