package android.view

import java.util.ArrayDeque

/** A view that is drawn when a test says so, with the framework's own observer. */
class DrawnView : View(null) {
    @JvmField
    var observer: ViewTreeObserver? = null

    @JvmField
    var posted: ArrayDeque<Runnable>? = null

    @JvmField
    var isAttached = false

    @JvmField
    var waiting: ArrayList<OnAttachStateChangeListener>? = null

    @JvmField
    var shownOn: Display? = null

    override fun getDisplay(): Display? = shownOn

    /** How many wait for the view to be attached. */
    val attaching: Int get() = waiting!!.size

    /** What the constructor, which would need a device, would do. */
    fun ready(): DrawnView = apply {
        observer = dev.throughline.android.withoutDevice<ViewTreeObserver>()
        field("mAlive").setBoolean(observer, true)
        posted = ArrayDeque()
        waiting = ArrayList()
    }

    private fun field(name: String) = ViewTreeObserver::class.java.getDeclaredField(name).apply { isAccessible = true }

    override fun getViewTreeObserver(): ViewTreeObserver = observer!!

    override fun isAttachedToWindow(): Boolean = isAttached

    override fun addOnAttachStateChangeListener(listener: OnAttachStateChangeListener) {
        waiting!! += listener
    }

    override fun removeOnAttachStateChangeListener(listener: OnAttachStateChangeListener) {
        waiting!! -= listener
    }

    override fun post(work: Runnable): Boolean = posted!!.add(work)

    fun attach() {
        isAttached = true
        for (listener in ArrayList(waiting!!)) listener.onViewAttachedToWindow(this)
    }

    fun draw(): Unit = observer!!.dispatchOnDraw()

    /** The observer belongs to no view any more. */
    fun kill(): Unit = field("mAlive").setBoolean(observer, false)

    /** The main thread's next turn. */
    fun turn() {
        while (posted!!.isNotEmpty()) posted!!.removeFirst().run()
    }

    fun listeners(): Int = (field("mOnDrawListeners").get(observer) as List<*>?)?.size ?: 0
}
