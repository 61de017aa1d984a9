package android.view

/** A view at a place of the screen, without what its constructor needs of a device. */
open class PlacedView : View(null) {
    override fun getVisibility(): Int = VISIBLE
    override fun isClickable(): Boolean = false
    override fun getId(): Int = NO_ID
    override fun getLocationOnScreen(place: IntArray) {
        place[0] = mLeft
        place[1] = mTop
    }
}

/** What can be pressed. */
class PlacedButton : PlacedView() {
    override fun isClickable(): Boolean = true
}

/** Holds others. */
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

/** Puts a view somewhere: its sides are the package's own. */
fun <T : View> T.at(left: Int, top: Int, right: Int, bottom: Int): T = apply {
    mLeft = left
    mTop = top
    mRight = right
    mBottom = bottom
}
