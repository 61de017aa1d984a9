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
import kotlin.time.Duration.Companion.nanoseconds

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
 *
 * A story may begin late, when screens are there already that nobody has told of. So it keeps the
 * screens themselves instead of a count: a stop of one that it does not know takes none away.
 *
 * @param hasFragments whether a screen without a name may have views of its own.
 * @param process what is known of the process when the story begins.
 */
internal class ScreenStory(
    private val sink: Sink,
    private val hasViews: Boolean = true,
    private val hasFragments: Boolean = false,
    private val process: ProcessState = ProcessState(isForeground = false, started = null),
) {
    /** What receives the story. */
    interface Sink {
        fun startView(name: String)
        fun pushView(name: String)
        fun stopView()
        fun processStart(type: String, duration: Duration)
        fun initialDisplay(duration: Duration)
        fun foreground(isForeground: Boolean)
    }

    /** The screens that are started. */
    private val started = HashSet<Int>()

    /** Whether the app is in the foreground, as the sink was told. */
    private var isForeground = process.isForeground

    /** The screen whose view is the current one. */
    private var shown: Int? = null

    /** Whether the first frame was drawn. */
    var isDrawn = false
        private set

    /** When the first screen was created, and whether the process was started for it. */
    private var created: Long? = null
    private var isForScreen = true
    private var startType = "cold"

    /** When the first turn of the main thread after the beginning ended. */
    private var turned: Long? = null

    /** The main thread has ended the turn in which the story began. */
    fun turned(now: Long) {
        if (turned == null) turned = now
    }

    /**
     * A screen is created. It matters when the first one was, and whether it comes back from an
     * earlier run.
     */
    fun created(now: Long, isRestored: Boolean) {
        if (isDrawn || created != null) return
        created = now
        startType = if (isRestored) "warm" else "cold"
        // A process that the user has started shows a screen at once. One that a push, a job or a
        // broadcast has started may show one hours later. Since Android 14 the turn may end before
        // the screen is created.
        val turned = turned
        isForScreen = process.isForeground && (turned == null || now - turned <= MAX_TURN)
    }

    /**
     * Goes on where the story of an earlier start in this process stops. The process starts once,
     * and the screens are there already.
     */
    fun follow(before: ScreenStory) {
        if (before.isDrawn) isDrawn = true
        started.addAll(before.started)
    }

    /** A screen is started. Without a name it is no view. */
    fun started(screen: Int, name: String?) {
        isThere(screen)
        show(screen, name)
    }

    /** A screen is in front, perhaps again after something that covered it without hiding it. */
    fun resumed(screen: Int, name: String?) {
        wasThere(screen)
        isThere(screen)
        if (screen != shown) show(screen, name)
    }

    /** A screen is not in front any more, but it is still there. */
    fun paused(screen: Int) {
        wasThere(screen)
        isThere(screen)
    }

    /**
     * A screen that nobody has told of was there when the story began. So the app has started long
     * ago: the next screen is not the first.
     */
    private fun wasThere(screen: Int) {
        if (created == null && screen !in started) isDrawn = true
    }

    private fun isThere(screen: Int) {
        started.add(screen)
        tell(true)
    }

    private fun tell(isForeground: Boolean) {
        if (this.isForeground == isForeground) return
        this.isForeground = isForeground
        sink.foreground(isForeground)
    }

    private fun show(screen: Int, name: String?) {
        if (name == null && hasFragments) {
            // Its fragments are views. The screen under it is one again when it comes back.
            shown = null
        }
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
    fun stopped(screen: Int, isRecreated: Boolean = false): Boolean {
        if (!started.remove(screen) || started.isNotEmpty() || isRecreated) return false
        tell(false)
        return true
    }

    /** The first frame of the first screen is drawn. */
    fun drawn(now: Long) {
        if (isDrawn) return
        // A story that has begun after its screen was created knows nothing of its start.
        isDrawn = true
        val created = created ?: return
        val (type, begun) = when {
            !isForScreen -> "warm" to created
            else -> startType to (process.started ?: created)
        }
        val took = (now - begun).milliseconds
        if (took > MAX_START) return
        sink.processStart(type, took)
        sink.initialDisplay((now - created).milliseconds)
    }

    private companion object {
        val MAX_START = 60_000.milliseconds

        /** How long after the first turn of the main thread a screen may still belong to it, ms. */
        const val MAX_TURN = 1_000L
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

    /** Tells a client that starts what is known already. A start before it may have learnt it. */
    @Synchronized
    fun tell(): Unit = Throughline.setConditions(conditions)

    @Synchronized
    private fun change(change: Conditions.() -> Conditions) {
        val changed = conditions.change()
        if (changed == conditions) return
        conditions = changed
        // Before the start and after the end it is only kept, so that changes do not pile up.
        if (Throughline.isRunning) Throughline.setConditions(changed)
    }
}

/**
 * Counts frames, and finds slow ones: those that come at least one frame of the display later than
 * they should, so that the user sees one twice.
 *
 * @param report takes the count, every 60 frames.
 * @param slow takes the duration of a slow frame.
 */
internal class FrameCounter(private val report: (drawn: Long) -> Unit, private val slow: (Duration) -> Unit) {
    private var drawn = 0L

    /** A frame took [duration]. The display shows one every [due]. */
    fun frame(duration: Duration, due: Duration) {
        drawn++
        if (duration > due * 2) slow(duration)
        if (drawn >= REPORT_EVERY) flush()
    }

    fun flush() {
        if (drawn > 0) report(drawn)
        drawn = 0
    }

    private companion object {
        const val REPORT_EVERY = 60L
    }
}

/**
 * How long the display shows a frame. A display may change its rate at any time, for example for a
 * film or to save power, so it is asked again after half a second.
 */
internal class FrameTime(private val framesPerSecond: () -> Float) {
    private var known = USUAL
    private var asked: Duration? = null

    /** The time of a frame, [now] after some fixed moment. */
    fun at(now: Duration): Duration {
        val last = asked
        if (last != null && now - last < ASK_EVERY) return known
        asked = now
        var rate = 0f
        guarded { rate = framesPerSecond() }
        // Displays that say nothing useful are taken for usual ones.
        known = if (rate >= 1f) (1e9 / rate).toLong().nanoseconds else USUAL
        return known
    }

    private companion object {
        val USUAL = 16_666_667.nanoseconds
        val ASK_EVERY = 500.milliseconds
    }
}
