package dev.throughline.android

import dev.throughline.Conditions
import dev.throughline.NetworkKind
import dev.throughline.Throughline
import dev.throughline.frames
import dev.throughline.initialDisplay
import dev.throughline.memory
import dev.throughline.processStart
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds

/**
 * Calls the system or the app's own code. What these refuse is left out: nothing may be thrown into
 * the app.
 */
internal inline fun guarded(work: () -> Unit) {
    try {
        work()
    } catch (refused: RuntimeException) {
        // For example a missing permission, a window that is gone, or a name that the app could not
        // give.
    }
}

/**
 * Turns what screens do into views and vitals. It has none of Android's classes, so that it runs in
 * any virtual machine. Times are ms since the device was booted.
 */
internal class ScreenStory(private val sink: Sink, private val hasViews: Boolean = true) {
    /** What receives the story. */
    interface Sink {
        fun startView(name: String)
        fun pushView(name: String)
        fun stopView()
        fun processStart(type: String, duration: Duration)
        fun initialDisplay(duration: Duration)
        fun foreground(isForeground: Boolean)
    }

    /** How many screens are started. */
    private var started = 0

    /** The screen whose view is the current one. */
    private var shown: Int? = null

    /** Whether the first frame was drawn. */
    private var isDrawn = false

    /** When the first screen was created. */
    private var created: Long? = null
    private var startType = "cold"

    /**
     * A screen is created. It matters when the first one was, and whether it comes back from an
     * earlier run.
     */
    fun created(now: Long, isRestored: Boolean) {
        if (isDrawn || created != null) return
        created = now
        startType = if (isRestored) "warm" else "cold"
    }

    /** A screen is started. Without a name it is no view. */
    fun started(screen: Int, name: String?) {
        if (started++ == 0) sink.foreground(true)
        show(screen, name)
    }

    /** A screen is in front, perhaps again after something that covered it without hiding it. */
    fun resumed(screen: Int, name: String?) {
        if (screen != shown) show(screen, name)
    }

    private fun show(screen: Int, name: String?) {
        if (!hasViews || name == null) return
        shown = screen
        sink.startView(name)
    }

    /**
     * A screen is stopped.
     *
     * @param isRecreated whether the system creates it again at once, for another configuration.
     * @return whether it was the last one: the app is in the background.
     */
    fun stopped(isRecreated: Boolean = false): Boolean {
        if (started == 0 || --started > 0 || isRecreated) return false
        sink.foreground(false)
        return true
    }

    /** The first frame of the first screen is drawn. */
    fun drawn(now: Long, processStart: Long?) {
        if (isDrawn) return
        isDrawn = true
        val begun = processStart ?: created ?: return
        // A process that was started long before its first screen was started for something else.
        val took = (now - begun).milliseconds
        if (took > MAX_START) return
        sink.processStart(startType, took)
        sink.initialDisplay((now - (created ?: begun)).milliseconds)
    }

    private companion object {
        val MAX_START = 60_000.milliseconds
    }
}

/** Hands the story to Throughline. */
internal object ThroughlineSink : ScreenStory.Sink {
    /** What is known about the device. Several sources write it. */
    var conditions = Conditions()
        private set

    override fun startView(name: String): Unit = Throughline.startView(name)

    override fun pushView(name: String): Unit = Throughline.pushView(name)

    override fun stopView(): Unit = Throughline.stopView()

    override fun processStart(type: String, duration: Duration): Unit = Throughline.processStart(type, duration)

    override fun initialDisplay(duration: Duration): Unit = Throughline.initialDisplay(duration)

    override fun foreground(isForeground: Boolean): Unit = change { copy(foreground = isForeground) }

    /**
     * Takes the frames of about a second, and a sample of the memory. On the thread of the frames.
     */
    fun drawn(frames: Long) {
        Throughline.frames(frames)
        ProcessMemory.resident()?.let { Throughline.memory(it) }
    }

    fun network(kind: NetworkKind): Unit = change { copy(network = kind) }

    fun battery(percent: Int?, charging: Boolean): Unit = change { copy(batteryPercent = percent, charging = charging) }

    fun lowPower(isLow: Boolean): Unit = change { copy(lowPower = isLow) }

    @Synchronized
    private fun change(change: Conditions.() -> Conditions) {
        val changed = conditions.change()
        if (changed == conditions) return
        conditions = changed
        Throughline.setConditions(changed)
    }
}

/**
 * Counts frames, and finds slow ones: those that take 16 ms longer than they should.
 *
 * @param report takes the count, every 60 frames.
 * @param slow takes the duration of a slow frame.
 */
internal class FrameCounter(private val report: (drawn: Long) -> Unit, private val slow: (Duration) -> Unit) {
    private var drawn = 0L

    fun frame(duration: Duration, due: Duration) {
        drawn++
        if (duration > due + SLACK) slow(duration)
        if (drawn >= REPORT_EVERY) flush()
    }

    fun flush() {
        if (drawn > 0) report(drawn)
        drawn = 0
    }

    private companion object {
        val SLACK = 16.milliseconds
        const val REPORT_EVERY = 60L
    }
}
