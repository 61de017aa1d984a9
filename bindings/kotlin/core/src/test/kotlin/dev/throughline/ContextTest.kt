package dev.throughline

import dev.throughline.internal.Recorder
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.async
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.delay
import kotlinx.coroutines.joinAll
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Test
import java.util.concurrent.CyclicBarrier
import java.util.concurrent.Executors
import java.util.concurrent.TimeUnit

/** A context that stays on a thread would put what others do there into its trace. */
class ContextTest {
    private val context = TraceContext.from(mapOf("traceparent" to "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))

    private fun current(): Long = Recorder.currentSlot()

    @Test
    fun `while a coroutine with a context waits, its thread has none`() {
        val ui = Executors.newSingleThreadExecutor().asCoroutineDispatcher()
        runBlocking {
            val go = Channel<Unit>()
            val seen = Channel<Long>(Channel.UNLIMITED)
            val job = launch(ui + context.asContextElement()) {
                seen.send(current())
                go.receive()
                seen.send(current())
            }
            assertEquals(context.slot, seen.receive())
            assertEquals(0, withContext(ui) { current() })
            go.send(Unit)
            job.join()
            assertEquals(context.slot, seen.receive())
            assertEquals(0, withContext(ui) { current() })
        }
        ui.close()
    }

    @Test
    fun `coroutines that hop between threads leave no context behind`() {
        val pool = Executors.newFixedThreadPool(2).asCoroutineDispatcher()
        runBlocking {
            List(50) { n ->
                launch(pool) {
                    withContext(context.asContextElement()) {
                        delay(n % 3L)
                        assertEquals(context.slot, current())
                        if (n % 7 == 0) coroutineContext[Job]!!.cancel()
                        delay(1)
                    }
                }
            }.joinAll()
            // Both threads of the pool are asked.
            val both = CyclicBarrier(2)
            val left = List(2) { async(pool) { both.await(10, TimeUnit.SECONDS); current() } }.awaitAll()
            assertEquals(listOf(0L, 0L), left)
        }
        pool.close()
    }

    @Test
    fun `a coroutine that is started inside a context takes it along only as far as its first suspension`() {
        runBlocking(Dispatchers.Default) {
            val go = Channel<Unit>()
            val seen = Channel<Long>(Channel.UNLIMITED)
            val scope = CoroutineScope(Dispatchers.Unconfined)
            lateinit var job: Job
            context.run {
                job = scope.launch {
                    seen.send(current())
                    go.receive()
                    seen.send(current())
                }
            }
            assertEquals(0, current())
            go.send(Unit)
            job.join()
            assertEquals(listOf(context.slot, 0L), listOf(seen.receive(), seen.receive()))
            assertEquals(0, current())
        }
    }

    @Test
    fun `work that throws, and work inside work, give the thread back as it was`() {
        val other = TraceContext.from(emptyMap())
        context.run {
            assertThrows(IllegalStateException::class.java) { other.run<Unit> { error("the app's own") } }
            assertEquals(context.slot, current())
            other.run(Runnable { assertEquals(other.slot, current()) })
            val bound = Throughline.bind(Runnable { assertEquals(context.slot, current()) })
            other.run(bound)
            assertThrows(IllegalStateException::class.java) { Throughline.blockingOperation("Thrown") { error("no") } }
            assertEquals(context.slot, current())
            val lazily = sequence {
                yield(context.run { current() })
                yield(current())
            }
            assertEquals(listOf(context.slot, context.slot), lazily.toList())
        }
        assertEquals(0, current())
    }
}
