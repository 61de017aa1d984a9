package dev.throughline

import dev.throughline.internal.Call
import dev.throughline.internal.Draft
import dev.throughline.internal.Library
import dev.throughline.internal.Limit
import dev.throughline.internal.Recorder
import dev.throughline.internal.Running
import dev.throughline.internal.attributes
import dev.throughline.internal.fields
import dev.throughline.internal.ffi.DeviceConditions
import dev.throughline.internal.ffi.HeaderField
import dev.throughline.internal.generated
import dev.throughline.internal.millis
import dev.throughline.internal.public
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

/** What the user did. */
public enum class ActionType(internal val code: Int) { TAP(1), SCROLL(2), SWIPE(3), BACK(4), CUSTOM(5) }

/** A log's level. */
public enum class Level(internal val code: Int) { TRACE(1), DEBUG(5), INFO(9), WARN(13), ERROR(17), FATAL(21) }

/** What an error was. */
public enum class ErrorKind(internal val code: Int) { HANDLED(1), CRASH(2), HANG(3), ANR(4), OUT_OF_MEMORY(5) }

/** A metric's instrument. */
public enum class Instrument(internal val code: Int) { COUNTER(1), UP_DOWN_COUNTER(2), GAUGE(3), HISTOGRAM(4) }

/**
 * Telemetry of the app. One per process.
 *
 * Recording never throws and never waits; when a call returns, what it told survives the death of the process. What cannot be
 * kept is counted and shows in [health]. Calls before [start] wait in a ring of 100 and are replayed with their own times.
 * Every function may be called from every thread.
 *
 * Only [start], [flush] and [shutdown] throw.
 */
public object Throughline {
    /** The thread of [startInBackground]. */
    @Volatile
    private var starter: Thread? = null

    // region Start and end

    /**
     * Starts. Loads the native library on the calling thread: on Android use [startInBackground], or the `android` module.
     *
     * @throws ThroughlineException when the configuration cannot work, the library is not there, or it runs already.
     */
    @Throws(ThroughlineException::class)
    public fun start(consent: Consent, configure: Configuration.() -> Unit): Unit = Running.start(consent, configure)

    /**
     * Starts on a thread of its own and returns at once. Calls wait in the ring meanwhile. [onFailure] is told what [start]
     * would have thrown; without it that is printed to standard error.
     */
    public fun startInBackground(
        consent: Consent,
        onFailure: ((ThroughlineException) -> Unit)? = null,
        configure: Configuration.() -> Unit,
    ) {
        val starter = Thread(
            {
                Library.load()
                Running.startQuietly(consent, onFailure, configure)
            },
            "throughline-start",
        )
        starter.isDaemon = true
        // What every call needs is loaded while the new thread does not load beside it.
        Recorder.mine()
        starter.start()
        this.starter = starter
    }

    /**
     * Waits for a [startInBackground] that is under way, at most [timeout]. Whether it runs then: for a job or a worker in a
     * process of its own, which may be asked before the app's start is done.
     */
    public fun awaitStart(timeout: Duration = 5.seconds): Boolean {
        try {
            starter?.takeIf { it !== Thread.currentThread() }?.join(maxOf(1, timeout.inWholeMilliseconds))
        } catch (ended: InterruptedException) {
            Thread.currentThread().interrupt()
        }
        return isRunning
    }

    /**
     * Ends: writes what it has to the database and closes. What was not sent waits for the next start. False when it took
     * longer than [timeout]. Later calls are counted and do nothing; [start] may be called again.
     *
     * @throws ThroughlineException.Closed when it does not run.
     */
    @Throws(ThroughlineException::class)
    public fun shutdown(timeout: Duration = 5.seconds): Boolean = Running.shutdown(timeout)

    /**
     * Sends everything that was recorded, as far as conditions and backends allow, for at most [timeout]. Coalescing windows
     * end; views, operations and an action that still collects stay open and are sent when they end.
     *
     * @throws ThroughlineException.Closed when it does not run.
     */
    @Throws(ThroughlineException::class)
    public fun flush(timeout: Duration = 10.seconds): FlushOutcome = Running.flush(timeout)

    /** Whether it has been started and not shut down. */
    public val isRunning: Boolean get() = Running.core != null

    /** What Throughline says about itself; null while it does not run. */
    public fun health(): Health? {
        TracedStores.report()
        return Running.asked(null) { it.health().public() }
    }

    // endregion
    // region Views and actions

    /** Shows a view: the one before it ends, events from now on belong to it. */
    public fun startView(name: String): Unit = told(Call.START_VIEW, name)

    /** Shows a view over the one that is shown: a sheet, a dialog. */
    public fun pushView(name: String): Unit = told(Call.PUSH_VIEW, name)

    /** Ends the view that is shown. */
    public fun stopView(): Unit = told(Call.STOP_VIEW)

    /** The view that is shown is complete and can be used: its loading time is the time until now. */
    public fun markInteractive(): Unit = told(Call.MARK_INTERACTIVE)

    /** Records something the user did. */
    @JvmOverloads
    public fun action(name: String, type: ActionType = ActionType.CUSTOM, attributes: Attributes.() -> Unit = NONE): Unit =
        did(Call.ACTION, name, type, attributes)

    /**
     * Begins an action that collects the requests, errors and state mutations which follow, until nothing has happened for
     * 100 ms, at most 5 s. What it causes is in one trace. Three taps within a second make a rage tap.
     */
    @JvmOverloads
    public fun startAction(name: String, type: ActionType = ActionType.TAP, attributes: Attributes.() -> Unit = NONE): Unit =
        did(Call.START_ACTION, name, type, attributes)

    /** Begins a tap: see [startAction]. */
    public fun tap(target: String): Unit = startAction(target, ActionType.TAP)

    /** Records an event that only the app understands. */
    @JvmOverloads
    public fun event(name: String, attributes: Attributes.() -> Unit = NONE) {
        Recorder.record(Call.CUSTOM) {
            text(name)
            attributes(attributes)
        }
    }

    // endregion
    // region Errors, logs, metrics

    /** Records an error that was handled. */
    @JvmOverloads
    public fun error(throwable: Throwable, attributes: Attributes.() -> Unit = NONE): Unit =
        error(throwable, ErrorKind.HANDLED, attributes)

    internal fun error(throwable: Throwable, kind: ErrorKind, attributes: Attributes.() -> Unit): Unit =
        error(throwable.javaClass.name, said { throwable.message ?: "" }, said { throwable.stackTraceToString() }, kind, attributes)

    /** Records an error that has no exception. */
    @JvmOverloads
    public fun error(
        type: String,
        message: String,
        stack: String = "",
        kind: ErrorKind = ErrorKind.HANDLED,
        attributes: Attributes.() -> Unit = NONE,
    ) {
        Recorder.record(Call.ERROR) {
            u8(kind.code)
            u8(SOURCE)
            text(type)
            text(message, Limit.MESSAGE_UNITS)
            text(stack, Limit.STACK_UNITS)
            attributes(attributes)
        }
    }

    /** What an exception says of itself, if it can. */
    private inline fun said(say: () -> String): String = try {
        say()
    } catch (failure: Throwable) {
        Recorder.failed(failure)
        ""
    }

    /**
     * Records exceptions that nobody caught as crashes, and hands them on to the handler that was there. The crash is on the
     * disk before that handler runs.
     */
    public fun captureUncaughtExceptions() {
        val before = Thread.getDefaultUncaughtExceptionHandler()
        if (before is CrashHandler) return
        Thread.setDefaultUncaughtExceptionHandler(CrashHandler(before))
    }

    /** Records a log. */
    @JvmOverloads
    public fun log(level: Level, message: String, logger: String = "", attributes: Attributes.() -> Unit = NONE) {
        Recorder.record(Call.LOG) {
            u8(level.code)
            text(message, Limit.MESSAGE_UNITS)
            text(logger)
            attributes(attributes)
        }
    }

    /** Adds to a metric, or sets it. Aggregated on the device. At most 100 sets of attributes per metric. */
    @JvmOverloads
    public fun measure(
        name: String,
        value: Double,
        instrument: Instrument = Instrument.HISTOGRAM,
        unit: String = "",
        attributes: Attributes.() -> Unit = NONE,
    ) {
        Recorder.record(Call.MEASUREMENT) {
            u8(instrument.code)
            text(name)
            text(unit)
            f64(value)
            attributes(attributes)
        }
    }

    /** Records a vital of the app's own. */
    @JvmOverloads
    public fun vital(name: String, value: Double, unit: String = "", attributes: Attributes.() -> Unit = NONE) {
        Recorder.record(Call.VITAL) {
            text(name)
            f64(value)
            text(unit)
            attributes(attributes)
        }
    }

    // endregion
    // region Feeds

    /** Records that the main thread was busy for long. */
    public fun longTask(duration: Duration, frozenFrame: Boolean = false) {
        Recorder.record(Call.LONG_TASK) {
            u64(duration.natural())
            flag(frozenFrame)
            attributes(NONE)
        }
    }

    /** Counts frames that were drawn since the last call. */
    public fun frames(count: Long): Unit = told(Call.FRAMES, count)

    /** Records a frame that took too long; from 700 ms it is frozen. */
    public fun slowFrame(duration: Duration): Unit = told(Call.SLOW_FRAME, duration.natural())

    /** A sample of the process's memory. */
    public fun memory(bytes: Long): Unit = told(Call.MEMORY, bytes)

    /** Processor time that the process used since the last call. */
    public fun processorTime(used: Duration): Unit = told(Call.PROCESSOR_TIME, used.natural())

    /** How long the process took to start: `cold`, `warm` or `hot`. */
    public fun processStart(type: String, duration: Duration) {
        Recorder.record(Call.PROCESS_START) {
            text(type)
            u64(duration.natural())
        }
    }

    /** How long it took until the first frame was shown. */
    public fun initialDisplay(duration: Duration): Unit = told(Call.INITIAL_DISPLAY, duration.natural())

    /** Records that the *app's own* synchronization failed. */
    public fun recordSyncFailure(rpc: String, code: String, retries: Int, offline: Boolean) {
        Recorder.record(Call.SYNC_FAILURE) {
            text(rpc)
            text(code)
            u32(maxOf(0, retries))
            flag(offline)
        }
    }

    /** Records that the *app's own* queue was flushed: how many entries it held, and whether that went well. */
    public fun recordQueueFlush(depth: Long, ok: Boolean) {
        Recorder.record(Call.QUEUE_FLUSH) {
            u64(maxOf(0, depth))
            flag(ok)
        }
    }

    /** The user, or the app, says that something is wrong: what was kept aside is sent. */
    public fun reportProblem(message: String): Unit = told(Call.REPORT_PROBLEM, message, Limit.MESSAGE_UNITS)

    // endregion
    // region Who and what

    /** Says who uses the app, on every event from now on. Give pseudonyms where you can. */
    @JvmOverloads
    public fun setUser(id: String, name: String? = null, email: String? = null, attributes: Attributes.() -> Unit = NONE) {
        Recorder.record(Call.USER) {
            attributes {
                put("id", id)
                put("name", name)
                put("email", email)
                attributes()
            }
        }
    }

    /** Nobody uses the app any more. */
    public fun clearUser() {
        Recorder.record(Call.USER) { attributes(NONE) }
    }

    /** Sets an attribute of every event from now on; null removes it. At most 112. */
    public fun setGlobalAttribute(key: String, value: Any?): Unit = keyed(Call.GLOBAL_ATTRIBUTE, key, value)

    /** Says what a feature flag was evaluated to, on every event from now on; null: it is not used any more. */
    public fun setFeatureFlag(name: String, value: Any?): Unit = keyed(Call.FEATURE_FLAG, name, value)

    /** The session's id; null while it does not run. */
    public val sessionId: String? get() = Running.asked(null) { it.sessionId() }

    /** The installation's id, for `app.installation.id`; null while it does not run. */
    public val installationId: String? get() = Running.asked(null) { it.installationId() }

    /** Ends the session and begins another: when another user signs in. */
    public fun renewSession(): Unit = told(Call.RENEW_SESSION)

    // endregion
    // region Switches

    /**
     * Tells what the user has said. After [Consent.DENIED] nothing is recorded, and everything that was is erased by a thread of
     * Throughline's.
     */
    public fun setConsent(consent: Consent): Unit = Running.told { it.setConsent(consent.generated()) }

    /**
     * Switches recording on or off, and remembers it for the next start. Off holds at once; a thread of Throughline's closes what is
     * open, and an on that follows meanwhile holds when that is done: see [Health.isEnabled].
     */
    public fun setEnabled(enabled: Boolean): Unit = Running.told { it.setEnabled(enabled) }

    /** Changes the share of sessions that is recorded, and remembers it. */
    public fun setSessionSampleRate(rate: Double): Unit = Running.told { it.setSessionSampleRate(rate) }

    /** Changes the share of traces that is recorded, and remembers it. */
    public fun setTraceSampleRate(rate: Double): Unit = Running.told { it.setTraceSampleRate(rate) }

    /** Changes what is kept of sessions that are not sampled; null: nothing. */
    public fun setKeepErrors(rule: (Configuration.KeepRule.() -> Unit)?): Unit = Running.told {
        it.setKeepErrors(rule?.let { block -> Configuration.KeepRule().apply(block).build() })
    }

    /** Tells what the host knows about app and device. */
    public fun setConditions(conditions: Conditions): Unit = Running.told {
        it.setConditions(
            DeviceConditions(
                conditions.foreground,
                dev.throughline.internal.ffi.NetworkKind.valueOf(conditions.network.name),
                conditions.batteryPercent?.coerceIn(0, 100)?.toUByte(),
                conditions.charging,
                conditions.lowPower,
            ),
        )
    }

    /** Erases everything that was recorded and not sent. False when it took longer, or does not run. */
    public fun erase(timeout: Duration = 5.seconds): Boolean = Running.asked(false) { it.erase(timeout.millis()) }

    /** Closes the database, before the process is frozen. Calls are kept in the journal meanwhile. */
    public fun suspendStorage(timeout: Duration = 1.seconds): Boolean = Running.asked(false) { it.suspend(timeout.millis()) }

    /** Opens the database again. */
    public fun resumeStorage(timeout: Duration = 1.seconds): Boolean = Running.asked(false) { it.resume(timeout.millis()) }

    /** Waits until everything that was recorded is in the database. */
    public fun drain(timeout: Duration = 5.seconds): Boolean = Running.asked(false) { it.drain(timeout.millis()) }

    // endregion
    // region Network

    /**
     * The headers for a request to [url] in the current context; [existing] are the app's own. Empty for hosts not listed, and
     * where nothing runs.
     */
    @JvmOverloads
    public fun traceHeaders(url: String, existing: Map<String, String> = emptyMap()): Map<String, String> =
        traceHeaders(url, Recorder.currentSlot(), existing.fields())

    internal fun traceHeaders(url: String, slot: Long, existing: List<HeaderField>): Map<String, String> =
        Running.asked(emptyMap()) { core -> core.traceHeaders(url, slot.toULong(), existing).associate { it.name to it.value } }

    internal fun survivesRedirect(from: String, to: String): Boolean = Running.asked(false) { it.survivesRedirect(from, to) }

    /**
     * The next request to send, with [Configuration.pull]: for WorkManager. Waits for one at most [wait]; null when nothing is
     * to be sent, or while it does not run: see [awaitStart]. Tell the outcome by [uploadDone].
     */
    public fun nextUpload(wait: Duration = 5.seconds): PendingUpload? =
        Running.asked(null) { core -> core.nextUpload(wait.millis())?.let { PendingUpload(it.id, it.request.public()) } }

    /** Tells what became of a request: the answer, or null when there was none. */
    public fun uploadDone(upload: PendingUpload, response: UploadResponse?): Boolean =
        Running.asked(false) { it.uploadDone(upload.id, response?.generated()) }

    // endregion

    internal fun traceId(slot: Long): String? = Running.asked(null) { it.traceId(slot.toULong()) }

    /** Names, in lower case, of every header that Throughline may add to a request. */
    internal fun namesOfHeaders(): List<String> = Running.asked(emptyList()) { it.propagationHeaders() }

    /** The plain way over the generated code, for the bench. */
    internal fun recordTapPlainly(name: String, attributes: List<HeaderField>): Boolean =
        Running.asked(false) { it.recordTap(name, attributes) }

    // Calls of the same shape share what writes them: the class that an app loads first stays small.

    private fun told(call: Int) {
        Recorder.record(call) {}
    }

    private fun told(call: Int, text: String, limit: Int = Limit.NAME_UNITS) {
        Recorder.record(call) { text(text, limit) }
    }

    private fun told(call: Int, number: Long) {
        Recorder.record(call) { u64(number) }
    }

    private fun did(call: Int, name: String, type: ActionType, attributes: Attributes.() -> Unit) {
        Recorder.record(call) {
            u8(type.code)
            text(name)
            attributes(attributes)
        }
    }

    private fun keyed(call: Int, key: String, value: Any?) {
        Recorder.record(call) {
            text(key, Limit.KEY_UNITS)
            held(value)
        }
    }

    private fun Duration.natural(): Long = maxOf(0, inWholeNanoseconds)

    private const val SOURCE = 1
}

private class CrashHandler(private val before: Thread.UncaughtExceptionHandler?) : Thread.UncaughtExceptionHandler {
    override fun uncaughtException(thread: Thread, throwable: Throwable) {
        try {
            Throughline.error(throwable, ErrorKind.CRASH) { put("thread.name", thread.name) }
            // It must not die in the ring.
            Throughline.awaitStart(2.seconds)
            Throughline.drain(2.seconds)
        } finally {
            if (before != null) {
                before.uncaughtException(thread, throwable)
            } else {
                // What the virtual machine does where nobody handles.
                System.err.print("Exception in thread \"${thread.name}\" ")
                throwable.printStackTrace()
            }
        }
    }
}
