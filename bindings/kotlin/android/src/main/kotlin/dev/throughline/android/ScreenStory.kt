package dev.throughline.android

import dev.throughline.Conditions
import dev.throughline.NetworkKind
import dev.throughline.Throughline
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds

/** Nothing of ours may throw into the app: what the system or the app's own code refuses is left out. */
internal inline fun guarded(work: () -> Unit) {
    try {
        work()
    } catch (refused: RuntimeException) {
        // A missing permission, a window that is gone, a name that the app could not give.
    }
}

/** What the screens do, without Android's classes: so that it runs in any virtual machine. */
internal class ScreenStory(private val sink: Sink, private val tellsViews: Boolean = true) {
    /** Where it goes. */
    interface Sink {
        fun startView(name: String)
        fun pushView(name: String)
        fun stopView()
        fun processStart(type: String, duration: Duration)
        fun initialDisplay(duration: Duration)
        fun foreground(isForeground: Boolean)
    }

    private var started = 0
    private var shown: Int? = null
    private var firstSeen = false
    private var created: Long? = null

    /** A screen is created; of the first one it is remembered when, and whether it comes back from an earlier run. */
    fun created(now: Long, isRestored: Boolean) {
        if (firstSeen || created != null) return
        created = now
        coldness = if (isRestored) "warm" else "cold"
    }

    private var coldness = "cold"

    /** A screen is there; without a name it is no view. */
    fun started(screen: Int, name: String?) {
        if (started++ == 0) sink.foreground(true)
        show(screen, name)
    }

    /** A screen is in front, perhaps again: what lay over it without hiding it has gone. */
    fun resumed(screen: Int, name: String?) {
        if (screen != shown) show(screen, name)
    }

    private fun show(screen: Int, name: String?) {
        if (!tellsViews || name == null) return
        shown = screen
        sink.startView(name)
    }

    /** A screen is gone, or is made anew at once for another configuration. True: it was the last one, the app is in the background. */
    fun stopped(isMadeAnew: Boolean = false): Boolean {
        if (started == 0 || --started > 0 || isMadeAnew) return false
        sink.foreground(false)
        return true
    }

    /** The first frame of the first screen is drawn. */
    fun drawn(now: Long, processStart: Long?) {
        if (firstSeen) return
        firstSeen = true
        val begun = processStart ?: created ?: return
        // A process that was started long before its first screen was not started for it.
        val took = (now - begun).milliseconds
        if (took > MAX_START) return
        sink.processStart(coldness, took)
        sink.initialDisplay((now - (created ?: begun)).milliseconds)
    }

    private companion object {
        val MAX_START = 60_000.milliseconds
    }
}

/** The sink of an app. */
internal object ToThroughline : ScreenStory.Sink {
    /** What is known of the device; written by several sources. */
    var conditions = Conditions()
        private set

    override fun startView(name: String): Unit = Throughline.startView(name)

    override fun pushView(name: String): Unit = Throughline.pushView(name)

    override fun stopView(): Unit = Throughline.stopView()

    override fun processStart(type: String, duration: Duration): Unit = Throughline.processStart(type, duration)

    override fun initialDisplay(duration: Duration): Unit = Throughline.initialDisplay(duration)

    override fun foreground(isForeground: Boolean): Unit = change { copy(foreground = isForeground) }

    /** Frames of about a second, with a sample of the memory. On the thread of the frames. */
    fun drawn(frames: Long) {
        Throughline.frames(frames)
        ProcessMemory.resident()?.let(Throughline::memory)
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

/** Sorts frames: slow from 16 ms over their due, frozen as the core says. Tells the counts every second of frames. */
internal class FrameCounter(private val tell: (drawn: Long) -> Unit, private val slow: (Duration) -> Unit) {
    private var drawn = 0L

    fun frame(duration: Duration, due: Duration) {
        drawn++
        if (duration > due + SLACK) slow(duration)
        if (drawn >= TELL_EVERY) flush()
    }

    fun flush() {
        if (drawn > 0) tell(drawn)
        drawn = 0
    }

    private companion object {
        val SLACK = 16.milliseconds
        const val TELL_EVERY = 60L
    }
}
