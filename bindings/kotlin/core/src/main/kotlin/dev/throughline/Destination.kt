package dev.throughline

import dev.throughline.internal.ffi.BackendFormat
import dev.throughline.internal.ffi.EventKind
import dev.throughline.internal.ffi.EventLane
import dev.throughline.internal.ffi.HeaderField
import dev.throughline.internal.ffi.OtlpSignal
import dev.throughline.internal.ffi.SignalEndpoint
import dev.throughline.internal.ffi.TraceFormat
import dev.throughline.internal.ffi.TraceInjection
import kotlin.time.Duration
import dev.throughline.internal.ffi.Destination as GeneratedDestination
import dev.throughline.internal.ffi.Encoding as GeneratedEncoding
import dev.throughline.internal.ffi.Temporality as GeneratedTemporality
import dev.throughline.internal.ffi.TraceHost as GeneratedTraceHost

/**
 * A backend, in the block of [Configuration.destination] or [Configuration.endpoint]. It takes OTLP
 * over HTTP, unless the block names another format: [datadog], [sentry], [connect] or
 * [fluentd].
 *
 * ```kotlin
 * endpoint("https://otlp.example.com") { header("api-key", key) }
 * destination("second", "https://otlp.example.net") { encoding = Destination.Encoding.JSON }
 * destination("datadog", "") { datadog(clientToken, applicationId, "eu1") }
 * destination("sentry", dsn) { sentry() }
 * ```
 */
@ThroughlineDsl
public class Destination internal constructor(
    private val name: String,
    private val endpoint: String,
    private val isNamed: Boolean = true,
) {
    /** The form in which OTLP is sent. */
    public enum class Encoding {
        /** `application/x-protobuf`. */
        PROTOBUF,

        /** `application/json`. */
        JSON,
    }

    /** How sums and histograms are sent. */
    public enum class Temporality {
        /** Each point covers the time since the start of the process. */
        CUMULATIVE,

        /**
         * Each point covers the time since the point before it. Backends like Prometheus drop such
         * points without a word.
         */
        DELTA,
    }

    /** A signal of OTLP. */
    public enum class Signal {
        /** Log records, which carry most events. */
        LOGS,

        /** Spans: requests, and the spans that are recorded as such. */
        TRACES,

        /** Metrics. */
        METRICS,
    }

    /** How an event is kept and sent. */
    public enum class Lane {
        /** Crashes, ANRs, hangs that ended the app, and ends for want of memory. */
        CRASH,

        /** Handled errors, and logs of severity ERROR or above. */
        ERROR,

        /** Sessions, views, actions, requests, long tasks, vitals and custom events. */
        EVENT,

        /** Logs, metrics and spans. */
        BULK,
    }

    /** A kind of event. */
    public enum class Kind {
        /** A session started or ended. */
        SESSION,

        /** A view. */
        VIEW,

        /** Something that the user did, or a mutation of traced state. */
        ACTION,

        /** A network request of the app. */
        RESOURCE,

        /** An error or a crash. */
        ERROR,

        /** A time in which the main thread was busy. */
        LONG_TASK,

        /** A measured value of the app's performance. */
        VITAL,

        /** An event whose name and meaning are the app's own. */
        CUSTOM,

        /** A log record. */
        LOG,

        /** A metric. */
        METRIC,

        /** A span. */
        SPAN,
    }

    private val headers = ArrayList<HeaderField>()
    private val signalEndpoints = ArrayList<SignalEndpoint>()
    private var format: BackendFormat? = null

    /** Protobuf or JSON. */
    public var encoding: Encoding = Encoding.PROTOBUF

    /** How sums and histograms are sent. */
    public var temporality: Temporality = Temporality.CUMULATIVE

    /** The signals of OTLP that the backend takes. Events of the others are not sent to it. */
    public var signals: Set<Signal> = setOf(Signal.LOGS, Signal.TRACES, Signal.METRICS)

    /**
     * The lanes whose events are meant for the destination, whatever its format. What no destination
     * takes is counted as `no_destination`. Crashes that no destination takes go to those that take
     * errors.
     */
    public var lanes: Set<Lane> = Lane.values().toSet()

    /** The kinds of events that are meant for it: an event has to be of the lanes and of the kinds. */
    public var kinds: Set<Kind> = Kind.values().toSet()

    /**
     * How old an event may be that is sent to it, 1 minute to 366 days; crashes are sent all the
     * same. Null: as old as [Configuration.maxAge] and the format allow.
     */
    public var maxAge: Duration? = null

    /**
     * Sets the full URL of a signal that is not below the base URL. When every signal has one, the
     * base URL may be empty.
     */
    public fun signalEndpoint(signal: Signal, url: String) {
        signalEndpoints.add(SignalEndpoint(OtlpSignal.valueOf(signal.name), url))
    }

    /** Adds a header to every request. Datadog and Sentry take none. */
    public fun header(name: String, value: String) {
        headers.add(HeaderField(name, value))
    }

    /**
     * Sends to Datadog's intakes for RUM, logs and spans. The endpoint is empty, or the base URL of
     * a proxy that has the intakes' paths.
     *
     * @param site the short name of the site, `us1`, `us3`, `us5`, `eu1`, `ap1`, `ap2`, or its
     * domain. It is not used with a base URL.
     * @param source the platform that events are shown under, `react-native` for example. Empty:
     * that of the device.
     * @param operations whether operations and spans go to RUM as vitals, in place of the intake for
     * spans.
     */
    @JvmOverloads
    public fun datadog(
        clientToken: String,
        applicationId: String,
        site: String = "us1",
        source: String = "",
        operations: Boolean = false,
    ) {
        format = BackendFormat.Datadog(site, clientToken, applicationId, source, operations)
    }

    /** Sends errors, release health and logs to Sentry. The endpoint is the DSN. */
    public fun sentry() {
        format = BackendFormat.Sentry
    }

    /**
     * Sends to a service of your own by the Connect protocol. The endpoint is the base URL.
     *
     * @param json whether messages are JSON instead of protobuf.
     */
    @JvmOverloads
    public fun connect(json: Boolean = false) {
        format = BackendFormat.Connect(json)
    }

    /**
     * Sends to the HTTP input of Fluentd or Fluent Bit. The endpoint is the base URL.
     *
     * @param tag by which Fluentd routes: small letters, digits, `_`, and `.` in between.
     */
    public fun fluentd(tag: String) {
        format = BackendFormat.Fluentd(tag)
    }

    private val formatName: String?
        get() = when (format) {
            is BackendFormat.Datadog -> "datadog"
            is BackendFormat.Sentry -> "sentry"
            is BackendFormat.Connect -> "connect"
            is BackendFormat.Fluentd -> "fluentd"
            null -> null
        }

    /** The name, unless the destination is called by its format. */
    internal val givenName: String? get() = name.takeIf { isNamed || formatName == null }

    /** A name by the format that no other destination has. */
    private fun freeName(taken: MutableSet<String>): String {
        val format = formatName ?: name
        val numbered = generateSequence(2) { it + 1 }.map { "$format-$it" }
        return (sequenceOf(format) + numbered).first { taken.add(it) }
    }

    internal fun generated(taken: MutableSet<String>) = GeneratedDestination(
        givenName ?: freeName(taken), endpoint, headers.toList(), GeneratedEncoding.valueOf(encoding.name),
        GeneratedTemporality.valueOf(temporality.name), signals.map { OtlpSignal.valueOf(it.name) },
        signalEndpoints.toList(), format, lanes.map { EventLane.valueOf(it.name) },
        kinds.map { EventKind.valueOf(it.name) }, maxAge,
    )
}

/**
 * A host that may receive trace headers, in the block of [Configuration.traceHost]. Its sub-domains
 * may, too.
 *
 * ```kotlin
 * traceHost("api.example.com") {
 *     formats = setOf(TraceHost.Format.TRACE_CONTEXT, TraceHost.Format.DATADOG)
 * }
 * ```
 */
@ThroughlineDsl
public class TraceHost internal constructor(private val host: String) {
    /** A format of trace headers. */
    public enum class Format {
        /** W3C `traceparent` and `tracestate`. */
        TRACE_CONTEXT,

        /** W3C `baggage`. */
        BAGGAGE,

        /** Datadog's `x-datadog-*`. */
        DATADOG,

        /** Zipkin's single header, `b3`. */
        B3,

        /** Zipkin's several headers, `X-B3-*`. */
        B3_MULTI,

        /** `X-Correlation-ID`. */
        CORRELATION,
    }

    /** When trace headers are written. */
    public enum class Injection {
        /** Only for traces that are sampled. */
        SAMPLED,

        /** For every trace. The headers say whether it is sampled. */
        ALL,
    }

    /** The formats of the headers. */
    public var formats: Set<Format> = setOf(Format.TRACE_CONTEXT, Format.BAGGAGE)

    /** When headers are written. */
    public var injection: Injection = Injection.SAMPLED

    /** Baggage keys that may be sent besides `session.id`. */
    public var baggageKeys: Set<String> = emptySet()

    internal fun generated() = GeneratedTraceHost(
        host, formats.map { TraceFormat.valueOf(it.name) }, TraceInjection.valueOf(injection.name), baggageKeys.toList(),
    )
}
