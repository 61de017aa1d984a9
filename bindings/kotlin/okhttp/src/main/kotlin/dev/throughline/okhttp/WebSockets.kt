@file:JvmName("WebSockets")

package dev.throughline.okhttp

import dev.throughline.TraceContext
import dev.throughline.internal.Recorder
import okhttp3.Response
import okhttp3.WebSocket
import okhttp3.WebSocketListener
import okio.ByteString

/**
 * Gives every message of a WebSocket a context of its own: what [listener] does with the message
 * belongs to the message's trace.
 *
 * ```kotlin
 * val headers = { json: String -> mapOf("traceparent" to traceparentOf(json)) }
 * client.newWebSocket(request, traced(listener, headers))
 * ```
 *
 * @param headers reads the trace headers of a message, such as `traceparent`. When it returns null
 * or throws, the message begins a new trace. A listener that is traced already is traced once.
 */
public fun traced(listener: WebSocketListener, headers: (message: String) -> Map<String, String>?): WebSocketListener =
    if (Release.fits) TracedListener((listener as? TracedListener)?.inner ?: listener, headers) else listener

private class TracedListener(
    val inner: WebSocketListener,
    private val headers: (String) -> Map<String, String>?,
) : WebSocketListener() {
    override fun onMessage(webSocket: WebSocket, text: String): Unit =
        context { headers(text) }.run { inner.onMessage(webSocket, text) }

    override fun onMessage(webSocket: WebSocket, bytes: ByteString): Unit =
        context { headers(bytes.utf8()) }.run { inner.onMessage(webSocket, bytes) }

    private inline fun context(read: () -> Map<String, String>?): TraceContext {
        val found = try {
            read()
        } catch (failure: Exception) {
            Recorder.failures.incrementAndGet()
            null
        }
        return TraceContext.from(found ?: emptyMap())
    }

    override fun onOpen(webSocket: WebSocket, response: Response): Unit = inner.onOpen(webSocket, response)

    override fun onClosing(webSocket: WebSocket, code: Int, reason: String): Unit = inner.onClosing(webSocket, code, reason)

    override fun onClosed(webSocket: WebSocket, code: Int, reason: String): Unit = inner.onClosed(webSocket, code, reason)

    override fun onFailure(webSocket: WebSocket, t: Throwable, response: Response?): Unit =
        inner.onFailure(webSocket, t, response)
}
