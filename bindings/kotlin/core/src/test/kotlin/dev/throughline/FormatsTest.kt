package dev.throughline

import okhttp3.mockwebserver.Dispatcher
import okhttp3.mockwebserver.MockResponse
import okhttp3.mockwebserver.MockWebServer
import okhttp3.mockwebserver.RecordedRequest
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.net.InetAddress
import java.util.concurrent.ConcurrentLinkedQueue
import java.util.concurrent.ConcurrentSkipListSet
import java.util.zip.GZIPInputStream
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.seconds

/** Backends that do not speak OTLP, beside one that does. */
class FormatsTest {
    @Test
    fun `a destination gets what it names and nothing while it is paused`() {
        val bodies = ConcurrentLinkedQueue<String>()
        val server = MockWebServer().apply {
            dispatcher = object : Dispatcher() {
                override fun dispatch(request: RecordedRequest): MockResponse {
                    bodies += GZIPInputStream(request.body.inputStream()).reader().readText()
                    return MockResponse()
                }
            }
            start(InetAddress.getByName("127.0.0.1"), 0)
        }
        val errors: Configuration.() -> Unit = {
            destination("errors", "http://127.0.0.1:${server.port}") {
                fluentd("shop.app")
                lanes = setOf(Destination.Lane.CRASH, Destination.Lane.ERROR)
                kinds = setOf(Destination.Kind.ERROR)
                maxAge = 1.hours
            }
        }
        server.use {
            App(errors).use { app ->
                app.start()
                Throughline.pauseDestination("errors")
                Throughline.pauseDestination("unknown")
                Throughline.event("for the first")
                Throughline.error(IllegalStateException("for both"))
                val outcome = Throughline.flush(20.seconds)
                assertEquals("the app has paused the destination", outcome.reason)
                assertEquals(1, outcome.waiting)
                val health = Throughline.health()!!
                assertEquals(listOf(false, true), health.destinations.map { it.isPausedByApp })
                assertTrue(health.problems.any { "no destination has the name `unknown`" in it })
                assertTrue(bodies.isEmpty())
                Throughline.resumeDestination("errors")
                assertTrue(app.seen().any { it.name == "for the first" })
                assertEquals(listOf(true), bodies.map { "for both" in it && "for the first" !in it })
            }
        }
    }

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

    @Test
    fun `two destinations of one format without a name do not fail the start`() {
        val configuration = Configuration().apply {
            endpoint("https://key@sentry.example.com/42") { sentry() }
            endpoint("https://key@sentry.example.com/43") { sentry() }
            destination("sentry-2", "https://otlp.example.com")
        }
        val names = configuration.generated().destinations.map { it.name }
        assertEquals(listOf("sentry", "sentry-3", "sentry-2"), names)
    }
}
