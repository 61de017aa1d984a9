package androidx.fragment.app

import android.app.Activity

// The members that are called, as androidx.fragment 1.x declares them; the bodies are of no use.

public open class Fragment

public open class DialogFragment : Fragment()

public open class FragmentActivity : Activity() {
    public open val supportFragmentManager: FragmentManager get() = throw UnsupportedOperationException()
}

public abstract class FragmentManager {
    public open fun registerFragmentLifecycleCallbacks(cb: FragmentLifecycleCallbacks, recursive: Boolean): Unit = Unit

    public abstract class FragmentLifecycleCallbacks {
        public open fun onFragmentResumed(fm: FragmentManager, f: Fragment): Unit = Unit

        public open fun onFragmentPaused(fm: FragmentManager, f: Fragment): Unit = Unit
    }
}
