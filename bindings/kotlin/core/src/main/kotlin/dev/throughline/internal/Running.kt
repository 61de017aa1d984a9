package dev.throughline.internal

import dev.throughline.Configuration
import dev.throughline.Consent
import dev.throughline.FlushOutcome
import dev.throughline.ThroughlineException
import dev.throughline.TracedStores
import dev.throughline.internal.ffi.TelemetryCore
import java.util.ArrayDeque
import kotlin.time.Duration

/**
 * The core while it runs, and the way there and back.
 *
 * Apart from [dev.throughline.Throughline], which the app's main thread loads: what is only needed here (exceptions, generated
 * code) is loaded where the start happens.
 */
internal object Running {
    /** Options that are kept before the start. */
    private const val EARLY_OPTIONS = 100

    private val early = ArrayDeque<(TelemetryCore) -> Unit>()

    @Volatile
    var core: TelemetryCore? = null
        private set

    private var starting = false

    fun start(consent: Consent, configure: Configuration.() -> Unit) {
        claim()
        try {
            open(Configuration().apply(configure), consent)
        } finally {
            synchronized(this) { starting = false }
        }
    }

    /** [start] on the thread of `startInBackground`: nothing is thrown there. */
    fun startQuietly(consent: Consent, onFailure: ((ThroughlineException) -> Unit)?, configure: Configuration.() -> Unit) {
        val failure = try {
            return start(consent, configure)
        } catch (failure: ThroughlineException) {
            failure
        } catch (failure: Throwable) {
            // A configuration block that throws must not take the app down from a thread that it does not know.
            ThroughlineException.InvalidConfiguration(failure.toString())
        }
        if (onFailure != null) onFailure(failure) else System.err.println("Throughline did not start: $failure")
    }

    private fun claim(): Unit = synchronized(this) {
        if (starting || core != null) throw ThroughlineException.Closed("Throughline runs already")
        starting = true
        Recorder.await()
    }

    private fun open(configuration: Configuration, consent: Consent) {
        val started = Core.start(configuration, consent)
        val door = started.door().toLong()
        while (true) {
            val next = synchronized(this) {
                if (early.isEmpty()) {
                    TracedStores.declareAll(door)
                    Recorder.open(door)
                    core = started
                    return
                }
                early.removeFirst()
            }
            // Run without the lock: an erasure may take seconds.
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
            Core.translating { ending.shutdown(timeout.millis()) }
        } finally {
            ending.close()
        }
    }

    fun flush(timeout: Duration): FlushOutcome {
        val core = core ?: throw ThroughlineException.Closed("Throughline does not run")
        TracedStores.report()
        val result = Core.translating { core.flush(timeout.millis()) }
        return FlushOutcome(result.complete, result.delivered.toLong(), result.waiting.toLong(), result.reason)
    }

    /** Does it now, or after the start. */
    fun told(tell: (TelemetryCore) -> Unit) {
        // Under the lock, so that none falls between the last look of a start and its end.
        val running = synchronized(this) {
            core ?: run {
                if (early.size < EARLY_OPTIONS) early.add(tell) else Recorder.lostEarly.incrementAndGet()
                null
            }
        }
        if (running != null) safely(Unit) { tell(running) }
    }

    inline fun <T> asked(otherwise: T, ask: (TelemetryCore) -> T): T {
        val running = core ?: return otherwise
        return safely(otherwise) { ask(running) }
    }

    /** The generated code throws when it is used while it closes. */
    inline fun <T> safely(otherwise: T, work: () -> T): T = try {
        work()
    } catch (failure: Exception) {
        Recorder.failures.incrementAndGet()
        otherwise
    }
}

internal fun Duration.millis(): ULong = maxOf(0, inWholeMilliseconds).toULong()
