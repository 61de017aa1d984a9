package dev.throughline.okhttp

import dev.throughline.Throughline
import dev.throughline.TraceContext
import dev.throughline.internal.Call
import dev.throughline.internal.Draft
import dev.throughline.internal.Limit
import dev.throughline.internal.Recorder
import dev.throughline.internal.attributes
import dev.throughline.internal.ffi.HeaderField
import okhttp3.EventListener
import okhttp3.Interceptor
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.Response
import java.io.IOException
import java.util.Collections
import java.util.WeakHashMap
import okhttp3.Call as HttpCall

/**
 * Traces the requests of a client: each becomes a resource with its status, size and time, in the context that was current
 * where the call was *created*; to hosts that the configuration lists it carries trace headers. No host is listed by default.
 *
 * ```kotlin
 * val client = OkHttpClient().traced()
 * ```
 *
 * The client shares the other's connections and keeps its event listener. Trace last: an [EventListener.Factory] that is set
 * later replaces ours, and requests then lose their context, not their resource. Retrofit and WebSockets over this client are traced, too. Throughline's own requests never are.
 */
public fun OkHttpClient.traced(): OkHttpClient {
    val contexts = Contexts()
    val factory = ContextFactory(contexts, eventListenerFactory)
    return newBuilder()
        .eventListenerFactory(factory)
        .addInterceptor(Resources(contexts))
        .addNetworkInterceptor(HopCheck)
        .build()
}

/** The context of each call, from its creation on. Weak: a call that is never run costs nothing in the end. */
private class Contexts {
    private val slots = Collections.synchronizedMap(WeakHashMap<HttpCall, Long>())

    fun keep(call: HttpCall) {
        val slot = Recorder.currentSlot()
        if (slot != 0L) slots[call] = slot
    }

    fun of(call: HttpCall): Long = slots.remove(call) ?: 0L
}

/** OkHttp asks for a listener where the call is created, on the caller's thread. */
private class ContextFactory(private val contexts: Contexts, private val inner: EventListener.Factory) : EventListener.Factory {
    override fun create(call: HttpCall): EventListener {
        contexts.keep(call)
        return inner.create(call)
    }
}

/** What the request was when it left the app: redirects are checked against it. */
private class Sent(val url: String, val headers: Map<String, String>)

/** Records each call once, however often it is tried or redirected. */
private class Resources(private val contexts: Contexts) : Interceptor {
    override fun intercept(chain: Interceptor.Chain): Response {
        val request = chain.request()
        if (Recorder.isClosed) return chain.proceed(request)
        val url = request.url.toString()
        val slot = Recorder.nextSlot()
        Recorder.record(Call.START_REQUEST, contexts.of(chain.call())) {
            u64(slot)
            text(request.method)
            text(url, Limit.URL_UNITS)
        }
        val traced = traced(request, url, slot)
        val response = try {
            chain.proceed(traced)
        } catch (failure: Throwable) {
            val type = if (failure is IOException && chain.call().isCanceled()) "cancelled" else failure.javaClass.name
            ended(slot, 0, -1, "", type)
            throw failure
        }
        ended(slot, response.code, response.body?.contentLength() ?: -1, response.protocol.toString(), "")
        return response
    }

    private fun traced(request: Request, url: String, slot: Long): Request {
        val existing = request.headers.map { (name, value) -> HeaderField(name, value) }
        val headers = Throughline.traceHeaders(url, slot, existing)
        if (headers.isEmpty()) return request
        val builder = request.newBuilder()
        for ((name, value) in headers) builder.header(name, value)
        return builder.tag(Sent::class.java, Sent(url, headers)).build()
    }

    private fun ended(slot: Long, status: Int, bytes: Long, protocol: String, errorType: String) {
        Recorder.record(Call.END_REQUEST, 0) {
            u64(slot)
            u16(status)
            u64(bytes)
            text(protocol)
            text(errorType)
            attributes {}
        }
    }
}

/** Takes our headers off a request that was redirected to where they must not go. */
private object HopCheck : Interceptor {
    override fun intercept(chain: Interceptor.Chain): Response {
        val request = chain.request()
        val sent = request.tag(Sent::class.java) ?: return chain.proceed(request)
        val url = request.url.toString()
        if (url == sent.url || Throughline.survivesRedirect(sent.url, url)) return chain.proceed(request)
        val builder = request.newBuilder()
        for ((name, value) in sent.headers) {
            // The app's own header of that name stays, unless we have written it.
            if (request.header(name) == value) builder.removeHeader(name)
        }
        return chain.proceed(builder.build())
    }
}
