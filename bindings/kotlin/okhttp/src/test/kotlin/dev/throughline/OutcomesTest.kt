package dev.throughline

import dev.throughline.okhttp.traced
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import okhttp3.Call
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.WebSocket
import okhttp3.WebSocketListener
import okhttp3.mockwebserver.MockResponse
import okhttp3.mockwebserver.MockWebServer
import okhttp3.mockwebserver.SocketPolicy
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.IOException
import java.lang.reflect.Proxy
import java.net.InetAddress
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit
import kotlin.concurrent.thread
import kotlin.time.Duration.Companion.milliseconds

/** What is given up, cancelled, or too late is no failure of the app's. */
class OutcomesTest {
    private fun List<Seen>.outcome(name: String): String? =
        single { it.isSpan && it.name == name }.attributes["operation.outcome"]

    @Test
    fun `a job that is cancelled ends its operation and the one inside as cancelled, without an error`() {
        App().use { app ->
            app.start()
            runBlocking(Dispatchers.Default) {
                val isInside = CompletableDeferred<Unit>()
                val job = launch {
                    Throughline.operation("Outer") {
                        Throughline.operation("Inner") {
                            isInside.complete(Unit)
                            awaitCancellation()
                        }
                    }
                }
                isInside.await()
                job.cancelAndJoin()
            }
            val seen = app.seen()
            for (name in listOf("Outer", "Inner")) assertEquals("cancelled", seen.outcome(name))
            assertTrue(seen.none { "error.type" in it.attributes || "exception.type" in it.attributes }, "$seen")
        }
    }

    @Test
    fun `an operation that a timeout ends has timed out, whether the timeout is around it or inside`() {
        App().use { app ->
            app.start()
            runBlocking {
                assertThrows(CancellationException::class.java) {
                    runBlocking { withTimeout(20.milliseconds) { Throughline.operation("Around") { awaitCancellation() } } }
                }
                assertThrows(CancellationException::class.java) {
                    runBlocking { Throughline.operation("Inside") { withTimeout(20.milliseconds) { awaitCancellation() } } }
                }
            }
            val seen = app.seen()
            for (name in listOf("Around", "Inside")) {
                assertEquals("timed_out", seen.outcome(name))
                assertEquals("timeout", seen.single { it.isSpan && it.name == name }.attributes["error.type"])
            }
            assertTrue(seen.none { "exception.type" in it.attributes }, "$seen")
        }
    }

    @Test
    fun `an operation says how it ended, and the first word counts`() {
        App().use { app ->
            app.start()
            Throughline.startOperation("Cancelled").apply { cancel() }.fail("Late", "too late")
            Throughline.startOperation("TimedOut").apply { timeOut() }.succeed()
            Throughline.startOperation("GivenUp").close()
            Throughline.startOperation("Done").apply { succeed() }.cancel()
            assertThrows(IllegalStateException::class.java) { Throughline.blockingOperation("Failed") { error("no") } }
            assertThrows(CancellationException::class.java) {
                Throughline.blockingOperation("Blocking") { throw CancellationException() }
            }
            val seen = app.seen()
            assertEquals(
                listOf("cancelled", "timed_out", "abandoned", "succeeded", "failed", "cancelled"),
                listOf("Cancelled", "TimedOut", "GivenUp", "Done", "Failed", "Blocking").map { seen.outcome(it) },
            )
        }
    }

    @Test
    fun `a request that is cancelled and one that is too late say so, and are no errors of the view`() {
        App().use { app ->
            MockWebServer().use { server ->
                server.start(InetAddress.getByName("127.0.0.1"), 0)
                repeat(3) { server.enqueue(MockResponse().setSocketPolicy(SocketPolicy.NO_RESPONSE)) }
                app.start()
                Throughline.startView("Home")
                val client = OkHttpClient().traced()
                fun call(by: OkHttpClient, path: String): Call = by.newCall(Request.Builder().url(server.url(path)).build())
                val cancelled = call(client, "/cancelled")
                val isOver = CountDownLatch(1)
                thread {
                    assertThrows(IOException::class.java) { cancelled.execute() }
                    isOver.countDown()
                }
                server.takeRequest()
                cancelled.cancel()
                assertTrue(isOver.await(10, TimeUnit.SECONDS))
                val reading = client.newBuilder().readTimeout(50, TimeUnit.MILLISECONDS).build()
                assertThrows(IOException::class.java) { call(reading, "/read").execute() }
                val whole = client.newBuilder().callTimeout(50, TimeUnit.MILLISECONDS).build()
                assertThrows(IOException::class.java) { call(whole, "/whole").execute() }
                val seen = app.seen()
                fun type(path: String) = seen.single { it.attributes["url.full"]?.endsWith(path) == true }.attributes["error.type"]
                assertEquals(listOf("cancelled", "timeout", "timeout"), listOf("/cancelled", "/read", "/whole").map(::type))
                assertTrue(seen.none { "exception.type" in it.attributes })
            }
        }
    }

    @Test
    fun `a request whose thread is interrupted is cancelled`() {
        App().use { app ->
            MockWebServer().use { server ->
                server.start(InetAddress.getByName("127.0.0.1"), 0)
                server.enqueue(MockResponse().setSocketPolicy(SocketPolicy.NO_RESPONSE))
                app.start()
                val call = OkHttpClient().traced().newCall(Request.Builder().url(server.url("/interrupted")).build())
                // This is how RxJava, `Future.cancel(true)` and `runInterruptible` cancel.
                val interrupted = thread {
                    Thread.currentThread().interrupt()
                    assertThrows(IOException::class.java) { call.execute() }
                }
                interrupted.join()
                val request = app.seen().single { it.attributes["url.full"]?.endsWith("/interrupted") == true }
                assertEquals("cancelled", request.attributes["error.type"])
            }
        }
    }

    @Test
    fun `work that blocks and is interrupted is cancelled, and is no error`() {
        App().use { app ->
            app.start()
            val interrupted = thread {
                Thread.currentThread().interrupt()
                assertThrows(InterruptedException::class.java) { Throughline.blockingOperation("Interrupted") { CountDownLatch(1).await() } }
            }
            interrupted.join()
            val seen = app.seen()
            assertEquals("cancelled", seen.outcome("Interrupted"))
            assertTrue(seen.none { "exception.type" in it.attributes }, "$seen")
        }
    }

    @Test
    fun `a client that is traced twice records a request once, in its context`() {
        App { traceHost("localhost") }.use { app ->
            MockWebServer().use { server ->
                server.start(InetAddress.getByName("127.0.0.1"), 0)
                repeat(2) { server.enqueue(MockResponse().setBody("{}")) }
                app.start()
                val order = ArrayList<String>()
                val once = OkHttpClient().traced()
                val twice = once.newBuilder().addInterceptor { order += "the app's"; it.proceed(it.request()) }.build().traced()
                // A factory that was set later had replaced ours.
                val silent = once.newBuilder().eventListenerFactory { okhttp3.EventListener.NONE }.build().traced()
                Throughline.blockingOperation("Twice") {
                    for ((client, path) in listOf(twice to "/twice", silent to "/silent")) {
                        client.newCall(Request.Builder().url(server.url(path)).build()).execute().close()
                    }
                }
                assertEquals(listOf("the app's"), order)
                val seen = app.seen()
                val operation = seen.single { it.name == "Twice" }
                for (path in listOf("/twice", "/silent")) {
                    assertEquals(operation.spanId, seen.single { it.attributes["url.full"]?.endsWith(path) == true }.parentSpanId)
                }
                assertEquals(1, server.takeRequest().headers.values("traceparent").size)
                assertNull(seen.firstOrNull { "error.type" in it.attributes })
            }
        }
    }

    @Test
    fun `a listener that is traced twice reads the headers of a message once, and leaves no context`() {
        var asked = 0
        var heard = 0
        val listener = object : WebSocketListener() {
            override fun onMessage(webSocket: WebSocket, text: String) {
                heard++
                error("the app's own")
            }
        }
        val headers = { _: String -> asked++; emptyMap<String, String>() }
        val socket = Proxy.newProxyInstance(javaClass.classLoader, arrayOf(WebSocket::class.java)) { _, _, _ -> null } as WebSocket
        assertThrows(IllegalStateException::class.java) { traced(traced(listener, headers), headers).onMessage(socket, "hello") }
        assertEquals(listOf(1, 1), listOf(asked, heard))
        assertEquals(0, TraceContext.current().slot)
    }
}
