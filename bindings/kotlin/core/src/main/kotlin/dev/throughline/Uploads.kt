package dev.throughline

/** A request of Throughline's own: a POST. */
public class UploadRequest internal constructor(
    /** The absolute URL. */
    public val url: String,
    /** The headers, with names in lower case. */
    public val headers: Map<String, String>,
    /** The body, as it is sent. */
    public val body: ByteArray,
)

/** The answer to an [UploadRequest]. */
public class UploadResponse @JvmOverloads constructor(
    /** The HTTP status. */
    public val status: Int,
    /** The headers. The case of their names does not matter. */
    public val headers: Map<String, String> = emptyMap(),
    /** The body. Only its first 64 KiB are read. */
    public val body: ByteArray = ByteArray(0),
)

/** A request that the app sends itself. [Throughline.nextUpload] returns it. */
public class PendingUpload internal constructor(
    internal val id: ULong,
    /**
     * What the request is known by across processes: 32 hexadecimal digits. A retry has the same key, also one that a
     * later process makes. Another body, or another destination, has another one. An app whose uploads outlive its
     * process gives a key that is under way no second upload, and the answer that has come to it.
     */
    public val key: String,
    /** The request to send. */
    public val request: UploadRequest,
)

/**
 * Sends Throughline's requests with the app's own network stack: its trust store, its proxies, its
 * certificates.
 *
 * It is called on a thread of Throughline's that may wait. It must not follow redirects, must not
 * retry, and must end within 30 seconds. A request for which it throws is tried again later.
 */
public fun interface HostTransport {
    /** Sends one request, and returns the answer. */
    public fun send(request: UploadRequest): UploadResponse
}
