package dev.throughline

import okhttp3.mockwebserver.Dispatcher
import okhttp3.mockwebserver.MockResponse
import okhttp3.mockwebserver.MockWebServer
import okhttp3.mockwebserver.RecordedRequest
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.net.InetAddress
import java.util.concurrent.ConcurrentSkipListSet
import kotlin.time.Duration.Companion.seconds

/** Backends that do not speak OTLP, beside one that does. */
class FormatsTest {
    @Test
    fun `several formats at once each get the error that the app has recorded`() {
        val paths = ConcurrentSkipListSet<String>()
        val server = MockWebServer().apply {
            dispatcher = object : Dispatcher() {
                override fun dispatch(request: RecordedRequest): MockResponse {
                    paths += request.path!!.substringBefore('?')
                    val type = request.getHeader("content-type")!!
                    val answer = MockResponse().setHeader("content-type", type)
                    return if (type == "application/proto") answer else answer.setBody("{}")
                }
            }
            start(InetAddress.getByName("127.0.0.1"), 0)
        }
        val host = "127.0.0.1:${server.port}"
        val formats: Configuration.() -> Unit = {
            destination("datadog", "http://$host") { datadog("pub1", "00000000-0000-4000-8000-000000000000") }
            destination("sentry", "http://key@$host/42") { sentry() }
            destination("own", "http://$host") { connect() }
            destination("logs", "http://$host") { fluentd("shop.app") }
        }
        server.use {
            App(formats).use { app ->
                app.start()
                Throughline.startView("Cart")
                Throughline.error(IllegalStateException("declined"))
                assertTrue(app.seen().any { it.name == "exception" })
                assertTrue(Throughline.flush(20.seconds).isComplete)
                val expected = listOf("/api/42/envelope/", "/api/v2/rum", "/shop.app", "/throughline.telemetry.v1.TelemetryService/ReportError")
                assertEquals(expected, paths.filter { it in expected })
                val health = Throughline.health()!!
                assertEquals(listOf("default", "datadog", "sentry", "own", "logs"), health.destinations.map { it.name })
                assertEquals(listOf(null, null, null, null, null), health.destinations.map { it.paused })
            }
        }
    }
}
