package dev.throughline.android

import android.app.Activity
import android.app.Dialog
import android.view.KeyboardShortcutGroup
import android.view.Menu
import android.view.MotionEvent
import android.view.View
import android.view.ViewGroup
import android.view.Window
import dev.throughline.Throughline
import java.lang.ref.WeakReference
import java.util.WeakHashMap

/** Sees touches before the window does, and passes on all of them. */
internal class TapCallback(
    val inner: Window.Callback,
    private val tapped: (String) -> Unit = Throughline::tap,
    private val decor: () -> View,
) : Window.Callback by inner {
    private var downX = 0f
    private var downY = 0f

    override fun dispatchTouchEvent(event: MotionEvent?): Boolean {
        try {
            if (event != null && isOn) watch(event)
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

        /** How many wrappers of other SDKs are looked through. */
        private const val MAX_WRAPPERS = 16

        /** Whether taps are recorded. A wrapper stays, because another may have been put over it. */
        @Volatile
        var isOn = true

        /** The wrapper of each window. A window holds its wrapper, so that this need not. */
        private val known = WeakHashMap<Any, WeakReference<TapCallback>>()

        /**
         * Wraps the callback of a window, once, also when another SDK has put its own wrapper over
         * it since.
         */
        fun wrap(window: Window) {
            wrapper(window, window.callback ?: return) { window.decorView }?.let { window.callback = it }
        }

        /** The wrapper for the callback on top of a window. Null when there is one already. */
        fun wrapper(window: Any, top: Window.Callback, decor: () -> View): TapCallback? {
            if (isWrapped(top, known[window]?.get())) return null
            return TapCallback(top, decor = decor).also { known[window] = WeakReference(it) }
        }

        /** Whether [mine], or another of these, is below [top]. */
        private fun isWrapped(top: Window.Callback, mine: TapCallback?): Boolean {
            var at = top
            repeat(MAX_WRAPPERS) {
                if (at is TapCallback) return true
                // This is the bottom, and none of ours was above it.
                if (at === mine?.inner || at is Activity || at is Dialog) return false
                // Where a wrapper hides what it wraps, ours is believed to be there still.
                at = innerOf(at) ?: return mine != null
            }
            return mine != null
        }

        /** What a wrapper of another SDK wraps: no field of a class of its own says more. */
        private fun innerOf(wrapper: Window.Callback): Window.Callback? {
            var type: Class<*>? = wrapper.javaClass
            while (type != null && type != Any::class.java) {
                for (field in type.declaredFields) {
                    if (!Window.Callback::class.java.isAssignableFrom(field.type)) continue
                    try {
                        field.isAccessible = true
                        (field.get(wrapper) as? Window.Callback)?.let { return it }
                    } catch (refused: Exception) {
                        // The next field may say it.
                    }
                }
                type = type.superclass
            }
            return null
        }
    }
}
