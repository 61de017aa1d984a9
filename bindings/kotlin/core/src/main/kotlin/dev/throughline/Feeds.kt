// What the platform measures. The `android` module feeds most of it.
@file:JvmName("Feeds")

package dev.throughline

import dev.throughline.internal.Call
import dev.throughline.internal.Recorder
import dev.throughline.internal.attributes
import kotlin.time.Duration

/** Records that the main thread was busy for long. */
public fun Throughline.longTask(duration: Duration, frozenFrame: Boolean = false) {
    Recorder.record(Call.LONG_TASK) {
        u64(duration.nanoseconds())
        flag(frozenFrame)
        attributes(NONE)
    }
}

/** Counts the frames that were drawn since the last call, for the current view. */
public fun Throughline.frames(count: Long): Unit = record(Call.FRAMES, count)

/** Records a frame that took too long. From 700 ms on it is a frozen frame. */
public fun Throughline.slowFrame(duration: Duration): Unit = record(Call.SLOW_FRAME, duration.nanoseconds())

/** Takes a sample of the memory that the process uses, for the current view. */
public fun Throughline.memory(bytes: Long): Unit = record(Call.MEMORY, bytes)

/** Adds CPU time that the process used since the last call to the current view. */
public fun Throughline.cpuTime(used: Duration): Unit = record(Call.CPU_TIME, used.nanoseconds())

/** Records how long the process took to start. The type is `cold`, `warm` or `hot`. */
public fun Throughline.processStart(type: String, duration: Duration) {
    Recorder.record(Call.PROCESS_START) {
        text(type)
        u64(duration.nanoseconds())
    }
}

/** Records how long it took until the first frame was shown. */
public fun Throughline.initialDisplay(duration: Duration): Unit = record(Call.INITIAL_DISPLAY, duration.nanoseconds())

/**
 * Records that the *app's own* synchronization failed: the name of the call, the code of the
 * failure, how often it was tried again, and whether there was no network.
 */
public fun Throughline.syncFailure(rpc: String, code: String, retries: Int, offline: Boolean) {
    Recorder.record(Call.SYNC_FAILURE) {
        text(rpc)
        text(code)
        u32(maxOf(0, retries))
        flag(offline)
    }
}

/**
 * Records that the *app's own* queue was flushed: how many entries it had, and whether all of them
 * were sent.
 */
public fun Throughline.queueFlush(depth: Long, ok: Boolean) {
    Recorder.record(Call.QUEUE_FLUSH) {
        u64(maxOf(0, depth))
        flag(ok)
    }
}

private fun record(call: Int, number: Long) {
    Recorder.record(call) { u64(number) }
}

/** Whole nanoseconds. 0 for a negative duration. */
private fun Duration.nanoseconds(): Long = maxOf(0, inWholeNanoseconds)
