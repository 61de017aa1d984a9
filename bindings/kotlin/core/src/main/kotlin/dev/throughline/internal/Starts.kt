package dev.throughline.internal

import dev.throughline.Configuration
import dev.throughline.Consent
import dev.throughline.Setup
import dev.throughline.StartFailure
import java.util.concurrent.atomic.AtomicInteger
import kotlin.time.Duration

/** The starts that are under way. */
internal object Starts {
    /** The threads of starts in the background that live: a start that is refused ends at once. */
    private val starters = ArrayList<Thread>()

    private val underWay = AtomicInteger()

    /** Whether a start was called, and has neither ended nor failed. */
    val isUnderWay: Boolean get() = underWay.get() > 0

    /** Starts on this thread. */
    fun here(consent: Consent, configure: Setup<Configuration>) {
        underWay.incrementAndGet()
        try {
            Running.start(consent, configure)
        } finally {
            underWay.decrementAndGet()
        }
    }

    /** Starts on a thread of its own. */
    fun inBackground(
        consent: Consent,
        onFailure: StartFailure?,
        configure: Setup<Configuration>,
    ) {
        val starter = Thread(
            {
                val failure = try {
                    Library.load()
                    Running.startOrFail(consent, configure)
                } finally {
                    // Before the app hears of a failure: it may start again then.
                    underWay.decrementAndGet()
                }
                when {
                    failure == null -> Unit
                    onFailure != null -> onFailure.failed(failure)
                    else -> System.err.println("Throughline did not start: $failure")
                }
            },
            "throughline-start",
        )
        starter.isDaemon = true
        // Loads the classes that every call needs before the new thread loads others beside it.
        Recorder.threadDraft()
        synchronized(starters) {
            // By hand: Kotlin's own collections are some hundred KB of classes, which the app's
            // main thread would load here.
            val known = starters.iterator()
            while (known.hasNext()) if (!known.next().isAlive) known.remove()
            starters.add(starter)
            underWay.incrementAndGet()
            try {
                starter.start()
            } catch (refused: Throwable) {
                underWay.decrementAndGet()
                throw refused
            }
        }
    }

    /** Waits for starts in the background. Returns whether the client runs. */
    fun await(timeout: Duration): Boolean {
        val until = System.nanoTime() + timeout.inWholeNanoseconds.coerceIn(0, Long.MAX_VALUE / 2)
        val alive = synchronized(starters) { ArrayList(starters) }
        try {
            for (starter in alive) {
                // Waiting for 0 ms would be waiting for ever.
                val left = maxOf(1, (until - System.nanoTime()) / 1_000_000)
                if (starter !== Thread.currentThread()) starter.join(left)
            }
        } catch (ended: InterruptedException) {
            Thread.currentThread().interrupt()
        }
        return Running.core != null
    }
}
