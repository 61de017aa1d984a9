package dev.throughline

import dev.throughline.internal.Recorder
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import kotlin.time.Duration

data class Profile(val displayName: String = "", val isLoading: Boolean = false, val visits: Int = 0)

class StateTest {
    private fun StateCounts.balanced() = mutations == recorded + suppressed.values.sum() + dropped

    @Test
    fun `every way to change a flow is one mutation, and equal values are none`() {
        App().use { app ->
            app.start()
            val flow = MutableStateFlow(Profile()).traced("Profile") {
                path("displayName") { it.displayName }
                path("isLoading") { it.isLoading }
                path("visits") { it.visits }
                policy {
                    transient("isLoading")
                    coalesce = Duration.ZERO
                    maxActionsPerSecond = 1_000
                }
            }
            flow.value = Profile("a")
            flow.value = Profile("a")
            runBlocking { flow.emit(Profile("b")) }
            assertTrue(flow.tryEmit(Profile("c", isLoading = true)))
            assertTrue(flow.compareAndSet(Profile("c", isLoading = true), Profile("d")))
            assertTrue(!flow.compareAndSet(Profile("nobody"), Profile("e")))
            flow.update { it.copy(visits = it.visits + 1) }
            assertEquals(Profile("d", visits = 1), flow.value)
            val seen = app.seen()
            assertEquals(4, seen.count { it.target == "Profile.displayName.Update" })
            assertEquals(1, seen.count { it.target == "Profile.visits.Update" })
            assertTrue(seen.none { "isLoading" in it.target })
            val books = Throughline.health()!!.stores.getValue("Profile")
            assertEquals(7, books.mutations)
            assertEquals(5, books.recorded)
            assertEquals(2, books.suppressed.values.sum())
            assertTrue(books.balanced())
        }
    }

    @Test
    fun `a store says what surrounds its mutations, and what it throws costs that alone`() {
        App().use { app ->
            app.start()
            val before = Throughline.health()!!.failures
            var items = 1
            val cart = Throughline.tracedStore("Cart") { transient("isLoading") }.context { put("items", items++) }
            var note by cart.traced("note", "")
            var isLoading by cart.traced("isLoading", false)
            isLoading = true
            // Both mutations make one action, so that the last context counts.
            note = "a"
            note = "b"
            val flow = MutableStateFlow(Profile()).traced("Profile") {
                path("displayName") { it.displayName }
                context { put("visits", it.visits) }
            }
            flow.value = Profile("Ada", visits = 3)
            val broken = Throughline.tracedStore("Broken").context {
                put("half", 1)
                error("in a context function")
            }
            broken.record("x", 1, 2)
            // A value that cannot be compared, and one that cannot be written, do not end the app.
            val odd = object {
                override fun equals(other: Any?): Boolean = error("in equals")
                override fun hashCode(): Int = 0
            }
            broken.path("y").set(odd, 1)
            broken.record("z", object { override fun toString(): String = error("in toString") }, 2)
            Throughline.tracedStore("Thrown") { error("in a policy") }.record("w", 1, 2)
            val seen = app.seen()
            assertEquals("2", seen.single { it.target == "Cart.note.Update" }.attributes["items"])
            assertEquals("3", seen.single { it.target == "Profile.displayName.Update" }.attributes["visits"])
            val recorded = seen.single { it.target == "Broken.x.Update" }
            assertTrue("half" !in recorded.attributes && recorded.attributes["state.new"] == "2")
            assertTrue(seen.any { it.target == "Broken.z.Update" } && seen.any { it.target == "Thrown.w.Update" })
            val health = Throughline.health()!!
            // The context of `Broken` has thrown twice, and the three others once.
            assertEquals(before + 5, health.failures)
            assertTrue(health.stores.values.all { it.balanced() }, "${health.stores}")
            assertEquals(1, health.stores.getValue("Cart").suppressed.values.sum())
        }
    }

    @Test
    fun `ten thousand racing updates are each counted once`() {
        App().use { app ->
            app.start()
            val flow = MutableStateFlow(Profile()).traced("Race") { path("visits") { it.visits } }
            runBlocking {
                repeat(4) {
                    launch(Dispatchers.Default) { repeat(2_500) { flow.update { it.copy(visits = it.visits + 1) } } }
                }
            }
            assertEquals(10_000, flow.value.visits)
            app.seen()
            val books = Throughline.health()!!.stores.getValue("Race")
            assertEquals(10_000, books.mutations)
            assertTrue(books.balanced(), "$books")
        }
    }

    @Test
    fun `a traced property records its assignments, an ignored one only counts`() {
        val store = Throughline.tracedStore("Cart") {
            transient("isLoading")
            capture("coupon", Capture.FULL)
        }
        class Cart {
            var isLoading by store.traced("isLoading", false)
            var coupon by store.traced("coupon", "")
            var items: List<String> by store.traced("items", emptyList())
        }
        App().use { app ->
            app.start()
            val cart = Cart()
            repeat(1_000) { cart.isLoading = !cart.isLoading }
            cart.coupon = "SPRING"
            cart.coupon = "SPRING"
            cart.items = listOf("a")
            val seen = app.seen()
            assertEquals("SPRING", seen.single { it.target == "Cart.coupon.Update" }.attributes["state.new"])
            assertTrue(seen.any { it.target == "Cart.items.Update" })
            var books = Throughline.health()!!.stores.getValue("Cart")
            assertEquals(1_002, books.mutations)
            assertEquals(1_000, books.suppressed.values.sum())
            // With another policy, remembered decisions are not valid any more.
            store.updatePolicy { deny("coupon") }
            cart.coupon = "SUMMER"
            cart.isLoading = true
            assertEquals(1, app.seen().count { it.target == "Cart.isLoading.Update" })
            books = Throughline.health()!!.stores.getValue("Cart")
            assertEquals(1_004, books.mutations)
            assertTrue(books.balanced())
        }
    }

    @Test
    fun `models of many screens share the store of their name`() {
        App().use { app ->
            app.start()
            repeat(1_000) { n ->
                val flow = MutableStateFlow(Profile()).traced("Screen") {
                    path("displayName") { it.displayName }
                    path("isLoading") { it.isLoading }
                    policy { transient("isLoading") }
                }
                flow.value = Profile("name-$n", isLoading = true)
            }
            app.seen()
            val books = Throughline.health()!!.stores.getValue("Screen")
            assertEquals(2_000, books.mutations)
            assertTrue(books.balanced(), "$books")
            assertEquals(emptyList<String>(), Throughline.health()!!.problems)
            // Another client has another policy: decisions of the first one are not valid any more.
            Throughline.shutdown()
            val store = Throughline.tracedStore("Screen") { deny("displayName") }
            app.start()
            store.path("isLoading").set(false, true)
            assertEquals(1, app.seen().count { it.target == "Screen.isLoading.Update" })
        }
    }

    @Test
    fun `what is declared and decided before the start leaves the ring to what happened`() {
        App().use { app ->
            app.start()
            Throughline.shutdown()
            Recorder.expectStart()
            val store = Throughline.tracedStore("Early") { coalesce = Duration.ZERO }
            val path = store.path("n")
            repeat(90) { path.set(it, it + 1) }
            app.start()
            assertEquals(90, Throughline.health()!!.stores.getValue("Early").mutations)
        }
    }

    @Test
    fun `a policy that cannot work is told`() {
        App().use { app ->
            app.start()
            val store = Throughline.tracedStore("Broken") { allow("items[") }
            store.record("items[0]", 1, 2)
            val problems = Throughline.health()!!.problems
            assertTrue(problems.any { "Broken" in it && "items[" in it }, "$problems")
            val bad = MutableStateFlow(Profile()).traced("Throwing") { path("x") { error("in a reader") } }
            bad.value = Profile("new")
            assertEquals("new", bad.value.displayName)
            assertTrue(Throughline.health()!!.failures >= 1)
        }
    }

    @Test
    fun `mutations of overlapping operations belong each to its own`() {
        App().use { app ->
            app.start()
            val flow = MutableStateFlow(Profile()).traced("Overlap") {
                path("displayName") { it.displayName }
                policy {
                    coalesce = Duration.ZERO
                    maxActionsPerSecond = 10_000
                    capture("displayName", Capture.FULL)
                }
            }
            runBlocking(Dispatchers.Default) {
                repeat(50) { n ->
                    launch {
                        Throughline.operation("Rename$n") {
                            kotlinx.coroutines.delay((n % 7).toLong())
                            withContext(Dispatchers.IO) { flow.update { it.copy(displayName = "name-$n") } }
                        }
                    }
                }
            }
            val seen = app.seen()
            val updates = seen.filter { it.target == "Overlap.displayName.Update" }
            assertEquals(50, updates.size)
            for (n in 0 until 50) {
                val span = seen.single { it.isSpan && it.name == "Rename$n" }
                val update = updates.single { it.attributes["state.new"] == "name-$n" }
                assertEquals(span.traceId, update.traceId)
                assertEquals("operation", update.attributes["state.cause"])
            }
        }
    }
}
