package dev.throughline

import dev.throughline.internal.ffi.AppEnvironment
import dev.throughline.internal.ffi.Backend
import dev.throughline.internal.ffi.HeaderField
import dev.throughline.internal.ffi.HeaderFormat
import dev.throughline.internal.ffi.KeepErrors
import dev.throughline.internal.ffi.MeteredUploads
import dev.throughline.internal.ffi.Redaction
import dev.throughline.internal.ffi.TelemetryConfig
import dev.throughline.internal.ffi.TraceHost
import java.io.File
import kotlin.time.Duration

/** Keeps a builder's block from calling an outer builder by accident. */
@DslMarker
public annotation class ThroughlineDsl

/** What the user has said about data being collected. */
public enum class Consent {
    /** Recorded and sent. */
    GRANTED,

    /** Recorded and kept apart on the device until the user has decided. */
    PENDING,

    /** Nothing is recorded, and everything that was is erased. */
    DENIED,
}

/** Where the app runs. */
public enum class Environment { DEVELOPMENT, TEST, STAGING, PRODUCTION }

/** What goes over a metered network. */
public enum class Metered {
    /** Everything. */
    ALL,

    /** Crashes, errors and events; logs, metrics and spans wait. */
    NO_BULK,

    /** Crashes alone. */
    CRASHES_ONLY,
}

/** A trace header format. */
public enum class TraceFormat { TRACE_CONTEXT, BAGGAGE, DATADOG, B3, B3_MULTI, CORRELATION }

/**
 * The configuration of [Throughline.start]. Values that cannot work make `start` throw [ThroughlineException].
 *
 * ```kotlin
 * Throughline.start(Consent.GRANTED) {
 *     serviceName = "shop"
 *     dataDirectory = File(filesDir, "throughline")
 *     endpoint("https://otlp.example.com") { header("api-key", key) }
 *     traceHost("api.example.com")
 * }
 * ```
 */
@ThroughlineDsl
public class Configuration internal constructor() {
    /** `service.name`. Required. */
    public var serviceName: String = ""

    /** `service.version`. */
    public var serviceVersion: String = ""

    /** A directory of ours alone, excluded from backups. Required. */
    public var dataDirectory: File? = null

    /** A random id for `app.installation.id`, kept in the directory alone: a new one after an erasure. */
    public var installationId: Boolean = true

    /**
     * What tells this device from others. Never sent; a hash of it is kept, so that a restored or cloned backup is noticed and
     * gets an installation and a session of its own. The `android` module gives `ANDROID_ID`.
     */
    public var deviceTag: String? = null

    /** Where the app runs. Sets the default of [traceSampleRate] and [flushInterval]. */
    public var environment: Environment = Environment.PRODUCTION

    /** False: no thread, no file, a call costs a branch. */
    public var enabled: Boolean = true

    /** Share of sessions that is recorded, 0.0 to 1.0. Errors and crashes always are. */
    public var sessionSampleRate: Double = 1.0

    /** Share of traces that is recorded. Default: 1.0 in development and test, else 0.1. */
    public var traceSampleRate: Double? = null

    /** How long an event may wait for company, 100 ms to 1 day. Default: 2 s in development and test, else 30 s. */
    public var flushInterval: Duration? = null

    /** Events that are sent without waiting. Default: 100. */
    public var flushEvents: Long? = null

    /** What goes over a metered network. */
    public var metered: Metered = Metered.ALL

    /** Compressed bytes a day, crashes excepted. Default: no cap. */
    public var dailyBytes: Long? = null

    /** Bytes of the queue, 1 MiB to 4 GiB. Default: 64 MiB. */
    public var queueBytes: Long? = null

    /** Age at which an event is dropped and counted. Default: 7 days. */
    public var maxAge: Duration? = null

    /** Spreads the first upload after a start over 10 s, so that a fleet does not arrive at once. */
    public var startJitter: Boolean = true

    /** Records the core's own condition as events. */
    public var selfReport: Boolean = true

    /** Writes what the core does to standard error. */
    public var debug: Boolean = false

    /** Requests are handed out by [Throughline.nextUpload] instead of being sent. */
    public var pull: Boolean = false

    /** Sends requests instead of the built-in client: see `dev.throughline.okhttp.OkHttpTransport`. */
    public var transport: HostTransport? = null

    /** Gives headers that authorize uploads; asked again after a 401. Called on a thread of ours. */
    public var authHeaders: ((refresh: Boolean) -> Map<String, String>)? = null

    private val backends = ArrayList<Backend>()
    private val hosts = ArrayList<TraceHost>()
    private val resource = ArrayList<HeaderField>()
    private var redaction: Redaction? = null
    private var keepErrors: KeepErrors? = null

    /** Adds a backend that takes OTLP over HTTP; `/v1/logs` and the like are appended to [url]. */
    public fun endpoint(url: String, name: String = if (backends.isEmpty()) "default" else url, block: Endpoint.() -> Unit = {}) {
        backends.add(Endpoint(name, url).apply(block).build())
    }

    /** Allows trace headers for a host and its sub-domains. Default: no host. */
    public fun traceHost(host: String, block: TraceRule.() -> Unit = {}) {
        hosts.add(TraceRule(host).apply(block).build())
    }

    /** Adds an attribute to the resource. */
    public fun resource(key: String, value: String) {
        resource.add(HeaderField(key, value))
    }

    /** Changes what must not leave the device. */
    public fun redaction(block: RedactionRules.() -> Unit) {
        redaction = RedactionRules().apply(block).build()
    }

    /** Keeps sessions that are not sampled on the device, and sends them if something happens. */
    public fun keepErrors(block: KeepRule.() -> Unit = {}) {
        keepErrors = KeepRule().apply(block).build()
    }

    /** A backend. */
    @ThroughlineDsl
    public class Endpoint internal constructor(private val name: String, private val url: String) {
        private val headers = ArrayList<HeaderField>()

        /** JSON instead of protobuf. */
        public var json: Boolean = false

        /** Sums and histograms as deltas instead of cumulative. */
        public var delta: Boolean = false

        /** Adds a header to every request. */
        public fun header(name: String, value: String) {
            headers.add(HeaderField(name, value))
        }

        internal fun build() = Backend(name, url, headers, json, delta)
    }

    /** What a host may see. */
    @ThroughlineDsl
    public class TraceRule internal constructor(private val host: String) {
        /** The formats. */
        public var formats: Set<TraceFormat> = setOf(TraceFormat.TRACE_CONTEXT, TraceFormat.BAGGAGE)

        /** True: headers also go with traces that are not sampled. */
        public var injectAll: Boolean = false

        /** Baggage keys that may go besides `session.id`. */
        public var baggageKeys: Set<String> = emptySet()

        internal fun build() = TraceHost(host, formats.map { it.generated() }, injectAll, baggageKeys.toList())
    }

    /** What must not leave the device. Secrets are known by their keys, personal data in free text by its form. */
    @ThroughlineDsl
    public class RedactionRules internal constructor() {
        /** Further secret keys: `salary`, `home address`. */
        public var denyKeys: Set<String> = emptySet()

        /** Keys that are not secret whatever the list says. */
        public var allowKeys: Set<String> = emptySet()

        /** Searches for e-mail addresses. */
        public var emails: Boolean = true

        /** Searches for payment cards. */
        public var cards: Boolean = true

        /** Searches for tokens. */
        public var tokens: Boolean = true

        /** Also searches the texts of attributes. */
        public var searchAttributes: Boolean = false

        /** Keeps queries of URLs; secret parameters lose their values all the same. */
        public var keepQueries: Boolean = false

        internal fun build() =
            Redaction(denyKeys.toList(), allowKeys.toList(), emails, cards, tokens, searchAttributes, keepQueries)
    }

    /** When a session that is not sampled is sent after all. */
    @ThroughlineDsl
    public class KeepRule internal constructor() {
        /** How far back, minutes, 1 to 60. */
        public var minutes: Int = 5

        /** Bytes that are kept, 64 KiB to 8 MiB. */
        public var bytes: Long = 2L * 1_024 * 1_024

        /** Every session, also sampled ones. */
        public var allSessions: Boolean = false

        /** A handled error is reason enough. */
        public var onError: Boolean = true

        /** An operation that takes this long is reason enough. Zero: none is. */
        public var slowOperation: Duration = Duration.ZERO

        internal fun build() = KeepErrors(
            maxOf(0, minutes).toUInt(), maxOf(0, bytes).toULong(), allSessions, onError, maxOf(0, slowOperation.inWholeMilliseconds).toULong(),
        )
    }

    internal fun build(): TelemetryConfig = TelemetryConfig(
        serviceName = serviceName,
        dataDir = dataDirectory?.path ?: "",
        sdkLanguage = "kotlin",
        installationId = installationId,
        deviceTag = deviceTag,
        serviceVersion = serviceVersion,
        environment = AppEnvironment.valueOf(environment.name),
        backends = backends.toList(),
        resource = resource.toList(),
        traceHosts = hosts.toList(),
        enabled = enabled,
        sessionSampleRate = sessionSampleRate,
        traceSampleRate = traceSampleRate,
        flushIntervalMs = flushInterval?.inWholeMilliseconds.natural(),
        flushEvents = flushEvents.natural(),
        metered = MeteredUploads.valueOf(metered.name),
        dailyBytes = dailyBytes.natural(),
        queueBytes = queueBytes.natural(),
        maxAgeMs = maxAge?.inWholeMilliseconds.natural(),
        startJitter = startJitter,
        selfReport = selfReport,
        redaction = redaction,
        keepErrors = keepErrors,
        pull = pull,
        debug = debug,
    )
}

/** A negative number becomes 0, which the core refuses by name. */
private fun Long?.natural(): ULong? = this?.let { maxOf(0, it).toULong() }

internal fun TraceFormat.generated(): HeaderFormat = when (this) {
    TraceFormat.TRACE_CONTEXT -> HeaderFormat.TRACE_CONTEXT
    TraceFormat.BAGGAGE -> HeaderFormat.BAGGAGE
    TraceFormat.DATADOG -> HeaderFormat.DATADOG
    TraceFormat.B3 -> HeaderFormat.B3
    TraceFormat.B3_MULTI -> HeaderFormat.B3_MULTI
    TraceFormat.CORRELATION -> HeaderFormat.CORRELATION
}
