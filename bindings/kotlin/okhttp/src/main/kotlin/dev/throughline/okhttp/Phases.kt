package dev.throughline.okhttp

import dev.throughline.internal.Draft
import dev.throughline.internal.PhaseCode
import okhttp3.EventListener
import okhttp3.Handshake
import okhttp3.Protocol
import java.net.InetAddress
import java.net.InetSocketAddress
import java.net.Proxy
import java.util.concurrent.atomic.AtomicLongArray
import okhttp3.Call as HttpCall

/**
 * When the phases of a call were. Of several attempts or redirects the last one counts. OkHttp may
 * connect on several threads.
 */
internal class Phases {
    /**
     * The start and the end of each phase, by its code, in the time of [System.nanoTime]. 0: not
     * yet.
     */
    private val times = AtomicLongArray(2 * (PhaseCode.FIRST_BYTE + 1))

    fun begin(phase: Int) {
        times[2 * phase + 1] = 0
        times[2 * phase] = now()
    }

    fun end(phase: Int) {
        times[2 * phase + 1] = now()
    }

    /**
     * Writes the phases that have ended, as times after [begun]. Those that began before belong to
     * an earlier request of the same call.
     */
    fun write(draft: Draft, begun: Long) {
        val ended = (PhaseCode.DNS..PhaseCode.FIRST_BYTE).filter {
            times[2 * it] != 0L && times[2 * it + 1] != 0L && times[2 * it] - begun >= 0
        }
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
}

/** Measures the phases of which OkHttp only tells an event listener. */
internal class Measuring : EventListener() {
    val phases = Phases()

    override fun dnsStart(call: HttpCall, domainName: String): Unit = phases.begin(PhaseCode.DNS)

    override fun dnsEnd(call: HttpCall, domainName: String, inetAddressList: List<InetAddress>): Unit =
        phases.end(PhaseCode.DNS)

    override fun connectStart(call: HttpCall, inetSocketAddress: InetSocketAddress, proxy: Proxy): Unit =
        phases.begin(PhaseCode.CONNECT)

    override fun secureConnectStart(call: HttpCall): Unit = phases.begin(PhaseCode.TLS)

    override fun secureConnectEnd(call: HttpCall, handshake: Handshake?): Unit = phases.end(PhaseCode.TLS)

    override fun connectEnd(
        call: HttpCall,
        inetSocketAddress: InetSocketAddress,
        proxy: Proxy,
        protocol: Protocol?,
    ): Unit = phases.end(PhaseCode.CONNECT)
}
