package dev.throughline.internal

import dev.throughline.Configuration
import dev.throughline.Consent
import dev.throughline.CrashHandler
import dev.throughline.Diagnosis
import dev.throughline.FlushOutcome
import dev.throughline.MainThread
import dev.throughline.Setup
import dev.throughline.ShownMainThread
import dev.throughline.ThroughlineException
import dev.throughline.internal.ffi.FlushOutcome as GeneratedOutcome
import dev.throughline.internal.ffi.HeaderField
import dev.throughline.internal.ffi.TelemetryCore
import dev.throughline.with
import kotlin.time.Duration

/**
 * The client while it runs, how it starts and how it ends.
 *
 * It stands apart from [dev.throughline.Throughline], which the app's main thread loads: what is
 * needed only here (exceptions, generated code) is loaded by the thread that starts the client.
 */
internal object Running {
    /**
     * Calls to the core that were made before the start, in the order of the last call of each kind.
     * Of one kind only the last one counts, so that none is lost and nothing grows.
     */
    private val waiting = LinkedHashMap<String, (TelemetryCore) -> Unit>()

    @Volatile
    var core: TelemetryCore? = null
        private set

    /** Takes the main thread's signs of life, also while it starts and while it ends. */
    @Volatile
    private var watching: TelemetryCore? = null

    private var starting = false

    /** Why the last start has failed. */
    @Volatile
    private var failure: Throwable? = null

    fun start(consent: Consent, configure: Setup<Configuration>) {
        claim()
        val configuration = Configuration()
        try {
            configuration.with(configure)
            if (configuration.captureUncaughtExceptions) CrashHandler.install() else CrashHandler.switchOff()
            open(configuration, consent)
            failure = null
        } catch (failed: Throwable) {
            failure = failed
            throw failed
        } finally {
            synchronized(this) { starting = false }
        }
        for (work in configuration.started) guardedBlock { work.run() }
    }

    /** Starts on the thread of `startInBackground`, where nobody catches. Returns the failure. */
    fun startOrFail(consent: Consent, configure: Setup<Configuration>): ThroughlineException? = try {
        start(consent, configure)
        null
    } catch (failure: ThroughlineException) {
        failure
    } catch (failure: Throwable) {
        // A configuration block that throws must not end the app from a thread that the app does
        // not know.
        ThroughlineException.InvalidConfiguration(failure.toString())
    }

    private fun claim(): Unit = synchronized(this) {
        if (starting || core != null) throw ThroughlineException.Closed("Throughline runs already")
        starting = true
        Recorder.expectStart()
    }

    private fun open(configuration: Configuration, consent: Consent) {
        val started = Core.start(configuration, consent)
        val door = started.door().toLong()
        while (true) {
            val next = synchronized(this) {
                if (waiting.isEmpty()) {
                    TracedStores.open(door)
                    core = started
                    return
                }
                val first = waiting.entries.iterator()
                first.next().value.also { first.remove() }
            }
            // The call is made without the lock, because an erasure may take seconds.
            safely(Unit) { next(started) }
        }
    }

    fun shutdown(timeout: Duration): Boolean {
        val ending = synchronized(this) {
            val ending = core ?: throw ThroughlineException.Closed("Throughline does not run")
            TracedStores.report()
            Recorder.close()
            core = null
            ending
        }
        return try {
            Core.translating { ending.shutdown(timeout) }
        } finally {
            if (watching === ending) watching = null
            ending.close()
        }
    }

    fun flush(timeout: Duration): FlushOutcome {
        val core = core ?: throw ThroughlineException.Closed("Throughline does not run")
        TracedStores.report()
        return Core.translating { core.flush(timeout) }.public()
    }

    fun diagnose(timeout: Duration): Diagnosis {
        if (core == null && Starts.isUnderWay) Starts.await(timeout)
        TracedStores.report()
        return ask(null) { Diagnosis.of(it.diagnose(timeout)) } ?: Diagnosis.withoutClient(failure)
    }

    fun watchMain(main: MainThread, threshold: Duration): Unit = whenStarted("main thread") {
        watching = it
        it.watchMain(ShownMainThread(main), threshold)
    }

    fun beat() {
        val core = watching ?: return
        safely(Unit) { core.beat() }
    }

    fun flushCrashes(timeout: Duration): FlushOutcome =
        ask(FlushOutcome(false, 0, 0, "Throughline does not run")) { it.flushCrashes(timeout).public() }

    private fun GeneratedOutcome.public() = FlushOutcome(complete, delivered.toLong(), waiting.toLong(), reason)

    /**
     * Makes a call to the core now, or at the start.
     *
     * @param kind what the call sets. A later call of the same kind takes the place of one that
     * waits.
     */
    fun whenStarted(kind: String, call: (TelemetryCore) -> Unit) {
        // Under the lock, so that no call is added after a start has looked for the last time.
        val running = synchronized(this) {
            core ?: run {
                waiting.remove(kind)
                waiting[kind] = call
                null
            }
        }
        if (running != null) safely(Unit) { call(running) }
    }

    /** Pauses the destination with a name, or ends that. */
    fun setPaused(name: String, isPaused: Boolean): Unit = whenStarted("destination $name") {
        if (isPaused) it.pauseDestination(name) else it.resumeDestination(name)
    }

    /** Asks the core. Without one, the answer is [otherwise]. */
    inline fun <T> ask(otherwise: T, ask: (TelemetryCore) -> T): T {
        val running = core ?: return otherwise
        return safely(otherwise) { ask(running) }
    }

    /** The headers for a request to [url] with the request or the context under a slot. */
    fun traceHeaders(url: String, slot: Long, existing: List<HeaderField>): Map<String, String> =
        ask(emptyMap()) { core -> core.traceHeaders(url, slot.toULong(), existing).associate { it.name to it.value } }

    /**
     * Whether trace headers that were written for [from] may stay on a request that is redirected
     * to [to].
     */
    fun survivesRedirect(from: String, to: String): Boolean = ask(false) { it.survivesRedirect(from, to) }

    /** Makes a call to the generated code, which throws when it is used while it closes. */
    inline fun <T> safely(otherwise: T, work: () -> T): T = try {
        work()
    } catch (failure: Exception) {
        Recorder.failures.incrementAndGet()
        otherwise
    }
}
