@file:JvmName("Tracing")

package dev.throughline.okhttp

import dev.throughline.internal.Call
import dev.throughline.internal.Limit
import dev.throughline.internal.PhaseCode
import dev.throughline.internal.Recorder
import dev.throughline.internal.Running
import dev.throughline.internal.attributes
import dev.throughline.internal.ffi.HeaderField
import okhttp3.EventListener
import okhttp3.Interceptor
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.Response
import java.io.IOException
import java.io.InterruptedIOException
import java.net.SocketTimeoutException
import java.util.Collections
import java.util.WeakHashMap
import okhttp3.Call as HttpCall

/**
 * A client whose requests are traced. Each becomes a resource with its status, size and time, in
 * the context that was current where the call was *created*. To hosts that
 * `Configuration.traceHost` lists it carries trace headers.
 *
 * A request also says what its time was spent on: DNS, connecting, TLS and the first byte. When the
 * app has set an event listener, only the first byte is measured.
 *
 * ```kotlin
 * val client = OkHttpClient().traced()
 * ```
 *
 * A request that fails says why in `error.type`: `cancelled`, `timeout`, or the class of the
 * exception.
 *
 * The client shares the connections of the other one and keeps its event listener. Call this last:
 * an [EventListener.Factory] that is set later replaces Throughline's, and requests then have no
 * context. A client that is traced already is traced anew, once. Retrofit and WebSockets over this
 * client are traced, too. Throughline's own requests never are.
 */
public fun OkHttpClient.traced(): OkHttpClient {
    if (!Release.fits) return this
    val calls = Calls()
    val before = eventListenerFactory
    val factory = CallFactory(calls, if (before is CallFactory) before.inner else before)
    val builder = newBuilder().eventListenerFactory(factory)
    builder.interceptors().removeAll { it is Entered || it is Resources }
    builder.networkInterceptors().removeAll { it is Hops }
    // The first one sees the call when its time begins to run.
    builder.interceptors().add(0, Entered(calls))
    return builder.addInterceptor(Resources(calls)).addNetworkInterceptor(Hops(calls)).build()
}

/**
 * What is known about each call. It is kept as long as somebody has the call, because an
 * interceptor of the app's may run it again.
 */
private class Calls {
    private val known = Collections.synchronizedMap(WeakHashMap<HttpCall, Known>())

    /**
     * Keeps the current context for a call. [phases] are those that its listener measures, null
     * when the app has one.
     */
    fun keep(call: HttpCall, phases: Phases?) {
        known[call] = Known(Recorder.currentSlot(), phases ?: Phases())
    }

    fun of(call: HttpCall): Known? = known[call]
}

private class Known(val slot: Long, val phases: Phases) {
    /** When the call began to run, in the time of [System.nanoTime]. */
    @Volatile
    var entered = 0L
}

/** Notes when a call begins to run. It is the first of the client's interceptors. */
private class Entered(private val calls: Calls) : Interceptor {
    override fun intercept(chain: Interceptor.Chain): Response {
        calls.of(chain.call())?.entered = System.nanoTime()
        return chain.proceed(chain.request())
    }
}

/**
 * Why a request has failed. `cancelled` and `timeout` are the same words in every language.
 *
 * A call that has run for its whole time is cancelled by OkHttp, and looks like one that the app
 * has cancelled.
 */
private fun errorType(failure: Throwable, call: HttpCall, entered: Long): String = when {
    failure is SocketTimeoutException -> TIMEOUT
    // RxJava, `Future.cancel(true)` and `runInterruptible` cancel by an interrupt. OkHttp's own
    // word for a call that took too long has the same class.
    failure is InterruptedIOException -> if (failure.message == TIMEOUT) TIMEOUT else CANCELLED
    failure !is IOException || !call.isCanceled() -> failure.javaClass.name
    entered != 0L && hasRunOut(call, entered) -> TIMEOUT
    else -> CANCELLED
}

private const val CANCELLED = "cancelled"
private const val TIMEOUT = "timeout"

/** How much later than OkHttp's own clock [Entered] may have looked at the time. */
private const val LATE_NS = 20_000_000L

private fun hasRunOut(call: HttpCall, entered: Long): Boolean {
    val most = call.timeout().timeoutNanos()
    return most > 0 && System.nanoTime() - entered + LATE_NS >= most
}

/**
 * OkHttp asks for a listener where the call is created, on the caller's thread. When the app has a
 * listener, that one is used.
 */
private class CallFactory(private val calls: Calls, val inner: EventListener.Factory) : EventListener.Factory {
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

/** The URL and the trace headers of a request before any redirect. */
private class Sent(val url: String, val headers: Map<String, String>)

/** Records each call once, however often it is tried again or redirected. */
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
            val type = errorType(failure, chain.call(), known?.entered ?: 0)
            end(slot, 0, -1, "", type, known, begun)
            throw failure
        }
        end(slot, response.code, response.body?.contentLength() ?: -1, response.protocol.toString(), "", known, begun)
        return response
    }

    private fun traced(request: Request, url: String, slot: Long): Request {
        val existing = request.headers.map { (name, value) -> HeaderField(name, value) }
        val headers = Running.traceHeaders(url, slot, existing)
        if (headers.isEmpty()) return request
        val builder = request.newBuilder()
        for ((name, value) in headers) builder.header(name, value)
        return builder.tag(Sent::class.java, Sent(url, headers)).build()
    }

    private fun end(
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

/**
 * Runs for each redirect. Removes trace headers from a request that was redirected to where they
 * must not go, and measures the first byte.
 */
private class Hops(private val calls: Calls) : Interceptor {
    override fun intercept(chain: Interceptor.Chain): Response {
        val request = safe(chain.request())
        val phases = calls.of(chain.call())?.phases
        phases?.begin(PhaseCode.FIRST_BYTE)
        return chain.proceed(request).also { phases?.end(PhaseCode.FIRST_BYTE) }
    }

    private fun safe(request: Request): Request {
        val sent = request.tag(Sent::class.java) ?: return request
        val url = request.url.toString()
        if (url == sent.url || Running.survivesRedirect(sent.url, url)) return request
        val builder = request.newBuilder()
        for ((name, value) in sent.headers) {
            // A header of that name that the app has set itself stays.
            if (request.header(name) == value) builder.removeHeader(name)
        }
        return builder.build()
    }
}
