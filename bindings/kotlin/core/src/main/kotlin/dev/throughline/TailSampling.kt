package dev.throughline

import kotlin.time.Duration
import kotlin.time.Duration.Companion.minutes
import dev.throughline.internal.ffi.TailSampling as GeneratedTailSampling

/**
 * Keeps sessions that are not sampled on the device, and sends one when something happens in it: a
 * crash, an error, a slow operation, or [Throughline.reportProblem]. From then on the session is
 * recorded as a sampled one is. In the block of [Configuration.tailSampling] or
 * [Throughline.setTailSampling].
 */
@ThroughlineDsl
public class TailSampling internal constructor() {
    /** How far back events are kept, 1 to 60 minutes. */
    public var window: Duration = 5.minutes

    /** How many bytes of events are kept, 64 KiB to 8 MiB. The oldest are dropped first. */
    public var bytes: Long = 2L * 1_024 * 1_024

    /** Whether every session waits for its reason, also those that the sample rate would keep. */
    public var allSessions: Boolean = false

    /** Whether a handled error is a reason to send. Crashes, hangs and ANRs always are. */
    public var onError: Boolean = true

    /** An operation that takes at least this long is a reason to send. Null: no duration is. */
    public var slowOperation: Duration? = null

    internal fun generated() =
        GeneratedTailSampling(window, maxOf(0, bytes).toULong(), allSessions, onError, slowOperation)
}
