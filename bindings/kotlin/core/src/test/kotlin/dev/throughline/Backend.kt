package dev.throughline

import com.google.gson.JsonElement
import com.google.gson.JsonObject
import com.google.gson.JsonParser
import dev.throughline.internal.Call
import dev.throughline.internal.Recorder
import okhttp3.mockwebserver.Dispatcher
import okhttp3.mockwebserver.MockResponse
import okhttp3.mockwebserver.MockWebServer
import okhttp3.mockwebserver.RecordedRequest
import okio.GzipSource
import okio.buffer
import java.io.File
import java.net.InetAddress
import java.util.concurrent.ConcurrentLinkedQueue
import kotlin.io.path.createTempDirectory
import kotlin.time.Duration.Companion.seconds

/** A log record or a span that has arrived. */
class Seen(json: JsonObject, val resource: Map<String, String>) {
    val isSpan: Boolean = json.has("startTimeUnixNano")
    val name: String = (json["name"] ?: json["eventName"])?.asString ?: ""
    val traceId: String = json["traceId"]?.asString ?: ""
    val spanId: String = json["spanId"]?.asString ?: ""
    val parentSpanId: String = json["parentSpanId"]?.asString ?: ""
    val timeNs: Long = (json["timeUnixNano"] ?: json["startTimeUnixNano"])?.asString?.toLong() ?: 0
    val endNs: Long = json["endTimeUnixNano"]?.asString?.toLong() ?: 0
    val body: String = json["body"]?.let(::plain) ?: ""
    val attributes: Map<String, String> = attributes(json)

    /** The events of a span by their names, in ns after its start. */
    val moments: Map<String, Long> = json["events"]?.asJsonArray?.map { it.asJsonObject }
        ?.associate { it["name"].asString to it["timeUnixNano"].asString.toLong() - timeNs } ?: emptyMap()

    /** The name of an action: `Cart.items.Update`, `checkout`. Empty for anything else. */
    val target: String get() = if ("rum.action.type" in attributes) body else ""

    override fun toString(): String = "$name ${traceId.take(6)} $attributes"
}

private fun attributes(json: JsonObject): Map<String, String> =
    json["attributes"]?.asJsonArray?.associate { it.asJsonObject["key"].asString to plain(it.asJsonObject["value"]) } ?: emptyMap()

private fun plain(value: JsonElement): String =
    value.asJsonObject.entrySet().firstOrNull()?.value?.let { if (it.isJsonPrimitive) it.asString else it.toString() } ?: ""

/** A backend that takes OTLP as JSON. */
class Backend : AutoCloseable {
    private val requests = ConcurrentLinkedQueue<JsonObject>()
    private val server = MockWebServer().apply {
        dispatcher = object : Dispatcher() {
            override fun dispatch(request: RecordedRequest): MockResponse {
                val gzip = request.getHeader("content-encoding") == "gzip"
                val text = if (gzip) GzipSource(request.body).buffer().readUtf8() else request.body.readUtf8()
                requests += JsonParser.parseString(text).asJsonObject
                return MockResponse().setHeader("content-type", "application/json").setBody("{}")
            }
        }
        start(InetAddress.getByName("127.0.0.1"), 0)
    }

    val url: String = "http://127.0.0.1:${server.port}"

    fun seen(): List<Seen> = requests.flatMap { request ->
        listOf("resourceLogs" to "logRecords", "resourceSpans" to "spans").flatMap { (top, records) ->
            request[top]?.asJsonArray.orEmpty().flatMap { resource ->
                val attributes = resource.asJsonObject["resource"]?.asJsonObject?.let(::attributes) ?: emptyMap()
                resource.asJsonObject["scope" + top.removePrefix("resource")].asJsonArray.flatMap { scope ->
                    scope.asJsonObject[records]?.asJsonArray.orEmpty().map { Seen(it.asJsonObject, attributes) }
                }
            }
        }
    }

    private fun Iterable<JsonElement>?.orEmpty(): Iterable<JsonElement> = this ?: emptyList()

    override fun close(): Unit = server.shutdown()
}

/** A client with a backend and a directory of its own, for one test. */
class App(private val configure: Configuration.() -> Unit = {}) : AutoCloseable {
    val backend = Backend()
    val directory: File = createTempDirectory("throughline").toFile()

    fun start(consent: Consent = Consent.GRANTED): App = apply {
        Throughline.start(consent) {
            serviceName = "kotlin-test"
            dataDir = directory
            environment = Environment.TEST
            flushInterval = 3_600.seconds
            flushEvents = 1_000_000
            startJitter = false
            selfReport = false
            endpoint(backend.url) { encoding = Destination.Encoding.JSON }
            configure()
        }
    }

    /** Everything that was recorded, as it has arrived at the backend. */
    fun seen(): List<Seen> {
        // Coalescing windows and actions would end by themselves. This ends them now, so that no
        // test waits for them.
        Recorder.record(Call.FAULT) { text("settle") }
        val outcome = Throughline.flush(20.seconds)
        check(outcome.isComplete) { "not delivered: ${outcome.reason}, ${outcome.waiting} wait" }
        return backend.seen()
    }

    override fun close() {
        if (Throughline.isRunning) Throughline.shutdown()
        backend.close()
        directory.deleteRecursively()
    }
}
