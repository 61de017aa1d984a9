package dev.throughline.android

import android.app.Activity
import androidx.fragment.app.DialogFragment
import androidx.fragment.app.Fragment
import androidx.fragment.app.FragmentActivity
import androidx.fragment.app.FragmentManager

/**
 * Makes fragments of androidx views, and dialogs views over them. Only an app that has
 * androidx.fragment loads this class.
 */
internal class Fragments(
    private val sink: ScreenStory.Sink,
    private val nameOf: (Any) -> String?,
) : FragmentManager.FragmentLifecycleCallbacks() {
    override fun onFragmentResumed(fm: FragmentManager, f: Fragment): Unit = guarded {
        val name = nameOf(f) ?: return
        if (f is DialogFragment) sink.pushView(name) else sink.startView(name)
    }

    override fun onFragmentPaused(fm: FragmentManager, f: Fragment): Unit = guarded {
        // The view of another fragment ends the one before it. A dialog was pushed over a view.
        if (f is DialogFragment && nameOf(f) != null) sink.stopView()
    }

    companion object {
        private val isThere: Boolean by lazy {
            try {
                Class.forName("androidx.fragment.app.FragmentActivity", false, Fragments::class.java.classLoader)
                true
            } catch (missing: ClassNotFoundException) {
                false
            }
        }

        /** Watches the fragments of an activity, also those within fragments. */
        fun watch(activity: Activity, options: AndroidOptions) {
            if (isThere) Watch.watch(activity, options)
        }
    }

    /** In an object of its own, so that its class is not loaded when androidx is missing. */
    private object Watch {
        fun watch(activity: Activity, options: AndroidOptions) {
            val manager = (activity as? FragmentActivity)?.supportFragmentManager ?: return
            manager.registerFragmentLifecycleCallbacks(Fragments(ThroughlineSink, options.fragmentName), true)
        }
    }
}
