package dev.throughline.okhttp

import dev.throughline.HostTransport
import dev.throughline.UploadRequest
import dev.throughline.UploadResponse
import dev.throughline.internal.Limit
import okhttp3.Headers
import okhttp3.MediaType.Companion.toMediaTypeOrNull
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.RequestBody.Companion.toRequestBody
import java.util.concurrent.TimeUnit

/**
 * Sends Throughline's requests with OkHttp, with the app's trust store, proxies and certificates.
 *
 * The client's interceptors are left out. What they do to the app's requests is not meant for
 * these, and if an interceptor traced them, each upload would cause another one.
 *
 * ```kotlin
 * transport = OkHttpTransport(client)
 * ```
 */
public class OkHttpTransport(client: OkHttpClient) : HostTransport {
    private val client: OkHttpClient = client.newBuilder().apply {
        interceptors().clear()
        networkInterceptors().clear()
        eventListenerFactory { okhttp3.EventListener.NONE }
        followRedirects(false)
        followSslRedirects(false)
        retryOnConnectionFailure(false)
        callTimeout(TIMEOUT_SECONDS, TimeUnit.SECONDS)
    }.build()

    override fun send(request: UploadRequest): UploadResponse {
        val headers = Headers.Builder().apply { for ((name, value) in request.headers) add(name, value) }.build()
        val type = headers["content-type"]?.toMediaTypeOrNull()
        val post = Request.Builder().url(request.url).headers(headers).post(request.body.toRequestBody(type)).build()
        return client.newCall(post).execute().use { answer ->
            val body = answer.body?.source()?.let { source ->
                source.request(MAX_BODY)
                source.buffer.let { buffer -> buffer.readByteArray(minOf(buffer.size, MAX_BODY)) }
            }
            UploadResponse(answer.code, answer.headers.toMap(), body ?: ByteArray(0))
        }
    }

    private companion object {
        const val TIMEOUT_SECONDS = 30L
        const val MAX_BODY = Limit.RESPONSE_BYTES.toLong()
    }
}
