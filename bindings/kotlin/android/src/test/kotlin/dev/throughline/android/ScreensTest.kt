package dev.throughline.android

import android.app.Activity
import android.app.Application
import android.view.MotionEvent
import android.view.PlacedButton
import android.view.PlacedGroup
import android.view.PlacedView
import android.view.Window
import android.view.at
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.lang.reflect.Proxy

/**
 * The framework's own application calls the callbacks. Activities are created without their
 * constructors, which would need a device.
 */
class ScreensTest {
    private open class Home : Activity() {
        var isTurned = false
        override fun getWindow(): Window? = null
        override fun isChangingConfigurations(): Boolean = isTurned
    }

    private class Sheet : Home()

    private val app = Application()
    private val options = AndroidOptions().apply { frames = false }

    /** Calls the application as `Activity` does. */
    private fun Activity.tell(vararg events: String) {
        for (event in events) {
            val method = Application::class.java.declaredMethods.single { it.name == "dispatchActivity$event" }
            method.isAccessible = true
            if (method.parameterCount == 1) method.invoke(app, this) else method.invoke(app, this, null)
        }
    }

    @Test
    fun `activities are views, those of a start before are not asked any more`() {
        val (before, told) = Told() to Told()
        var now = 1_000L
        Screens.replace(app, Screens(options, null, before) { now })
        Screens.replace(app, Screens(options, 300, told) { now })
        val home = withoutDevice<Home>()
        home.tell("Created", "Started", "Resumed")
        // It covers the screen before without hiding it.
        val sheet = withoutDevice<Sheet>()
        home.tell("Paused")
        sheet.tell("Created", "Started", "Resumed", "Paused")
        home.tell("Resumed")
        sheet.tell("Stopped", "Destroyed")
        // The device is turned.
        home.isTurned = true
        home.tell("Paused", "Stopped", "Destroyed")
        val again = withoutDevice<Home>()
        again.tell("Created", "Started", "Resumed")
        again.tell("Paused", "Stopped")
        assertEquals(emptyList<String>(), before.all)
        assertEquals(
            listOf("foreground", "view Home", "view Sheet", "view Home", "foreground", "view Home", "background"), told.all,
        )
    }

    @Test
    fun `a name that the app cannot give is its class's, and none is no view`() {
        val told = Told()
        options.screenName = { if (it is Sheet) null else error("the app's own bug") }
        Screens.replace(app, Screens(options, null, told) { 0 })
        withoutDevice<Home>().tell("Created", "Started", "Resumed")
        withoutDevice<Sheet>().tell("Created", "Started", "Resumed")
        assertEquals(listOf("foreground", "view Home"), told.all)
    }

    @Test
    fun `a tap is told by what it was made on, and goes on to the window in any case`() {
        val screen = withoutDevice<PlacedGroup>().at(0, 0, 100, 100)
        val label = withoutDevice<PlacedView>().at(0, 0, 100, 40)
        val button = withoutDevice<PlacedButton>().at(0, 40, 100, 80)
        screen.children = listOf(label, button)
        var passed = 0
        val inner = Proxy.newProxyInstance(javaClass.classLoader, arrayOf(Window.Callback::class.java)) { _, method, _ ->
            if (method.name == "dispatchTouchEvent") (++passed > 0) else null
        } as Window.Callback
        val taps = ArrayList<String>()
        val callback = TapCallback(inner, { taps += it }) { screen }
        fun touch(fromY: Float, toY: Float) {
            callback.dispatchTouchEvent(MotionEvent(MotionEvent.ACTION_DOWN, 50f, fromY))
            callback.dispatchTouchEvent(MotionEvent(MotionEvent.ACTION_MOVE, 50f, toY))
            assertTrue(callback.dispatchTouchEvent(MotionEvent(MotionEvent.ACTION_UP, 50f, toY)))
        }
        touch(60f, 62f)
        // A touch of a view that cannot be pressed, one beside every view, and a scroll.
        touch(20f, 20f)
        touch(90f, 90f)
        touch(79f, 45f)
        assertEquals(listOf("PlacedButton"), taps)
        TapCallback(inner, { taps += it }) { error("a window that is gone") }.dispatchTouchEvent(MotionEvent(MotionEvent.ACTION_UP, 0f, 0f))
        assertEquals(13, passed)
    }
}
