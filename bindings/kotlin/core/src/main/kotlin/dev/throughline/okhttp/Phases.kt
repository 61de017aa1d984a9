package dev.throughline.okhttp

import dev.throughline.internal.Draft
import okhttp3.EventListener
import okhttp3.Handshake
import okhttp3.Protocol
import java.net.InetAddress
import java.net.InetSocketAddress
import java.net.Proxy
import java.util.concurrent.atomic.AtomicLongArray
import okhttp3.Call as HttpCall

/** When the phases of a call were: of several attempts or hops the last one. OkHttp may connect on several threads. */
internal class Phases {
    /** Starts and ends by phase, by [System.nanoTime]; 0: not yet. */
    private val times = AtomicLongArray(2 * (FIRST_BYTE + 1))

    fun begin(phase: Int) {
        times[2 * phase + 1] = 0
        times[2 * phase] = now()
    }

    fun end(phase: Int) {
        times[2 * phase + 1] = now()
    }

    /** Writes those that have ended, as times after [begun]. Those from before are of a request that the same call made earlier. */
    fun write(draft: Draft, begun: Long) {
        val ended = (DNS..FIRST_BYTE).filter { times[2 * it] != 0L && times[2 * it + 1] != 0L && times[2 * it] - begun >= 0 }
        draft.u8(ended.size)
        for (phase in ended) {
            val start = times[2 * phase]
            draft.u8(phase)
            draft.u64(start - begun)
            draft.u64(maxOf(0, times[2 * phase + 1] - start))
        }
    }

    /** Never 0. */
    private fun now(): Long = System.nanoTime() or 1

    internal companion object {
        const val DNS = 1
        const val CONNECT = 2
        const val TLS = 3
        const val FIRST_BYTE = 4
    }
}

/** Hears what only a listener does. */
internal class Measuring : EventListener() {
    val phases = Phases()

    override fun dnsStart(call: HttpCall, domainName: String): Unit = phases.begin(Phases.DNS)

    override fun dnsEnd(call: HttpCall, domainName: String, inetAddressList: List<InetAddress>): Unit = phases.end(Phases.DNS)

    override fun connectStart(call: HttpCall, inetSocketAddress: InetSocketAddress, proxy: Proxy): Unit =
        phases.begin(Phases.CONNECT)

    override fun secureConnectStart(call: HttpCall): Unit = phases.begin(Phases.TLS)

    override fun secureConnectEnd(call: HttpCall, handshake: Handshake?): Unit = phases.end(Phases.TLS)

    override fun connectEnd(call: HttpCall, inetSocketAddress: InetSocketAddress, proxy: Proxy, protocol: Protocol?): Unit =
        phases.end(Phases.CONNECT)
}
