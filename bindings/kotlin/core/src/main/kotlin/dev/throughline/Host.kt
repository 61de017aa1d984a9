package dev.throughline

/** A request of Throughline's own: a POST. */
public class UploadRequest internal constructor(
    /** Absolute URL. */
    public val url: String,
    /** Headers, names in lower case. */
    public val headers: Map<String, String>,
    /** The body as it goes over the wire. */
    public val body: ByteArray,
)

/** What came back. */
public class UploadResponse(
    /** The status. */
    public val status: Int,
    /** Headers. */
    public val headers: Map<String, String> = emptyMap(),
    /** At most 64 KiB of the body. */
    public val body: ByteArray = ByteArray(0),
)

/** A request that the host sends by itself: see [Throughline.nextUpload]. */
public class PendingUpload internal constructor(internal val id: ULong, public val request: UploadRequest)

/**
 * Sends Throughline's requests with the app's own network stack: its trust store, its proxies, its certificates.
 *
 * Called on a thread of Throughline's that may wait. Must not follow redirects, must not retry, must end within 30 seconds.
 * Anything thrown is a failed request, which is tried again later.
 */
public fun interface HostTransport {
    /** Sends one request. */
    public fun send(request: UploadRequest): UploadResponse
}

/** Starting, flushing or ending failed. Nothing else throws. */
public sealed class ThroughlineException(message: String) : Exception(message) {
    /** A field of the configuration has a value that cannot work; nothing was started. */
    public class InvalidConfiguration internal constructor(message: String) : ThroughlineException(message)

    /** The data directory or the database could not be used. */
    public class Storage internal constructor(message: String) : ThroughlineException(message)

    /** The client is shut down, was never started, or runs already. */
    public class Closed internal constructor(message: String) : ThroughlineException(message)

    /** The native library could not be loaded. */
    public class Library internal constructor(message: String) : ThroughlineException(message)
}

/** How a flush ended. */
public class FlushOutcome internal constructor(
    /** Whether everything that had been recorded was delivered, or given up and booked. */
    public val isComplete: Boolean,
    /** Events delivered meanwhile. */
    public val delivered: Long,
    /** Events that still wait. */
    public val waiting: Long,
    /** Why the rest was not delivered. */
    public val reason: String?,
)

/** The network, as the host sees it. */
public enum class NetworkKind { UNKNOWN, OFFLINE, UNMETERED, METERED }

/** What the host knows about app and device. */
public data class Conditions(
    /** Whether the app is in the foreground. */
    public val foreground: Boolean = true,
    /** The network. */
    public val network: NetworkKind = NetworkKind.UNKNOWN,
    /** Battery in percent; null when it is not known. */
    public val batteryPercent: Int? = null,
    /** Whether it is charging. */
    public val charging: Boolean = false,
    /** Whether the user has switched on low-power mode or data saving. */
    public val lowPower: Boolean = false,
)

/** One backend's part of [Health]. */
public data class BackendHealth(
    /** Its name in the configuration. */
    public val name: String,
    /** Events delivered. */
    public val delivered: Long,
    /** Events dropped for it alone, by reason. */
    public val dropped: Map<String, Long>,
    /** Why it rests, if it does. */
    public val paused: String?,
)

/** A traced store's books: `mutations = recorded + suppressed + dropped`. */
public data class StoreBooks(
    /** Mutations that were seen. */
    public val mutations: Long,
    /** Mutations that actions stand for. */
    public val recorded: Long,
    /** Actions. */
    public val actions: Long,
    /** Mutations that were suppressed, by reason. */
    public val suppressed: Map<String, Long>,
    /** Mutations whose action was not kept. */
    public val dropped: Long,
    /** Recorded mutations whose cause was ambiguous. */
    public val ambiguous: Long,
)

/** What Throughline says about itself. For each backend, `accepted = delivered + queued + dropped`. */
public data class Health(
    /** Whether calls record anything. */
    public val isEnabled: Boolean,
    /** `starting`, `mapped`, `heap`, `lost`, or `off`. */
    public val journal: String,
    /** `off`, `starting`, `open`, `locked`, `full`, `suspended`, `closed`. */
    public val storage: String,
    /** Events accepted since the queue exists. */
    public val accepted: Long,
    /** Events in the queue. */
    public val queued: Long,
    /** Events dropped before they were queued, by reason. */
    public val dropped: Map<String, Long>,
    /** The backends. */
    public val backends: List<BackendHealth>,
    /** Why the last upload failed, if it did. */
    public val lastError: String?,
    /** The traced stores, by name. */
    public val stores: Map<String, StoreBooks>,
    /** Panics of the core that were caught. */
    public val panics: Long,
    /** Exceptions of the app's own code, thrown while a call was written: each cost its call. */
    public val failures: Long,
    /** Calls after the shutdown. */
    public val closedCalls: Long,
    /** Calls before the start that fell out of the ring of 100. */
    public val lostEarlyCalls: Long,
    /** Calls that the core could not read: a bug of ours. */
    public val malformedCalls: Long,
    /** Calls that named a span or store which is not there any more. */
    public val unknownCalls: Long,
    /** What a developer should read. */
    public val problems: List<String>,
)
