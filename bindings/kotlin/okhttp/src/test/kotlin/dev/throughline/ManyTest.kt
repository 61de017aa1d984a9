package dev.throughline

import dev.throughline.okhttp.traced
import okhttp3.OkHttpClient
import okhttp3.Request
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import kotlin.concurrent.thread

/** Many of everything: counts add up, and what nobody holds is not kept. */
class ManyTest {
    @Test
    fun `mutations of many threads, paths and policies are each counted once`() {
        App().use { app ->
            app.start()
            val store = Throughline.tracedStore("Many") { deny("items[*].seen") }
            val kept = List(1_500) { n -> store.path("items[$n].seen") }
            val threads = List(4) { t ->
                thread {
                    repeat(20_000) { n ->
                        when (n % 4) {
                            0 -> kept[(n * 7 + t) % kept.size].set(n, n + 1)
                            1 -> store.path("items[${n % 3_000}].seen").set(n, n + 1)
                            2 -> store.record("items[${n % 50}].price", n, n + 1)
                            else -> store.path("items[${n % 50}].price").set(n, n + 1)
                        }
                    }
                }
            }
            // Each makes every decision that is remembered an old one.
            repeat(200) { n -> store.updatePolicy { if (n % 2 == 0) transient("items[*].seen") else deny("items[*].seen", "n$n") } }
            threads.forEach { it.join() }
            app.seen()
            val counts = Throughline.health()!!.stores.getValue("Many")
            assertEquals(80_000, counts.mutations, "$counts")
            assertEquals(counts.mutations, counts.recorded + counts.suppressed.values.sum() + counts.dropped, "$counts")
        }
    }

    private fun held(): Long {
        repeat(3) { System.gc() }
        return Runtime.getRuntime().run { totalMemory() - freeMemory() }
    }

    @Test
    fun `a hundred thousand calls, contexts, spans and bound blocks that nobody holds are not kept`() {
        App { traceHost("localhost") }.use { app ->
            app.start()
            val client = OkHttpClient().traced()
            val request = Request.Builder().url("http://localhost:9/").build()
            fun make(n: Int) {
                client.newCall(request)
                val context = TraceContext.from(mapOf("traceparent" to "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
                context.keep("message$n")
                context.run { Throughline.bind(Runnable {}).run() }
                Throughline.startSpan("span").succeed()
            }
            repeat(1_000, ::make)
            val before = held()
            for (n in 1_000 until 100_000) make(n)
            val grown = held() - before
            println("100,000 of everything: $grown bytes")
            assertTrue(grown <= 1_048_576, "$grown bytes")
            assertEquals(0, Throughline.health()!!.panics)
        }
    }
}
