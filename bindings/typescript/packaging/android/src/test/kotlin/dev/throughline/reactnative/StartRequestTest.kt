package dev.throughline.reactnative

import dev.throughline.Configuration
import dev.throughline.Consent
import dev.throughline.Destination
import dev.throughline.Environment
import dev.throughline.MeteredUploads
import dev.throughline.Setup
import dev.throughline.TraceHost
import org.json.JSONArray
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Test
import java.io.File
import kotlin.time.Duration.Companion.days
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

private fun vector(name: String) = File("../vectors/$name.json").readText()

/** What the core gets for a configuration. */
private fun generated(configure: Setup<Configuration>): Any {
    val constructor = Configuration::class.java.getDeclaredConstructor().apply { isAccessible = true }
    val configuration = constructor.newInstance().also { configure.run { it.setUp() } }
    return Configuration::class.java.methods.single { it.name.startsWith("generated") }.invoke(configuration)
}

/** The configuration of the shared vector, as an app in Kotlin writes it. */
private val written = Setup<Configuration> {
    serviceName = "shop"
    serviceVersion = "2.1"
    dataDir = File("/tmp/throughline-vector")
    installationId = false
    deviceTag = "tag"
    environment = Environment.STAGING
    enabled = false
    sessionSampleRate = 0.5
    traceSampleRate = 0.25
    flushInterval = 1.5.seconds
    flushEvents = 7
    meteredUploads = MeteredUploads.NO_BULK
    dailyBytes = 1_048_576
    queueBytes = 2_097_152
    maxAge = 1.days
    startJitter = false
    selfReport = false
    captureCrashes = false
    debug = true
    resource("team", "checkout")
    endpoint("https://otlp.example.com")
    destination("second", "https://otlp.example.net") {
        header("api-key", "key")
        encoding = Destination.Encoding.JSON
        temporality = Destination.Temporality.DELTA
        signals = setOf(Destination.Signal.LOGS, Destination.Signal.TRACES)
        signalEndpoint(Destination.Signal.LOGS, "https://logs.example.net/v1/logs")
        lanes = setOf(Destination.Lane.CRASH, Destination.Lane.ERROR, Destination.Lane.EVENT)
        kinds = setOf(Destination.Kind.ERROR, Destination.Kind.LONG_TASK, Destination.Kind.SPAN)
        maxAge = 2.hours
    }
    destination("datadog", "") { datadog("pub1", "00000000-0000-4000-8000-000000000000", "eu1", "react-native", true) }
    destination("sentry", "https://key@sentry.example.com/42") { sentry() }
    destination("own", "https://own.example.com") { connect(json = true) }
    destination("logs", "https://logs.example.com") { fluentd("shop.app") }
    traceHost("api.example.com")
    traceHost("b.example.com") {
        formats = setOf(TraceHost.Format.TRACE_CONTEXT, TraceHost.Format.B3_MULTI)
        injection = TraceHost.Injection.ALL
        baggageKeys = setOf("tenant")
    }
    redact {
        denyKeys = setOf("salary")
        allowKeys = setOf("token")
        keepQueries = true
        patterns.email = false
        patterns.card = false
        patterns.jwt = false
        patterns.bearer = false
        patterns.attributes = false
    }
    tailSampling {
        window = 2.minutes
        bytes = 131_072
        allSessions = true
        onError = false
        slowOperation = 3.seconds
    }
}

class StartRequestTest {
    @Test
    fun no_field_of_javascript_is_lost_or_exchanged() {
        val request = StartRequest.read(vector("configuration"))
        assertEquals(Consent.PENDING, request.consent)
        assertEquals(false, request.captureUncaughtExceptions)
        assertEquals(generated(written), generated(request.configure))
    }

    @Test
    fun two_destinations_of_one_format_without_a_name_do_not_fail_the_start() {
        val sentry = """{"endpoint": "https://key@sentry.example.com/42", "format": {"type": "sentry"}}"""
        val empty = """{"name": "", "endpoint": "https://key@sentry.example.com/43", "format": {"type": "sentry"}}"""
        val named = """{"name": "sentry-2", "endpoint": "https://otlp.example.com"}"""
        val destinations = "[$sentry, $empty, $named]"
        val request =
            StartRequest.read("""{"serviceName": "shop", "consent": "granted", "destinations": $destinations}""")
        val expected = Setup<Configuration> {
            serviceName = "shop"
            destination("sentry", "https://key@sentry.example.com/42") { sentry() }
            destination("sentry-3", "https://key@sentry.example.com/43") { sentry() }
            destination("sentry-2", "https://otlp.example.com")
        }
        assertEquals(generated(expected), generated(request.configure))
    }

    @Test
    fun no_field_of_kotlin_is_missing_in_javascript() {
        val request = StartRequest.read(vector("configuration"))
        val (set, unset) = listOf(generated(request.configure), generated(Setup {}))
        // What only native code can give.
        val native = setOf("sdkLanguage", "pull")
        for (field in set.javaClass.declaredFields.filter { it.name !in native && !it.isSynthetic }) {
            if (java.lang.reflect.Modifier.isStatic(field.modifiers)) continue
            field.isAccessible = true
            assertNotEquals(field.get(unset), field.get(set), field.name)
        }
    }

    @Test
    fun what_javascript_does_not_set_stays_as_the_platform_has_it() {
        val request = StartRequest.read("""{"consent":"granted","serviceName":"shop"}""")
        val platform = Setup<Configuration> { serviceVersion = "3" }
        val both = Setup<Configuration> {
            val configuration = this
            platform.run { configuration.setUp() }
            request.configure.run { configuration.setUp() }
        }
        assertEquals(generated { serviceName = "shop"; serviceVersion = "3" }, generated(both))
    }

    @Test
    fun a_wrong_or_misspelt_field_is_named() {
        val all = JSONArray(vector("refused"))
        for (at in 0 until all.length()) {
            val case = all.getJSONObject(at)
            val refused = assertThrows(InvalidField::class.java, { StartRequest.read(case.getString("config")) }, case.toString())
            assertEquals(case.getString("reason"), refused.message)
        }
    }
}
