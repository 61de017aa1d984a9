package dev.throughline.android

import android.app.Activity
import androidx.fragment.app.DialogFragment
import androidx.fragment.app.Fragment
import androidx.fragment.app.FragmentActivity
import androidx.fragment.app.FragmentManager

/**
 * Fragments of androidx as views, dialogs as views over them. Loaded in apps alone that have androidx.fragment.
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
        // Another fragment's view ends the one before it; a dialog gives back what it covered.
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

        /** Watches an activity's fragments, those within fragments too. */
        fun watch(activity: Activity, options: AndroidOptions) {
            if (isThere) Watch.watch(activity, options)
        }
    }

    /** Apart, so that the class is not looked at where androidx is missing. */
    private object Watch {
        fun watch(activity: Activity, options: AndroidOptions) {
            val manager = (activity as? FragmentActivity)?.supportFragmentManager ?: return
            manager.registerFragmentLifecycleCallbacks(Fragments(ToThroughline, options.fragmentName), true)
        }
    }
}
