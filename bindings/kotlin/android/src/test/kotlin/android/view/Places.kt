package android.view

/** A view at a place of the screen. The constructor of a view would need a device. */
open class PlacedView : View(null) {
    override fun getVisibility(): Int = VISIBLE
    override fun isClickable(): Boolean = false
    override fun getId(): Int = NO_ID
    override fun getLocationOnScreen(place: IntArray) {
        place[0] = mLeft
        place[1] = mTop
    }
}

/** A view that can be pressed. */
class PlacedButton : PlacedView() {
    override fun isClickable(): Boolean = true
}

/** A view that holds others. */
class PlacedGroup : ViewGroup(null) {
    @JvmField
    var children: List<View> = emptyList()

    override fun getVisibility(): Int = VISIBLE
    override fun isClickable(): Boolean = false
    override fun getChildCount(): Int = children.size
    override fun getChildAt(at: Int): View = children[at]
    override fun onLayout(changed: Boolean, left: Int, top: Int, right: Int, bottom: Int): Unit = Unit
    override fun getLocationOnScreen(place: IntArray): Unit = place.fill(0)
}

/** Puts a view at a place. The fields of its sides are visible only in this package. */
fun <T : View> T.at(left: Int, top: Int, right: Int, bottom: Int): T = apply {
    mLeft = left
    mTop = top
    mRight = right
    mBottom = bottom
}
