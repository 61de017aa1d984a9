package dev.throughline

import dev.throughline.internal.ffi.AppEnvironment
import dev.throughline.internal.ffi.HeaderField
import dev.throughline.internal.ffi.TelemetryConfig
import java.io.File
import kotlin.time.Duration
import dev.throughline.internal.ffi.Destination as GeneratedDestination
import dev.throughline.internal.ffi.MeteredUploads as GeneratedMeteredUploads

/** Keeps the block of a builder from calling an outer builder by accident. */
@DslMarker
public annotation class ThroughlineDsl

/** What the user has decided about the collection of data. */
public enum class Consent {
    /** Events are recorded and sent. */
    GRANTED,

    /**
     * Events are recorded and kept apart on the device, at most 8 MiB, until the user has decided.
     */
    PENDING,

    /** Nothing is recorded, and everything that was recorded is erased. */
    DENIED,
}

/** Where the app runs. */
public enum class Environment {
    /** A developer's machine. */
    DEVELOPMENT,

    /** An automated test. */
    TEST,

    /** A stage before the release. */
    STAGING,

    /** Users' devices. */
    PRODUCTION,
}

/** What is sent over a metered network. */
public enum class MeteredUploads {
    /** Everything. */
    ALL,

    /** Crashes, errors and events. Logs, metrics and spans wait for an unmetered network. */
    NO_BULK,

    /** Crashes alone. */
    CRASHES_ONLY,
}

/**
 * The configuration of [Throughline.start], which throws
 * [ThroughlineException.InvalidConfiguration] for a value that cannot work.
 *
 * ```kotlin
 * Throughline.start(Consent.GRANTED) {
 *     serviceName = "shop"
 *     dataDir = File(filesDir, "throughline")
 *     endpoint("https://otlp.example.com") { header("api-key", key) }
 *     traceHost("api.example.com")
 * }
 * ```
 */
@ThroughlineDsl
public class Configuration internal constructor() {
    /** The app's name, for `service.name`. Required; at most 255 bytes. */
    public var serviceName: String = ""

    /** The app's version, for `service.version`. The `android` module sets it. */
    public var serviceVersion: String = ""

    /**
     * A directory that only Throughline uses, and that is excluded from backups. Required; the
     * `android` module sets it.
     */
    public var dataDir: File? = null

    /**
     * Whether this installation gets a random id, for `app.installation.id`. The id is kept only in
     * [dataDir], so that an erasure replaces it.
     */
    public var installationId: Boolean = true

    /**
     * A text that differs between devices. It is never sent. A hash of it is kept, by which a
     * restored or cloned backup is noticed: the copy then gets an installation and a session of its
     * own. The `android` module sets it to `ANDROID_ID`.
     */
    public var deviceTag: String? = null

    /** Where the app runs. Sets the defaults of [traceSampleRate] and [flushInterval]. */
    public var environment: Environment = Environment.PRODUCTION

    /** Whether Throughline works at all. False: no thread is started and no file is written. */
    public var enabled: Boolean = true

    /**
     * The share of sessions that is recorded, 0.0 to 1.0. Errors and crashes are always recorded.
     */
    public var sessionSampleRate: Double = 1.0

    /**
     * The share of traces that is recorded, 0.0 to 1.0. Default: 1.0 in development and test, else
     * 0.1.
     */
    public var traceSampleRate: Double? = null

    /**
     * How long an event may wait until others are sent with it, 100 ms to 1 day. Default: 2 s in
     * development and test, else 30 s.
     */
    public var flushInterval: Duration? = null

    /** How many waiting events are sent without waiting for [flushInterval]. Default: 100. */
    public var flushEvents: Long? = null

    /** What is sent over a metered network. Default: everything. */
    public var meteredUploads: MeteredUploads = MeteredUploads.ALL

    /** How many compressed bytes are sent a day, crashes excepted. Default: no limit. */
    public var dailyBytes: Long? = null

    /** How many bytes the queue on the disk may have, 1 MiB to 4 GiB. Default: 64 MiB. */
    public var queueBytes: Long? = null

    /** The age at which an event is dropped and counted, 1 minute to 366 days. Default: 7 days. */
    public var maxAge: Duration? = null

    /**
     * Spreads the first upload after a start over 10 s, so that the devices of all users do not
     * arrive at once.
     */
    public var startJitter: Boolean = true

    /** Records Throughline's own condition as events: drops, failed uploads, time offline. */
    public var selfReport: Boolean = true

    /**
     * Records crashes of native code, and reports them at the next launch. The signal handlers
     * that stand before, those of the virtual machine too, are asked first.
     */
    public var captureCrashes: Boolean = true

    /**
     * Records exceptions that nobody has caught, on whichever thread and in coroutines, as crashes,
     * and passes them to the handler that was set before.
     */
    public var captureUncaughtExceptions: Boolean = true

    /**
     * Writes what Throughline does, at most 20 lines a second: to [debugLog], else to standard
     * error.
     */
    public var debug: Boolean = false

    /** Takes what [debug] writes. The `android` module sets it to the system's log. */
    public var debugLog: DebugLog? = null

    /** Hands requests out by [Throughline.nextUpload] instead of sending them. */
    public var pull: Boolean = false

    /**
     * Sends requests instead of the built-in client, for example a
     * `dev.throughline.okhttp.OkHttpTransport`.
     */
    public var transport: HostTransport? = null

    /**
     * Returns headers that authorize uploads to the destination with a name, whatever its format;
     * none, if the app has none for it. It is called on a thread of Throughline's and may wait for at
     * most 20 seconds. The result is kept, and sent to that destination alone, until it answers 401;
     * then this is called again with `refresh`, and the request is sent once more.
     */
    public var authHeaders: ((destination: String, refresh: Boolean) -> Map<String, String>)? = null

    private val destinations = ArrayList<Destination>()
    internal val started = ArrayList<Runnable>()
    private val traceHosts = ArrayList<TraceHost>()
    private val resource = ArrayList<HeaderField>()
    private var redact: RedactRules? = null
    private var tailSampling: TailSampling? = null

    /**
     * Adds a destination at a base URL. The first is called `default`, others by their URL; one with
     * another format than OTLP is called by that, because the URL of Sentry has a key in it; a second
     * one of the format is called `sentry-2`. Without a destination, events stay on the device within
     * [queueBytes].
     */
    @JvmOverloads
    public fun endpoint(url: String, block: Setup<Destination> = Setup {}) {
        val name = if (destinations.isEmpty()) "default" else url
        destinations.add(Destination(name, url, isNamed = false).with(block))
    }

    /**
     * Adds a backend. There may be 8. It takes OTLP over HTTP, unless the block names another format.
     *
     * @param name names it in [Health.destinations], and its position in the queue: keep the name
     * when the endpoint changes. No other destination may have it.
     * @param endpoint the base URL. For OTLP, `/v1/logs`, `/v1/traces` and `/v1/metrics` are
     * appended.
     */
    @JvmOverloads
    public fun destination(name: String, endpoint: String, block: Setup<Destination> = Setup {}) {
        destinations.add(Destination(name, endpoint).with(block))
    }

    /**
     * Lets a host and its sub-domains receive trace headers. By default no host does.
     *
     * @param host the host alone, without scheme and port.
     */
    @JvmOverloads
    public fun traceHost(host: String, block: Setup<TraceHost> = Setup {}) {
        traceHosts.add(TraceHost(host).with(block))
    }

    /** Adds an attribute to the resource. There may be 112. */
    public fun resource(key: String, value: String) {
        resource.add(HeaderField(key, value))
    }

    /** Sets what must not leave the device. */
    public fun redact(block: Setup<RedactRules>) {
        redact = RedactRules().with(block)
    }

    /**
     * Keeps sessions that are not sampled on the device, and sends them when something happens. By
     * default they are not kept.
     */
    @JvmOverloads
    public fun tailSampling(block: Setup<TailSampling> = Setup {}) {
        tailSampling = TailSampling().with(block)
    }

    /**
     * Runs [work] once the client has started, on the thread that starts it, before
     * [Throughline.awaitStart] returns. A start that fails does not run it.
     */
    public fun whenStarted(work: Runnable) {
        started.add(work)
    }

    private fun generatedDestinations(): List<GeneratedDestination> {
        val taken = destinations.mapNotNullTo(HashSet()) { it.givenName }
        return destinations.map { it.generated(taken) }
    }

    internal fun generated(): TelemetryConfig = TelemetryConfig(
        serviceName = serviceName,
        dataDir = dataDir?.path ?: "",
        sdkLanguage = "kotlin",
        installationId = installationId,
        deviceTag = deviceTag,
        serviceVersion = serviceVersion,
        environment = AppEnvironment.valueOf(environment.name),
        destinations = generatedDestinations(),
        resource = resource.toList(),
        traceHosts = traceHosts.map { it.generated() },
        enabled = enabled,
        sessionSampleRate = sessionSampleRate,
        traceSampleRate = traceSampleRate,
        flushInterval = flushInterval,
        flushEvents = flushEvents.natural(),
        meteredUploads = GeneratedMeteredUploads.valueOf(meteredUploads.name),
        dailyBytes = dailyBytes.natural(),
        queueBytes = queueBytes.natural(),
        maxAge = maxAge,
        startJitter = startJitter,
        selfReport = selfReport,
        captureCrashes = captureCrashes,
        redact = redact?.generated(),
        tailSampling = tailSampling?.generated(),
        pull = pull,
        debug = debug,
    )
}

/** A negative number becomes 0, for which the core returns an error that names the field. */
private fun Long?.natural(): ULong? = this?.let { maxOf(0, it).toULong() }
