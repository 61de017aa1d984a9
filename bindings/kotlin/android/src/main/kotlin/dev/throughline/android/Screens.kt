package dev.throughline.android

import android.app.Activity
import android.app.Application
import android.os.Bundle
import android.os.Handler
import android.os.HandlerThread
import android.os.SystemClock
import android.view.FrameMetrics
import android.view.KeyboardShortcutGroup
import android.view.Menu
import android.view.MotionEvent
import android.view.View
import android.view.ViewGroup
import android.view.ViewTreeObserver
import android.view.Window
import dev.throughline.Throughline
import dev.throughline.slowFrame
import kotlin.time.Duration.Companion.nanoseconds

/** Makes activities views, with their frames and taps. Nothing here may throw into the app. */
internal class Screens(
    private val options: AndroidOptions,
    startedAgo: Long?,
    sink: ScreenStory.Sink = ThroughlineSink,
    private val now: () -> Long = SystemClock::elapsedRealtime,
) : Application.ActivityLifecycleCallbacks {
    private val story = ScreenStory(sink, options.screens)
    private val processStart = startedAgo?.let { now() - it }
    private val frames = FrameCounter(ThroughlineSink::drawn) { Throughline.slowFrame(it) }

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
        if (options.screens) firstDraw(activity.window.decorView)
        if (options.frames) FrameWatch.watch(activity.window, frames)
    }

    private fun firstDraw(decor: View) {
        val observer = decor.viewTreeObserver
        if (!observer.isAlive) return
        observer.addOnDrawListener(object : ViewTreeObserver.OnDrawListener {
            private var seen = false

            override fun onDraw() {
                if (seen) return
                seen = true
                story.drawn(now(), processStart)
                // A listener must not be removed while the view draws.
                decor.post { if (decor.viewTreeObserver.isAlive) decor.viewTreeObserver.removeOnDrawListener(this) }
            }
        })
    }

    override fun onActivityPaused(activity: Activity): Unit = guarded {
        if (options.frames) FrameWatch.leave(activity.window, frames)
    }

    override fun onActivityStopped(activity: Activity): Unit = guarded {
        if (story.stopped(activity.isChangingConfigurations)) UploadService.schedule(activity)
    }

    override fun onActivitySaveInstanceState(activity: Activity, state: Bundle): Unit = Unit

    override fun onActivityDestroyed(activity: Activity): Unit = Unit

    companion object {
        private var current: Screens? = null

        /** Watches with these from now on, and no more with those of an earlier start. */
        @Synchronized
        fun replace(application: Application, screens: Screens) {
            current?.let(application::unregisterActivityLifecycleCallbacks)
            application.registerActivityLifecycleCallbacks(screens)
            current = screens
        }
    }
}

/** Measures frames, on a thread of its own. */
internal object FrameWatch {
    private val handler by lazy { Handler(HandlerThread("throughline-frames").apply { start() }.looper) }
    private val listeners = java.util.WeakHashMap<Window, Window.OnFrameMetricsAvailableListener>()
    private val DUE = 16_666_667.nanoseconds

    fun watch(window: Window, counter: FrameCounter) {
        if (listeners.containsKey(window)) return
        val listener = Window.OnFrameMetricsAvailableListener { _, metrics, _ ->
            counter.frame(metrics.getMetric(FrameMetrics.TOTAL_DURATION).nanoseconds, DUE)
        }
        listeners[window] = listener
        window.addOnFrameMetricsAvailableListener(listener, handler)
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

/** Sees touches before the window does, and passes on all of them. */
internal class TapCallback(
    private val inner: Window.Callback,
    private val tapped: (String) -> Unit = Throughline::tap,
    private val decor: () -> View,
) : Window.Callback by inner {
    private var downX = 0f
    private var downY = 0f

    override fun dispatchTouchEvent(event: MotionEvent?): Boolean {
        try {
            if (event != null) watch(event)
        } catch (failure: Exception) {
            // The touch is passed on even if its tap cannot be recorded.
        }
        return inner.dispatchTouchEvent(event)
    }

    // Kotlin delegates only abstract methods. These have bodies in the interface.
    override fun onProvideKeyboardShortcuts(
        data: MutableList<KeyboardShortcutGroup>?,
        menu: Menu?,
        deviceId: Int,
    ): Unit = inner.onProvideKeyboardShortcuts(data, menu, deviceId)

    override fun onPointerCaptureChanged(hasCapture: Boolean): Unit = inner.onPointerCaptureChanged(hasCapture)

    private fun watch(event: MotionEvent) {
        when (event.actionMasked) {
            MotionEvent.ACTION_DOWN -> {
                downX = event.rawX
                downY = event.rawY
            }
            MotionEvent.ACTION_UP -> {
                val moved = maxOf(Math.abs(event.rawX - downX), Math.abs(event.rawY - downY))
                if (moved < SLOP) nameAt(decor(), event.rawX.toInt(), event.rawY.toInt())?.let(tapped)
            }
        }
    }

    /**
     * The name of the innermost view that can be clicked: that of its id, else that of its class.
     */
    private fun nameAt(view: View, x: Int, y: Int): String? {
        if (view.visibility != View.VISIBLE) return null
        val place = IntArray(2)
        view.getLocationOnScreen(place)
        if (x < place[0] || y < place[1] || x >= place[0] + view.width || y >= place[1] + view.height) return null
        if (view is ViewGroup) {
            for (at in view.childCount - 1 downTo 0) nameAt(view.getChildAt(at), x, y)?.let { return it }
        }
        if (!view.isClickable) return null
        if (view.id == View.NO_ID) return view.javaClass.simpleName
        return try {
            view.resources.getResourceEntryName(view.id)
        } catch (unknown: android.content.res.Resources.NotFoundException) {
            view.javaClass.simpleName
        }
    }

    companion object {
        /** How many pixels a tap may move. */
        private const val SLOP = 24f

        fun wrap(window: Window) {
            val inner = window.callback ?: return
            if (inner !is TapCallback) window.callback = TapCallback(inner) { window.decorView }
        }
    }
}
