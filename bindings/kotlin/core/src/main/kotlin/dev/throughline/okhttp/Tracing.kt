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
 * What the time went into is measured, too: DNS, connecting, TLS and the first byte; with an event listener of the app's the last
 * alone.
 *
 * ```kotlin
 * val client = OkHttpClient().traced()
 * ```
 *
 * The client shares the other's connections and keeps its event listener. Trace last: an [EventListener.Factory] that is set
 * later replaces ours, and requests then lose their context, not their resource. Retrofit and WebSockets over this client are traced, too. Throughline's own requests never are.
 */
public fun OkHttpClient.traced(): OkHttpClient {
    val calls = Calls()
    val factory = CallFactory(calls, eventListenerFactory)
    return newBuilder()
        .eventListenerFactory(factory)
        .addInterceptor(Resources(calls))
        .addNetworkInterceptor(Hops(calls))
        .build()
}

/** What is known of each call, from its creation until nobody has it any more: an interceptor of the app's may run it again. */
private class Calls {
    private val known = Collections.synchronizedMap(WeakHashMap<HttpCall, Known>())

    /** [phases]: what the listener of the call measures; null when the app listens itself. */
    fun keep(call: HttpCall, phases: Phases?) {
        known[call] = Known(Recorder.currentSlot(), phases ?: Phases())
    }

    fun of(call: HttpCall): Known? = known[call]
}

private class Known(val slot: Long, val phases: Phases)

/** OkHttp asks for a listener where the call is created, on the caller's thread. An app that listens itself keeps its listener. */
private class CallFactory(private val calls: Calls, private val inner: EventListener.Factory) : EventListener.Factory {
    override fun create(call: HttpCall): EventListener {
        val listener = inner.create(call)
        if (listener !== EventListener.NONE) {
            calls.keep(call, null)
            return listener
        }
        val measuring = Measuring()
        calls.keep(call, measuring.phases)
        return measuring
    }
}

/** What the request was when it left the app: redirects are checked against it. */
private class Sent(val url: String, val headers: Map<String, String>)

/** Records each call once, however often it is tried or redirected. */
private class Resources(private val calls: Calls) : Interceptor {
    override fun intercept(chain: Interceptor.Chain): Response {
        val request = chain.request()
        if (Recorder.isClosed) return chain.proceed(request)
        val url = request.url.toString()
        val slot = Recorder.nextSlot()
        val known = calls.of(chain.call())
        val begun = System.nanoTime()
        Recorder.record(Call.START_REQUEST, known?.slot ?: 0) {
            u64(slot)
            text(request.method)
            text(url, Limit.URL_UNITS)
        }
        val traced = traced(request, url, slot)
        val response = try {
            chain.proceed(traced)
        } catch (failure: Throwable) {
            val type = if (failure is IOException && chain.call().isCanceled()) "cancelled" else failure.javaClass.name
            ended(slot, 0, -1, "", type, known, begun)
            throw failure
        }
        ended(slot, response.code, response.body?.contentLength() ?: -1, response.protocol.toString(), "", known, begun)
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

    private fun ended(
        slot: Long,
        status: Int,
        bytes: Long,
        protocol: String,
        errorType: String,
        known: Known?,
        begun: Long,
    ) {
        Recorder.record(Call.END_REQUEST, 0) {
            u64(slot)
            u16(status)
            u64(bytes)
            text(protocol)
            text(errorType)
            if (known != null) known.phases.write(this, begun) else u8(0)
            attributes {}
        }
    }
}

/** Each hop: takes our headers off a request that was redirected to where they must not go, and sees the first byte. */
private class Hops(private val calls: Calls) : Interceptor {
    override fun intercept(chain: Interceptor.Chain): Response {
        val request = safe(chain.request())
        val phases = calls.of(chain.call())?.phases
        phases?.begin(Phases.FIRST_BYTE)
        return chain.proceed(request).also { phases?.end(Phases.FIRST_BYTE) }
    }

    private fun safe(request: Request): Request {
        val sent = request.tag(Sent::class.java) ?: return request
        val url = request.url.toString()
        if (url == sent.url || Throughline.survivesRedirect(sent.url, url)) return request
        val builder = request.newBuilder()
        for ((name, value) in sent.headers) {
            // The app's own header of that name stays, unless we have written it.
            if (request.header(name) == value) builder.removeHeader(name)
        }
        return builder.build()
    }
}
