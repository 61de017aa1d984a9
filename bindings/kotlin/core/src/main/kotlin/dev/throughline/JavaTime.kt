// What takes a duration, for callers that have `java.time`: in Java,
// `JavaTime.flush(Throughline.INSTANCE, Duration.ofSeconds(5))`, because Kotlin's durations have no
// class there. It stands apart, so that a device without `java.time` does not load it: before
// Android 8 an app needs desugaring to call it.
@file:JvmName("JavaTime")

package dev.throughline

import java.time.Duration
import kotlin.time.toKotlinDuration

/** As [Throughline.shutdown]. */
@JvmOverloads
@Throws(ThroughlineException::class)
public fun Throughline.shutdown(timeout: Duration = Duration.ofSeconds(5)): Boolean =
    shutdown(timeout.toKotlinDuration())

/** As [Throughline.flush]. */
@JvmOverloads
@Throws(ThroughlineException::class)
public fun Throughline.flush(timeout: Duration = Duration.ofSeconds(10)): FlushOutcome =
    flush(timeout.toKotlinDuration())

/** As [Throughline.flushCrashes]. */
@JvmOverloads
public fun Throughline.flushCrashes(timeout: Duration = Duration.ofSeconds(2)): FlushOutcome =
    flushCrashes(timeout.toKotlinDuration())

/** As [Throughline.diagnose]. */
@JvmOverloads
public fun Throughline.diagnose(timeout: Duration = Duration.ofSeconds(5)): Diagnosis =
    diagnose(timeout.toKotlinDuration())

/** As [Throughline.watchMainThread]. */
@JvmOverloads
public fun Throughline.watchMainThread(main: MainThread, threshold: Duration = Duration.ofSeconds(2)): Unit =
    watchMainThread(main, threshold.toKotlinDuration())

/** As [Throughline.reportExits]. */
@JvmOverloads
public fun Throughline.reportExits(
    exits: List<ProcessExit>,
    process: String,
    timeout: Duration = Duration.ofSeconds(5),
): Boolean = reportExits(exits, process, timeout.toKotlinDuration())

/** As [Throughline.awaitStart]. */
@JvmOverloads
public fun Throughline.awaitStart(timeout: Duration = Duration.ofSeconds(5)): Boolean =
    awaitStart(timeout.toKotlinDuration())

/** As [Throughline.erase]. */
@JvmOverloads
public fun Throughline.erase(timeout: Duration = Duration.ofSeconds(5)): Boolean = erase(timeout.toKotlinDuration())

/** As [Throughline.suspendStorage]. */
@JvmOverloads
public fun Throughline.suspendStorage(timeout: Duration = Duration.ofSeconds(1)): Boolean =
    suspendStorage(timeout.toKotlinDuration())

/** As [Throughline.resumeStorage]. */
@JvmOverloads
public fun Throughline.resumeStorage(timeout: Duration = Duration.ofSeconds(1)): Boolean =
    resumeStorage(timeout.toKotlinDuration())

/** As [Throughline.drain]. */
@JvmOverloads
public fun Throughline.drain(timeout: Duration = Duration.ofSeconds(5)): Boolean = drain(timeout.toKotlinDuration())

/** As [Throughline.nextUpload]. */
@JvmOverloads
public fun Throughline.nextUpload(wait: Duration = Duration.ofSeconds(5)): PendingUpload? =
    nextUpload(wait.toKotlinDuration())

/** Records that the main thread was busy for long. */
@JvmOverloads
public fun Throughline.longTask(duration: Duration, frozenFrame: Boolean = false): Unit =
    longTask(duration.toKotlinDuration(), frozenFrame)

/** Records a frame that took too long. From 700 ms on it is a frozen frame. */
public fun Throughline.slowFrame(duration: Duration): Unit = slowFrame(duration.toKotlinDuration())

/** Adds CPU time that the process used since the last call to the current view. */
public fun Throughline.cpuTime(used: Duration): Unit = cpuTime(used.toKotlinDuration())

/** Records how long the process took to start. The type is `cold`, `warm` or `hot`. */
public fun Throughline.processStart(type: String, duration: Duration): Unit =
    processStart(type, duration.toKotlinDuration())

/** Records how long it took until the first frame was shown. */
public fun Throughline.initialDisplay(duration: Duration): Unit = initialDisplay(duration.toKotlinDuration())

/** Sets [Configuration.flushInterval]. */
public fun Configuration.setFlushInterval(interval: Duration) {
    flushInterval = interval.toKotlinDuration()
}

/** Sets [Configuration.maxAge]. */
public fun Configuration.setMaxAge(age: Duration) {
    maxAge = age.toKotlinDuration()
}

/** Sets [TailSampling.window]. */
public fun TailSampling.setWindow(window: Duration) {
    this.window = window.toKotlinDuration()
}

/** Sets [TailSampling.slowOperation]. */
public fun TailSampling.setSlowOperation(duration: Duration) {
    slowOperation = duration.toKotlinDuration()
}

/** Sets [StorePolicy.coalesce]. */
public fun StorePolicy.setCoalesce(window: Duration) {
    coalesce = window.toKotlinDuration()
}

/** Sets [StorePolicy.ignoreIfReverted]. */
public fun StorePolicy.setIgnoreIfReverted(window: Duration) {
    ignoreIfReverted = window.toKotlinDuration()
}
