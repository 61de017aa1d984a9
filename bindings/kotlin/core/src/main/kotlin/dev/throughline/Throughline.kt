package dev.throughline

import dev.throughline.internal.Call
import dev.throughline.internal.ErrorSourceCode
import dev.throughline.internal.Limit
import dev.throughline.internal.Recorder
import dev.throughline.internal.Running
import dev.throughline.internal.Starts
import dev.throughline.internal.TracedStores
import dev.throughline.internal.attributes
import dev.throughline.internal.fields
import dev.throughline.internal.ffi.HeaderField
import dev.throughline.internal.generated
import dev.throughline.internal.public
import dev.throughline.internal.textOrNone
import dev.throughline.internal.write
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

/**
 * Telemetry of the app. There is one client in a process.
 *
 * Every function may be called from every thread. Recording never throws and never waits. When a
 * call returns, what it recorded survives the death of the process. What cannot be kept is counted,
 * and [health] shows the counts.
 *
 * Calls before [start] wait in memory, the latest 100, and are recorded at the start with the times
 * at which they were made. Only [start], [flush] and [shutdown] throw.
 */
public object Throughline {
    // region Start and end

    /**
     * Starts the client. The native library is loaded on the calling thread: on Android use the
     * `start` of the `android` module, or [startInBackground].
     *
     * @throws ThroughlineException when the configuration cannot work, when the library cannot be
     * loaded, or when the client runs already.
     */
    @JvmStatic @Throws(ThroughlineException::class)
    public fun start(consent: Consent, configure: Setup<Configuration>): Unit = Starts.here(consent, configure)

    /**
     * Starts the client on a thread of its own, and returns at once. Calls wait in memory
     * meanwhile.
     *
     * @param onFailure takes what [start] would have thrown. Without it, that is printed to
     * standard error.
     */
    @JvmStatic @JvmOverloads
    public fun startInBackground(
        consent: Consent,
        onFailure: StartFailure? = null,
        configure: Setup<Configuration>,
    ): Unit = Starts.inBackground(consent, onFailure, configure)

    /**
     * Waits until a [startInBackground] that is under way has ended, for at most [timeout]. For a
     * worker with a process of its own, which may begin before the app's start has ended.
     *
     * @return whether the client runs.
     */
    @JvmStatic public fun awaitStart(timeout: Duration = 5.seconds): Boolean = Starts.await(timeout)

    /**
     * Ends the client: writes what was recorded to the database, and closes it, for at most
     * [timeout]. What was not sent waits for the next start. Later calls are only counted. [start]
     * may be called again.
     *
     * @return false when that took longer.
     * @throws ThroughlineException.Closed when the client does not run.
     */
    @JvmStatic @Throws(ThroughlineException::class)
    public fun shutdown(timeout: Duration = 5.seconds): Boolean = Running.shutdown(timeout)

    /**
     * Sends everything that was recorded, as far as the conditions and the destinations allow it,
     * for at most [timeout]. It waits: call it off the main thread. Coalescing windows end. Views,
     * operations and an action that still collects stay open; they are sent when they end.
     *
     * @throws ThroughlineException.Closed when the client does not run.
     */
    @JvmStatic @Throws(ThroughlineException::class)
    public fun flush(timeout: Duration = 10.seconds): FlushOutcome = Running.flush(timeout)

    /**
     * Sends the crashes of earlier runs and waits for at most [timeout] until none waits any more,
     * if the last run died within 5 s of its start; else it returns at once. For an app that may
     * crash again before anything could be sent. Call it off the main thread, or with a short time.
     */
    @JvmStatic @JvmOverloads
    public fun flushCrashes(timeout: Duration = 2.seconds): FlushOutcome = Running.flushCrashes(timeout)

    /**
     * Watches the main thread while the app is in the foreground. When it does not respond for
     * [threshold], at least 500 ms, that is recorded: as an error `AppHang` when it comes back, and
     * by the next start as the end of the app when it does not.
     */
    @JvmStatic @JvmOverloads
    public fun watchMainThread(main: MainThread, threshold: Duration = 2.seconds): Unit =
        Running.watchMain(main, threshold)

    /** The main thread lives. Call it there whenever it is [asked][MainThread.ask]. */
    @JvmStatic public fun beat(): Unit = Running.beat()

    /**
     * Reports what the system says about the ends of earlier processes of the app, as far as it is
     * new and the run itself has not said it. It waits for at most [timeout]. Call it at each start,
     * also without a record: what the first call sees is of a time before there was a client, and is
     * not reported.
     *
     * @param process the name of this process. Others report their own ends.
     * @return false when that took longer, or when the client does not run: give the same records to
     * the next start.
     */
    @JvmStatic @JvmOverloads
    public fun reportExits(exits: List<ProcessExit>, process: String, timeout: Duration = 5.seconds): Boolean =
        Running.ask(false) { it.reportExits(exits.map(ProcessExit::generated), process, timeout) }

    /** What `ActivityManager.setProcessStateSummary` gets, so that the record of this run's end names it. */
    @JvmStatic public fun runSummary(): ByteArray = Running.ask(ByteArray(0)) { it.runSummary() }

    /** Whether the client was started and not shut down since. */
    @JvmStatic public val isRunning: Boolean get() = Running.core != null

    /** Whether a start is under way. Another one would be refused. */
    @JvmStatic public val isStarting: Boolean get() = Starts.isUnderWay

    /** The client's own condition. Null while it does not run. */
    @JvmStatic public fun health(): Health? {
        TracedStores.report()
        return Running.ask(null) { it.health().public() }
    }

    /**
     * Says in plain words what keeps data from arriving, in any state. First it sends what waits, for
     * at most [timeout], unless that is zero. Call it off the main thread, and print the answer.
     */
    @JvmStatic @JvmOverloads
    public fun diagnose(timeout: Duration = 5.seconds): Diagnosis = Running.diagnose(timeout)

    /** The id of the session. Null while the client does not run. */
    @JvmStatic public val sessionId: String? get() = Running.ask(null) { it.sessionId() }

    /**
     * The id of the installation, for `app.installation.id`. Null while the client does not run,
     * and when [Configuration.installationId] is false.
     */
    @JvmStatic public val installationId: String? get() = Running.ask(null) { it.installationId() }

    /**
     * Erases everything that was recorded and not sent, for at most [timeout].
     *
     * @return false when that took longer, when the client does not run, or when another process of
     * the app has a part of it. That part is erased before anything of it is sent.
     */
    @JvmStatic public fun erase(timeout: Duration = 5.seconds): Boolean = Running.ask(false) { it.erase(timeout) }

    /**
     * Closes the database before the process is frozen, for at most [timeout]. Until
     * [resumeStorage], calls are kept in the journal.
     *
     * @return false when that took longer, or when the client does not run.
     */
    @JvmStatic
    public fun suspendStorage(timeout: Duration = 1.seconds): Boolean = Running.ask(false) { it.suspend(timeout) }

    /**
     * Opens the database again, for at most [timeout].
     *
     * @return false when that took longer, or when the client does not run.
     */
    @JvmStatic
    public fun resumeStorage(timeout: Duration = 1.seconds): Boolean = Running.ask(false) { it.resume(timeout) }

    /**
     * Waits until everything that was recorded is in the database, for at most [timeout].
     *
     * @return false when that took longer, or when the client does not run.
     */
    @JvmStatic public fun drain(timeout: Duration = 5.seconds): Boolean = Running.ask(false) { it.drain(timeout) }

    // endregion
    // region Views, actions and events

    /** Shows a view. The view before it ends, and events belong to this one from now on. */
    @JvmStatic public fun startView(name: String): Unit = record(Call.START_VIEW, name)

    /** Shows a view over the current one, for example a sheet or a dialog. */
    @JvmStatic public fun pushView(name: String): Unit = record(Call.PUSH_VIEW, name)

    /** Ends the current view. */
    @JvmStatic public fun stopView(): Unit = record(Call.STOP_VIEW)

    /**
     * Says that the current view is complete and can be used. Its loading time is the time until
     * now.
     */
    @JvmStatic public fun markInteractive(): Unit = record(Call.MARK_INTERACTIVE)

    /** Records something that the user did. */
    @JvmStatic @JvmOverloads
    public fun action(
        name: String,
        type: ActionType = ActionType.CUSTOM,
        attributes: Attributes = NONE,
    ): Unit = recordAction(Call.ACTION, name, type, attributes)

    /**
     * Begins an action. It collects the requests, errors and state mutations that follow, until
     * nothing has happened for 100 ms, for at most 5 s. What it causes is in one trace. Three taps
     * on one target within a second make a rage tap.
     */
    @JvmStatic @JvmOverloads
    public fun startAction(
        name: String,
        type: ActionType = ActionType.TAP,
        attributes: Attributes = NONE,
    ): Unit = recordAction(Call.START_ACTION, name, type, attributes)

    /** Begins a tap, as [startAction] does. */
    @JvmStatic public fun tap(target: String): Unit = startAction(target, ActionType.TAP)

    /** Records an event that only the app understands. */
    @JvmStatic @JvmOverloads
    public fun event(name: String, attributes: Attributes = NONE) {
        Recorder.record(Call.CUSTOM) {
            text(name)
            attributes(attributes)
        }
    }

    /**
     * Records that the user, or the app, found that something is wrong. This is a reason to send a
     * session that [TailSampling] keeps. Messages are cut at 8,192 characters.
     */
    @JvmStatic
    public fun reportProblem(message: String): Unit = record(Call.REPORT_PROBLEM, message, Limit.MESSAGE_UNITS)

    // endregion
    // region Errors, logs, metrics

    /** Records an exception that was handled. */
    @JvmStatic @JvmOverloads
    public fun error(throwable: Throwable, attributes: Attributes = NONE): Unit =
        error(throwable, ErrorKind.HANDLED, attributes)

    internal fun error(throwable: Throwable, kind: ErrorKind, attributes: Attributes): Unit = error(
        throwable.javaClass.name,
        textOrNone { throwable.message },
        textOrNone { throwable.stackTraceToString() },
        kind,
        attributes,
    )

    /**
     * Records an error that is not an exception. Messages are cut at 8,192 characters, stacks at
     * 49,152.
     */
    @JvmStatic @JvmOverloads
    public fun error(
        type: String,
        message: String,
        stack: String = "",
        kind: ErrorKind = ErrorKind.HANDLED,
        attributes: Attributes = NONE,
    ) {
        Recorder.record(Call.ERROR) {
            u8(kind.code)
            u8(ErrorSourceCode.SOURCE)
            text(type)
            text(message, Limit.MESSAGE_UNITS)
            text(stack, Limit.STACK_UNITS)
            attributes(attributes)
        }
    }

    /**
     * Records exceptions that nobody has caught as crashes, and passes them to the handler that was
     * set before. That handler waits until the crash is on the disk: 100 ms, or 2.1 s in a start.
     *
     * [start] does it unless [Configuration.captureUncaughtExceptions] is off. Call it yourself for
     * crashes before the start, or above a handler that was set after it.
     */
    @JvmStatic public fun captureUncaughtExceptions(): Unit = CrashHandler.install()

    /** Records a log. Messages are cut at 8,192 characters. */
    @JvmStatic @JvmOverloads
    public fun log(
        severity: Severity,
        message: String,
        logger: String = "",
        attributes: Attributes = NONE,
    ) {
        Recorder.record(Call.LOG) {
            u8(severity.code)
            text(message, Limit.MESSAGE_UNITS)
            text(logger)
            attributes(attributes)
        }
    }

    /**
     * Records a value of a metric. Values are aggregated on the device and sent every 10 s. A
     * metric may have 100 different sets of attributes; further ones share one series.
     */
    @JvmStatic @JvmOverloads
    public fun measure(
        name: String,
        value: Double,
        instrument: Instrument = Instrument.HISTOGRAM,
        unit: String = "",
        attributes: Attributes = NONE,
    ) {
        Recorder.record(Call.MEASUREMENT) {
            u8(instrument.code)
            text(name)
            text(unit)
            f64(value)
            attributes(attributes)
        }
    }

    /** Records a measured value of the app's own performance. */
    @JvmStatic @JvmOverloads
    public fun vital(name: String, value: Double, unit: String = "", attributes: Attributes = NONE) {
        Recorder.record(Call.VITAL) {
            text(name)
            f64(value)
            text(unit)
            attributes(attributes)
        }
    }

    // endregion
    // region The user and the session

    /**
     * Says who uses the app, on every event from now on. Prefer pseudonyms to names and addresses.
     */
    @JvmStatic @JvmOverloads
    public fun setUser(
        id: String,
        name: String? = null,
        email: String? = null,
        attributes: Attributes = NONE,
    ) {
        Recorder.record(Call.USER) {
            attributes {
                put("id", id)
                put("name", name)
                put("email", email)
                write(attributes)
            }
        }
    }

    /** Says that nobody uses the app any more. */
    @JvmStatic public fun clearUser() {
        Recorder.record(Call.USER) { attributes(NONE) }
    }

    /** Ends the session and begins another one: call it when another user signs in. */
    @JvmStatic public fun renewSession(): Unit = record(Call.RENEW_SESSION)

    /** Sets an attribute of every event from now on. Null removes it. There may be 112 of them. */
    @JvmStatic
    public fun setGlobalAttribute(key: String, value: Any?): Unit = recordValue(Call.GLOBAL_ATTRIBUTE, key, value)

    /**
     * Says what a feature flag was evaluated to, on every event from now on. Null: the flag is not
     * used any more.
     */
    @JvmStatic public fun setFeatureFlag(name: String, value: Any?): Unit = recordValue(Call.FEATURE_FLAG, name, value)

    // endregion
    // region Switches

    /**
     * Sets what the user has decided. With [Consent.DENIED] nothing is recorded from now on, and a
     * thread of Throughline's erases everything that was recorded.
     */
    @JvmStatic
    public fun setConsent(consent: Consent): Unit = Running.whenStarted("consent ${consent.name}") {
        it.setConsent(consent.generated())
    }

    /**
     * Switches recording on or off, and keeps that for the next start. Off holds at once, and a
     * thread of Throughline's closes what is open. On holds when that thread has ended:
     * [Health.isEnabled] says when.
     */
    @JvmStatic public fun setEnabled(enabled: Boolean): Unit = Running.whenStarted("setEnabled") {
        it.setEnabled(enabled)
    }

    /**
     * Sets the share of sessions that is recorded, 0.0 to 1.0, and keeps it for the next start.
     * Another value shows in [Health.problems].
     */
    @JvmStatic
    public fun setSessionSampleRate(rate: Double): Unit = Running.whenStarted("setSessionSampleRate") {
        it.setSessionSampleRate(rate)
    }

    /**
     * Sets the share of traces that is recorded, 0.0 to 1.0, and keeps it for the next start.
     * Another value shows in [Health.problems].
     */
    @JvmStatic public fun setTraceSampleRate(rate: Double): Unit = Running.whenStarted("setTraceSampleRate") {
        it.setTraceSampleRate(rate)
    }

    /**
     * Sets what is kept of sessions that are not sampled. Null: nothing. Values that cannot work
     * show in [Health.problems].
     */
    @JvmStatic public fun setTailSampling(tailSampling: Setup<TailSampling>?): Unit =
        Running.whenStarted("setTailSampling") {
            it.setTailSampling(tailSampling?.let { block -> TailSampling().with(block).generated() })
        }

    /**
     * Sends nothing to the destination with a name until [resumeDestination]. What is recorded for it
     * is kept, crashes too, as far as ages and quotas allow; other destinations go on. It is not kept
     * for the next start. A name that no destination has shows in [Health.problems].
     */
    @JvmStatic public fun pauseDestination(name: String): Unit = Running.setPaused(name, true)

    /** Sends to the destination with a name again. */
    @JvmStatic public fun resumeDestination(name: String): Unit = Running.setPaused(name, false)

    /** Sets what the app knows about itself and the device. It decides when uploads are made. */
    @JvmStatic
    public fun setConditions(conditions: Conditions): Unit = Running.whenStarted("setConditions") {
        it.setConditions(conditions.generated())
    }

    // endregion
    // region Network

    /**
     * The headers for a request to [url] in the current context. [existing] are the app's own
     * headers. Empty for hosts that [Configuration.traceHost] does not list, and when there is no
     * current context.
     */
    @JvmStatic @JvmOverloads
    public fun traceHeaders(url: String, existing: Map<String, String> = emptyMap()): Map<String, String> =
        Running.traceHeaders(url, Recorder.currentSlot(), existing.fields())

    /**
     * The next request to send, when [Configuration.pull] is set: for WorkManager. It waits for one
     * at most [wait]. Give its outcome to [uploadDone].
     *
     * @return null when there is nothing to send, or when the client does not run:
     * see [awaitStart].
     */
    @JvmStatic public fun nextUpload(wait: Duration = 5.seconds): PendingUpload? =
        Running.ask(null) { core -> core.nextUpload(wait)?.let { PendingUpload(it.id, it.key, it.request.public()) } }

    /**
     * Takes the outcome of a request: the response, or null when there was no answer.
     *
     * @return false when the request is not known, or not any more.
     */
    @JvmStatic public fun uploadDone(upload: PendingUpload, response: UploadResponse?): Boolean =
        Running.ask(false) { it.uploadDone(upload.id, response?.generated()) }

    // endregion

    /** Records a tap through the generated code alone. For the benchmark. */
    internal fun recordTapPlainly(name: String, attributes: List<HeaderField>): Boolean =
        Running.ask(false) { it.recordTap(name, attributes) }

    // Calls of one shape share what writes them, so that this class, which an app loads first,
    // stays small.

    private fun record(call: Int) {
        Recorder.record(call) {}
    }

    private fun record(call: Int, text: String, limit: Int = Limit.NAME_UNITS) {
        Recorder.record(call) { text(text, limit) }
    }

    private fun recordAction(call: Int, name: String, type: ActionType, attributes: Attributes) {
        Recorder.record(call) {
            u8(type.code)
            text(name)
            attributes(attributes)
        }
    }

    private fun recordValue(call: Int, key: String, value: Any?) {
        Recorder.record(call) {
            text(key, Limit.KEY_UNITS)
            optionalValue(value)
        }
    }
}
