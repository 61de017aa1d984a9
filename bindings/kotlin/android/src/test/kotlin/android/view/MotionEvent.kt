// Stands in for native methods, as `android/os/Device.kt` does.
package android.view

import android.os.Parcel

class MotionEvent(val actionMasked: Int, val rawX: Float, val rawY: Float) : InputEvent() {
    override fun getDeviceId(): Int = 0
    override fun getSource(): Int = 0
    override fun setSource(source: Int): Unit = Unit
    override fun getDisplayId(): Int = 0
    override fun setDisplayId(id: Int): Unit = Unit
    override fun copy(): InputEvent = this
    override fun isTainted(): Boolean = false
    override fun setTainted(isTainted: Boolean): Unit = Unit
    override fun getEventTime(): Long = 0
    override fun getEventTimeNanos(): Long = 0
    override fun cancel(): Unit = Unit
    override fun getId(): Int = 0
    override fun writeToParcel(parcel: Parcel, flags: Int): Unit = Unit

    companion object {
        const val ACTION_DOWN: Int = 0
        const val ACTION_UP: Int = 1
        const val ACTION_MOVE: Int = 2
    }
}
