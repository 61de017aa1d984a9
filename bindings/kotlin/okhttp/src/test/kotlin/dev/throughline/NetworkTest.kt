package dev.throughline

import dev.throughline.internal.Recorder
import dev.throughline.internal.Running
import dev.throughline.okhttp.OkHttpTransport
import dev.throughline.okhttp.traced
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import okhttp3.Call
import okhttp3.Callback
import okhttp3.EventListener
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.Response
import okhttp3.ResponseBody
import okhttp3.WebSocket
import okhttp3.WebSocketListener
import okhttp3.mockwebserver.Dispatcher
import okhttp3.mockwebserver.MockResponse
import okhttp3.mockwebserver.MockWebServer
import okhttp3.mockwebserver.RecordedRequest
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import retrofit2.Retrofit
import retrofit2.http.GET
import retrofit2.http.Path
import java.io.File
import java.io.IOException
import java.net.InetAddress
import java.security.KeyStore
import java.security.cert.X509Certificate
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.ConcurrentLinkedQueue
import java.util.concurrent.CountDownLatch
import java.util.concurrent.Executors
import java.util.concurrent.TimeUnit
import javax.net.ssl.KeyManagerFactory
import javax.net.ssl.SSLContext
import javax.net.ssl.SSLSocketFactory
import javax.net.ssl.X509TrustManager
import kotlin.concurrent.thread
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

interface Api {
    @GET("/me/{n}")
    suspend fun me(@Path("n") n: Int): ResponseBody
}

class NetworkTest {
    /** The app's own server. `traceHost` lists its name `localhost`, and not its address. */
    private class Server(secure: SSLSocketFactory? = null) : AutoCloseable {
        val requests = ConcurrentLinkedQueue<RecordedRequest>()
        var answer: (RecordedRequest) -> MockResponse = { MockResponse().setBody("{}") }
        val web = MockWebServer().apply {
            dispatcher = object : Dispatcher() {
                override fun dispatch(request: RecordedRequest): MockResponse {
                    requests += request
                    return answer(request)
                }
            }
            secure?.let { useHttps(it, false) }
            start(InetAddress.getByName("127.0.0.1"), 0)
        }
        val listed = "${if (secure == null) "http" else "https"}://localhost:${web.port}"
        val unlisted = "http://127.0.0.1:${web.port}"

        fun parent(path: String): String? = requests.single { it.path == path }.getHeader("traceparent")

        override fun close(): Unit = web.shutdown()
    }

    private fun app() = App { traceHost("localhost") }

    @Test
    fun `a request says what its time went into, and the app's own listener stays`() {
        app().use { app ->
            val keys = keys(app.directory)
            Server(keys.socketFactory).use { server ->
                app.start()
                server.answer = { MockResponse().setBody("{}").setHeadersDelay(50, TimeUnit.MILLISECONDS) }
                val heard = ConcurrentLinkedQueue<String>()
                val plain = OkHttpClient.Builder().sslSocketFactory(keys.socketFactory, TrustAll).build()
                val listening = plain.newBuilder().eventListener(object : EventListener() {
                    override fun callStart(call: Call) {
                        heard += call.request().url.encodedPath
                    }
                }).build()
                val client = plain.traced()
                for ((path, by) in listOf("/first" to client, "/second" to client, "/heard" to listening.traced())) {
                    by.newCall(Request.Builder().url("${server.listed}$path").build()).execute().use { it.body!!.string() }
                }
                assertEquals(listOf("/heard"), heard.toList())
                val seen = app.seen()
                fun request(path: String) = seen.single { it.attributes["url.full"]?.endsWith(path) == true }
                val first = request("/first")
                val order = listOf(
                    "domainLookupStart", "domainLookupEnd", "connectStart", "secureConnectionStart", "connectEnd", "requestStart",
                    "responseStart",
                )
                assertEquals(order, first.moments.keys.toList())
                val times = listOf(0L) + order.map { first.moments.getValue(it) } + (first.endNs - first.timeNs)
                assertEquals(times.sorted(), times)
                // One request uses an open connection, and one has the app's own listener.
                for (other in listOf(request("/second"), request("/heard"))) {
                    assertEquals(order.takeLast(2), other.moments.keys.toList())
                }
                for (any in listOf("/first", "/second", "/heard").map(::request)) {
                    assertTrue(any.moments.getValue("responseStart") - any.moments.getValue("requestStart") >= 50_000_000, "${any.moments}")
                }
            }
        }
    }

    @Test
    fun `headers go to listed hosts alone, and never on a redirect elsewhere`() {
        app().use { app ->
            Server().use { server ->
                app.start()
                val client = OkHttpClient().traced()
                fun get(url: String, header: Pair<String, String>? = null) {
                    val request = Request.Builder().url(url).apply { header?.let { header(it.first, it.second) } }.build()
                    client.newCall(request).execute().close()
                }
                server.answer = { request ->
                    when (request.path) {
                        "/away" -> MockResponse().setResponseCode(302).setHeader("location", "${server.unlisted}/landed")
                        "/stay" -> MockResponse().setResponseCode(302).setHeader("location", "/stayed")
                        else -> MockResponse().setBody("{}")
                    }
                }
                Throughline.blockingOperation("Flow") {
                    get("${server.listed}/listed")
                    get("${server.unlisted}/unlisted")
                    get("${server.listed}/away")
                    get("${server.listed}/stay")
                    get("${server.listed}/own", "traceparent" to OWN)
                }
                assertNotNull(server.parent("/listed"))
                assertNull(server.parent("/unlisted"))
                assertNotNull(server.parent("/away"))
                val landed = server.requests.single { it.path == "/landed" }
                assertTrue(Running.ask(emptyList()) { it.propagationHeaders() }.none { landed.getHeader(it) != null }, "${landed.headers}")
                assertNotNull(server.parent("/stayed"))
                assertEquals(OWN, server.parent("/own"))
                val seen = app.seen()
                val operation = seen.single { it.name == "Flow" }
                assertEquals(operation.traceId, server.parent("/listed")!!.substring(3, 35))
                val requests = seen.filter { it.isSpan && it.attributes["url.full"] != null }
                assertEquals(5, requests.size)
                // The request with a header of the app's belongs to that trace. The others are
                // children of the operation.
                assertEquals(4, requests.count { it.traceId == operation.traceId && it.parentSpanId == operation.spanId })
                assertEquals(1, requests.count { it.traceId == OWN.substring(3, 35) })
            }
        }
    }

    @Test
    fun `requests from before the start are recorded with their own times, and without headers`() {
        app().use { app ->
            Server().use { server ->
                // Earlier tests of this process have shut the client down. Calls are kept only when
                // a start is expected.
                Recorder.expectStart()
                val (isAsked, isStarted) = CountDownLatch(1) to CountDownLatch(1)
                server.answer = { request ->
                    if (request.path == "/across") {
                        isAsked.countDown()
                        isStarted.await(10, TimeUnit.SECONDS)
                    }
                    MockResponse().setBody("{}").setHeadersDelay(100, TimeUnit.MILLISECONDS)
                }
                val client = OkHttpClient().traced()
                fun call(path: String) = client.newCall(Request.Builder().url(server.listed + path).build())
                call("/early").execute().close()
                val across = thread { call("/across").execute().close() }
                assertTrue(isAsked.await(10, TimeUnit.SECONDS))
                app.start()
                isStarted.countDown()
                across.join()
                val seen = app.seen()
                for (path in listOf("/early", "/across")) {
                    assertNull(server.parent(path))
                    val request = seen.single { it.attributes["url.full"] == server.listed + path }
                    assertEquals("200", request.attributes["http.response.status_code"])
                    assertEquals("1.1", request.attributes["network.protocol.version"])
                    assertTrue(request.endNs - request.timeNs >= 100_000_000, "$request lasted ${request.endNs - request.timeNs}")
                }
            }
        }
    }

    @Test
    fun `a request that fails is recorded with its error`() {
        app().use { app ->
            app.start()
            val client = OkHttpClient().traced()
            val request = Request.Builder().url("http://127.0.0.1:9/nobody").build()
            assertThrows(IOException::class.java) { client.newCall(request).execute() }
            val seen = app.seen().single { it.attributes["url.full"] != null }
            assertTrue("Exception" in seen.attributes["error.type"]!!, "$seen")
        }
    }

    @Test
    fun `a hundred coroutines and callbacks each keep their own operation`() {
        app().use { app ->
            Server().use { server ->
                app.start()
                val client = OkHttpClient.Builder().build().traced()
                val api = Retrofit.Builder().baseUrl(server.listed).client(client).build().create(Api::class.java)
                runBlocking(Dispatchers.Default) {
                    repeat(100) { n ->
                        launch {
                            Throughline.operation("Retrofit$n") {
                                delay((n % 5).toLong())
                                api.me(n).close()
                            }
                        }
                    }
                }
                val pool = Executors.newFixedThreadPool(8)
                val done = CountDownLatch(100)
                repeat(100) { n ->
                    pool.execute {
                        val operation = Throughline.startOperation("Enqueue$n")
                        val request = Request.Builder().url("${server.listed}/queued/$n").build()
                        operation.run { client.newCall(request) }.enqueue(object : Callback {
                            override fun onFailure(call: Call, e: IOException) = operation.fail(e).also { done.countDown() }
                            override fun onResponse(call: Call, response: Response) {
                                response.close()
                                operation.succeed()
                                done.countDown()
                            }
                        })
                    }
                }
                assertTrue(done.await(30, TimeUnit.SECONDS))
                pool.shutdown()
                val seen = app.seen()
                for (n in 0 until 100) {
                    for ((name, path) in listOf("Retrofit$n" to "/me/$n", "Enqueue$n" to "/queued/$n")) {
                        val operation = seen.single { it.isSpan && it.name == name }
                        assertEquals(operation.traceId, server.parent(path)!!.substring(3, 35), name)
                    }
                }
            }
        }
    }

    @Test
    fun `fifty answers that come under the ids of their questions belong to them`() {
        App().use { app ->
            app.start()
            assertNull(TraceContext.take("question 0"))
            val asked = (0 until 50).map { n ->
                Throughline.startOperation("Ask$n").also { assertTrue(it.keep("question $n")) }
            }
            assertFalse(asked[0].keep("x".repeat(129)))
            thread {
                for (n in 49 downTo 0) TraceContext.take("question $n")!!.run { Throughline.log(Severity.INFO, "answer $n") }
            }.join()
            assertNull(TraceContext.take("question 7"))
            asked.forEach { it.succeed() }
            val seen = app.seen()
            for (n in 0 until 50) {
                assertEquals(seen.single { it.name == "Ask$n" }.traceId, seen.single { it.body == "answer $n" }.traceId)
            }
        }
    }

    @Test
    fun `fifty interleaved messages each keep their own trace two suspensions later`() {
        app().use { app ->
            Server().use { server ->
                app.start()
                val client = OkHttpClient().traced()
                val store = Throughline.tracedStore("Chat") {
                    coalesce = Duration.ZERO
                    maxActionsPerSecond = 10_000
                }
                val done = CountDownLatch(50)
                val traces = ConcurrentHashMap<String, String>()
                repeat(50) { n -> traces["$n"] = "%032x".format(n + 1) }
                server.answer = { request ->
                    if (request.path == "/socket") {
                        MockResponse().withWebSocketUpgrade(object : WebSocketListener() {
                            override fun onOpen(webSocket: WebSocket, response: Response) {
                                for ((n, trace) in traces) webSocket.send("$n 00-$trace-00000000000000ff-01")
                            }
                        })
                    } else {
                        MockResponse().setBody("{}")
                    }
                }
                val listener = object : WebSocketListener() {
                    override fun onMessage(webSocket: WebSocket, text: String) {
                        val n = text.substringBefore(' ')
                        val context = TraceContext.current()
                        Thread {
                            runBlocking(Dispatchers.Default + context.asContextElement()) {
                                delay(n.toLong() % 11)
                                store.record("messages[$n]", null, n.toLong(), MutationKind.INSERT)
                                delay(n.toLong() % 3)
                                client.newCall(Request.Builder().url("${server.listed}/ack/$n").build()).execute().close()
                                done.countDown()
                            }
                        }.start()
                    }
                }
                val socket = client.newWebSocket(
                    Request.Builder().url("${server.listed}/socket").build(),
                    traced(listener) { mapOf("traceparent" to it.substringAfter(' ')) },
                )
                assertTrue(done.await(30, TimeUnit.SECONDS))
                socket.cancel()
                val seen = app.seen()
                for ((n, trace) in traces) {
                    assertEquals(trace, server.parent("/ack/$n")!!.substring(3, 35))
                    val mutation = seen.single { it.attributes["state.path"] == "messages[$n]" }
                    assertEquals(trace, mutation.traceId)
                }
            }
        }
    }

    @Test
    fun `uploads over the app's client are not traced, and its failure is a retry`() {
        val client = OkHttpClient().traced()
        val own = OkHttpTransport(client)
        var calls = 0
        App {
            transport = HostTransport { request ->
                if (calls++ == 0) throw IllegalStateException("the app's own trouble")
                own.send(request)
            }
            traceHost("127.0.0.1")
        }.use { app ->
            app.start()
            Throughline.event("through OkHttp")
            val seen = app.seen()
            assertTrue(calls >= 2)
            assertEquals(1, seen.count { it.name == "through OkHttp" })
            assertTrue(seen.none { it.attributes["url.full"] != null })
        }
    }

    @Test
    fun `a host that owns the timing fetches uploads and tells their outcome`() {
        App {
            pull = true
            authHeaders = { _, refresh -> mapOf("authorization" to if (refresh) "fresh" else "stale") }
        }.use { app ->
            app.start()
            Throughline.event("pulled")
            val first = Throughline.nextUpload(10.seconds)!!
            assertEquals("stale", first.request.headers["authorization"])
            assertTrue(Throughline.uploadDone(first, UploadResponse(401)))
            val second = Throughline.nextUpload(10.seconds)!!
            assertEquals("fresh", second.request.headers["authorization"])
            assertTrue(second.request.body.contentEquals(first.request.body))
            assertTrue(Regex("[0-9a-f]{32}").matches(first.key), first.key)
            assertEquals(first.key, second.key, "a retry is the same upload")
            assertTrue(Throughline.uploadDone(second, UploadResponse(200, mapOf("content-type" to "application/json"), "{}".toByteArray())))
            assertTrue(!Throughline.uploadDone(second, null))
            while (true) {
                val next = Throughline.nextUpload(500.milliseconds) ?: break
                assertTrue(next.key != first.key, "another body is another upload")
                assertTrue(Throughline.uploadDone(next, UploadResponse(200, emptyMap(), "{}".toByteArray())))
            }
            assertTrue(Throughline.flush(5.seconds).isComplete)
        }
    }

    @Test
    fun `a call that the app's interceptor runs again is another request of the same operation`() {
        app().use { app ->
            Server().use { server ->
                app.start()
                server.answer = { MockResponse().setResponseCode(if (server.requests.size == 1) 503 else 200) }
                val client = OkHttpClient.Builder().addInterceptor { chain ->
                    chain.proceed(chain.request()).use { }
                    chain.proceed(chain.request())
                }.build().traced()
                Throughline.blockingOperation("Again") {
                    client.newCall(Request.Builder().url("${server.listed}/again").build()).execute().close()
                }
                val seen = app.seen()
                val operation = seen.single { it.name == "Again" }
                val (first, second) = seen.filter { it.attributes["url.full"] != null }.sortedBy { it.timeNs }
                assertEquals(listOf(operation.spanId, operation.spanId), listOf(first.parentSpanId, second.parentSpanId))
                assertEquals(listOf("503", "200"), listOf(first, second).map { it.attributes["http.response.status_code"] })
                assertTrue("connectStart" in first.moments, "${first.moments}")
                assertEquals(setOf("requestStart", "responseStart"), second.moments.keys)
            }
        }
    }

    private companion object {
        const val OWN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

        /** Keys for `localhost` with a certificate that no authority has signed. */
        fun keys(directory: File): SSLContext {
            val store = File(directory, "keys.p12")
            val keytool = File(System.getProperty("java.home"), "bin/keytool").path
            val options = "-genkeypair -alias a -keyalg EC -dname CN=localhost -ext san=dns:localhost -storetype PKCS12 -storepass secret"
            val command = listOf(keytool) + options.split(' ') + listOf("-keystore", store.path)
            val made = ProcessBuilder(command).redirectErrorStream(true).start()
            val said = made.inputStream.bufferedReader().readText()
            check(made.waitFor() == 0) { said }
            val keys = KeyStore.getInstance("PKCS12").apply { store.inputStream().use { load(it, "secret".toCharArray()) } }
            val managers = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm())
            managers.init(keys, "secret".toCharArray())
            return SSLContext.getInstance("TLS").apply { init(managers.keyManagers, arrayOf(TrustAll), null) }
        }
    }

    private object TrustAll : X509TrustManager {
        override fun checkClientTrusted(chain: Array<X509Certificate>, type: String): Unit = Unit

        override fun checkServerTrusted(chain: Array<X509Certificate>, type: String): Unit = Unit

        override fun getAcceptedIssuers(): Array<X509Certificate> = emptyArray()
    }
}
