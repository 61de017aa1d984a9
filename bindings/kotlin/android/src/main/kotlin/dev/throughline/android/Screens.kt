package dev.throughline.android

import android.app.Activity
import android.app.Application
import android.os.Build
import android.os.Bundle
import android.os.Handler
import android.os.HandlerThread
import android.view.Display
import android.view.FrameMetrics
import android.view.View
import android.view.ViewTreeObserver
import android.view.Window
import dev.throughline.Throughline
import dev.throughline.slowFrame
import java.lang.ref.WeakReference
import kotlin.time.Duration.Companion.nanoseconds

/** Makes activities views, with their frames and taps. Nothing here may throw into the app. */
internal class Screens(
    private val options: AndroidOptions,
    process: ProcessState,
    sink: ScreenStory.Sink = ThroughlineSink,
    private val now: () -> Long = ProcessState::clock,
) : Application.ActivityLifecycleCallbacks {
    private val story = ScreenStory(sink, options.screens, options.fragments, process)
    private val frames = FrameCounter(ThroughlineSink::drawn) { Throughline.slowFrame(it) }

    /** The main thread has ended the turn in which these began to watch. */
    fun turned(): Unit = story.turned(now())

    override fun onActivityCreated(activity: Activity, state: Bundle?): Unit = guarded {
        story.created(now(), state != null)
        if (options.fragments) Fragments.watch(activity, options)
    }

    override fun onActivityStarted(activity: Activity): Unit = guarded {
        story.started(System.identityHashCode(activity), nameOf(activity))
        if (options.taps) TapCallback.wrap(activity.window)
    }

    private fun nameOf(activity: Activity): String? = try {
        options.screenName(activity)
    } catch (failure: Exception) {
        activity.javaClass.simpleName
    }

    override fun onActivityResumed(activity: Activity): Unit = guarded {
        story.resumed(System.identityHashCode(activity), nameOf(activity))
        if (options.screens && !story.isDrawn) FirstDraw(activity.window.decorView) { story.drawn(now()) }.watch()
        if (options.frames) FrameWatch.watch(activity.window, frames)
    }

    override fun onActivityPaused(activity: Activity): Unit = guarded {
        story.paused(System.identityHashCode(activity))
        // Also when only an earlier start has watched the frames.
        FrameWatch.leave(activity.window, frames)
    }

    override fun onActivityStopped(activity: Activity): Unit = guarded {
        if (story.stopped(System.identityHashCode(activity), activity.isChangingConfigurations)) UploadService.schedule(activity)
    }

    override fun onActivitySaveInstanceState(activity: Activity, state: Bundle): Unit = Unit

    override fun onActivityDestroyed(activity: Activity): Unit = Unit

    companion object {
        private var current: Screens? = null
        private var watched: Application? = null

        /** Watches with these from now on, and no more with those of an earlier start. */
        @Synchronized
        fun replace(application: Application, screens: Screens) {
            current?.let { before ->
                watched?.unregisterActivityLifecycleCallbacks(before)
                if (watched === application) screens.story.follow(before.story)
            }
            // A window keeps its wrapper, which then only passes on.
            TapCallback.isOn = screens.options.taps
            application.registerActivityLifecycleCallbacks(screens)
            current = screens
            watched = application
        }
    }
}

/** Tells when a view is drawn for the first time. */
internal class FirstDraw(
    private val decor: View,
    private val sdk: Int = Build.VERSION.SDK_INT,
    private val drawn: () -> Unit,
) : ViewTreeObserver.OnDrawListener, View.OnAttachStateChangeListener {
    private var isSeen = false

    /** Begins to watch, on the main thread. */
    fun watch() {
        // Before Android 8, what is added before the view is attached is lost.
        if (sdk < Build.VERSION_CODES.O && !decor.isAttachedToWindow) decor.addOnAttachStateChangeListener(this) else add()
    }

    private fun add() {
        if (decor.viewTreeObserver.isAlive) decor.viewTreeObserver.addOnDrawListener(this)
    }

    override fun onViewAttachedToWindow(view: View): Unit = guarded {
        decor.removeOnAttachStateChangeListener(this)
        add()
    }

    override fun onViewDetachedFromWindow(view: View): Unit = Unit

    override fun onDraw(): Unit = guarded {
        if (isSeen) return
        isSeen = true
        drawn()
        // A listener must not be removed while the view draws: before Android 8 that ends the app.
        decor.post { guarded { if (decor.viewTreeObserver.isAlive) decor.viewTreeObserver.removeOnDrawListener(this) } }
    }
}

/** Measures frames, on a thread of its own. */
internal object FrameWatch {
    private val handler by lazy { Handler(HandlerThread("throughline-frames").apply { start() }.looper) }
    private val listeners = java.util.WeakHashMap<Window, Window.OnFrameMetricsAvailableListener>()

    fun watch(window: Window, counter: FrameCounter) {
        if (listeners.containsKey(window)) return
        val time = FrameTime(rateOf(window.decorView))
        val listener = Window.OnFrameMetricsAvailableListener { _, metrics, _ ->
            val due = time.at(System.nanoTime().nanoseconds)
            counter.frame(metrics.getMetric(FrameMetrics.TOTAL_DURATION).nanoseconds, due)
        }
        listeners[window] = listener
        window.addOnFrameMetricsAvailableListener(listener, handler)
    }

    /**
     * Asks for the rate of the display on which a view is. A view has none before it is attached,
     * which is after its first screen is resumed, and it may move to another one.
     */
    fun rateOf(decor: View, rate: (Display) -> Float = Display::getRefreshRate): () -> Float {
        // The listener must not hold the window, which is its key.
        val view = WeakReference(decor)
        return { view.get()?.display?.let(rate) ?: 0f }
    }

    fun leave(window: Window, counter: FrameCounter) {
        val listener = listeners.remove(window) ?: return
        try {
            window.removeOnFrameMetricsAvailableListener(listener)
        } catch (gone: IllegalArgumentException) {
            // The window has removed it already.
        }
        handler.post { counter.flush() }
    }
}
