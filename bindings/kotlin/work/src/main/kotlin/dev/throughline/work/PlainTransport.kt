package dev.throughline.work

import dev.throughline.HostTransport
import dev.throughline.UploadRequest
import dev.throughline.UploadResponse
import java.io.InputStream
import java.net.HttpRetryException
import java.net.HttpURLConnection
import java.net.URL
import java.util.concurrent.ConcurrentHashMap

/** Sends with what every Android has. */
internal class PlainTransport : HostTransport {
    private val underWay = ConcurrentHashMap<UploadRequest, HttpURLConnection>()

    override fun send(request: UploadRequest): UploadResponse {
        val connection = URL(request.url).openConnection() as HttpURLConnection
        underWay[request] = connection
        try {
            connection.requestMethod = "POST"
            connection.connectTimeout = CONNECT_MS
            connection.readTimeout = READ_MS
            connection.instanceFollowRedirects = false
            connection.useCaches = false
            connection.doOutput = true
            connection.setFixedLengthStreamingMode(request.body.size)
            for ((name, value) in request.headers) connection.setRequestProperty(name, value)
            connection.outputStream.use { it.write(request.body) }
            val status = try {
                connection.responseCode
            } catch (refused: HttpRetryException) {
                // A body that is streamed is not sent twice, so an answer 401 comes like this.
                return UploadResponse(refused.responseCode(), emptyMap(), ByteArray(0))
            }
            val stream = if (status < FIRST_ERROR) connection.inputStream else connection.errorStream
            val headers = HashMap<String, String>()
            for ((name, values) in connection.headerFields) if (name != null) headers[name] = values.last()
            return UploadResponse(status, headers, stream?.use(::beginningOf) ?: ByteArray(0))
        } finally {
            underWay.remove(request)
            connection.disconnect()
        }
    }

    /** Closes the connection of a request. Its thread then gets an exception. */
    fun giveUp(request: UploadRequest) {
        underWay.remove(request)?.disconnect()
    }

    private fun beginningOf(stream: InputStream): ByteArray {
        val bytes = ByteArray(MAX_BODY)
        var length = 0
        while (length < bytes.size) {
            val more = stream.read(bytes, length, bytes.size - length)
            if (more < 0) break
            length += more
        }
        return bytes.copyOf(length)
    }

    private companion object {
        const val CONNECT_MS = 10_000
        const val READ_MS = 20_000
        const val FIRST_ERROR = 400
        const val MAX_BODY = 64 * 1_024
    }
}
