package dev.throughline.android

import android.app.Activity
import android.app.Application
import android.view.DrawnView
import android.view.MotionEvent
import android.view.PlacedButton
import android.view.PlacedGroup
import android.view.PlacedView
import android.view.Window
import android.view.at
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.BeforeEach
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
    private val seen = ProcessState(isForeground = true, started = 300)
    private val hidden = ProcessState(isForeground = false, started = null)
    private val options = AndroidOptions().apply { frames = false }

    @BeforeEach
    fun taps() {
        TapCallback.isOn = true
    }

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
        Screens.replace(app, Screens(options, seen, before) { now })
        Screens.replace(app, Screens(options, seen, told) { now })
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
            listOf("view Home", "view Sheet", "view Home", "view Home", "background"), told.all,
        )
    }

    @Test
    fun `a name that the app cannot give is its class's, and none is no view`() {
        val told = Told()
        options.screenName = { if (it is Sheet) null else error("the app's own bug") }
        Screens.replace(app, Screens(options, hidden, told) { 0 })
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

    @Test
    fun `a client that starts within the second screen does not go to the background with the first`() {
        val told = Told()
        val home = withoutDevice<Home>()
        val sheet = withoutDevice<Sheet>()
        home.tell("Created", "Started", "Resumed")
        Screens.replace(app, Screens(options, seen, told) { 0 })
        home.tell("Paused")
        sheet.tell("Created", "Started", "Resumed")
        home.tell("Stopped", "Destroyed")
        assertEquals(listOf("view Sheet"), told.all)
        sheet.tell("Paused", "Stopped")
        assertEquals(listOf("view Sheet", "background"), told.all)
    }

    @Test
    fun `a second start knows the screens that are there, and tells no second start of the process`() {
        val told = Told()
        val (home, sheet) = withoutDevice<Home>() to withoutDevice<Sheet>()
        Screens.replace(app, Screens(options, seen, Told()) { 0 })
        home.tell("Created", "Started", "Resumed")
        // Two tasks lie side by side.
        sheet.tell("Created", "Started", "Resumed")
        Screens.replace(app, Screens(options, seen, told) { 0 })
        sheet.tell("Paused", "Stopped", "Destroyed")
        assertEquals(emptyList<String>(), told.all)
        home.tell("Paused", "Stopped")
        assertEquals(listOf("background"), told.all)
    }

    /** What a window has of a callback. Windows themselves need a device. */
    private class Place(var callback: Window.Callback) {
        fun wrap() {
            TapCallback.wrapper(this, callback) { error("nobody touches it") }?.let { callback = it }
        }
    }

    private fun plain(): Window.Callback = Proxy.newProxyInstance(javaClass.classLoader, arrayOf(Window.Callback::class.java)) { _, _, _ -> null } as Window.Callback

    /** The wrapper of another SDK. */
    private class Foreign(private val wrapped: Window.Callback) : Window.Callback by wrapped

    /** A wrapper that keeps what it wraps where nobody finds it. */
    private fun hiding(inner: Window.Callback) = Proxy.newProxyInstance(javaClass.classLoader, arrayOf(Window.Callback::class.java)) { _, method, arguments ->
        method.invoke(inner, *(arguments ?: emptyArray()))
    } as Window.Callback

    @Test
    fun `a window that another SDK wraps again and again has one wrapper of ours`() {
        for (wrap in listOf<(Window.Callback) -> Window.Callback>({ Foreign(it) }, ::hiding)) {
            val window = Place(plain())
            repeat(50) {
                window.wrap()
                window.callback = wrap(window.callback)
            }
            val bottom = window.callback
            window.wrap()
            assertSame(bottom, window.callback)
            var taps = 0
            // The touches of a wrapper below would be told twice.
            var at: Window.Callback? = bottom
            while (at is Foreign || at is TapCallback) {
                if (at is TapCallback) taps++
                at = if (at is TapCallback) at.inner else Foreign::class.java.getDeclaredField("wrapped").apply { isAccessible = true }.get(at) as Window.Callback
            }
            assertTrue(taps <= 1, "$taps")
        }
    }

    @Test
    fun `a window whose wrapper was taken away is wrapped again`() {
        val own = plain()
        val window = Place(own)
        window.wrap()
        assertTrue(window.callback is TapCallback)
        window.callback = own
        window.wrap()
        assertTrue(window.callback is TapCallback)
        assertSame(own, (window.callback as TapCallback).inner)
    }

    @Test
    fun `a wrapper that cannot be taken away is silent when taps are off`() {
        val screen = withoutDevice<PlacedButton>().at(0, 0, 100, 100)
        val taps = ArrayList<String>()
        val callback = TapCallback(plain().let { inner -> object : Window.Callback by inner { override fun dispatchTouchEvent(event: MotionEvent?) = true } }, { taps += it }) { screen }
        for ((isOn, expected) in listOf(false to 0, true to 1)) {
            Screens.replace(app, Screens(AndroidOptions().apply { this.taps = isOn }, seen, Told()) { 0 })
            assertTrue(callback.dispatchTouchEvent(MotionEvent(MotionEvent.ACTION_DOWN, 50f, 50f)))
            assertTrue(callback.dispatchTouchEvent(MotionEvent(MotionEvent.ACTION_UP, 50f, 50f)))
            assertEquals(expected, taps.size)
        }
    }

    @Test
    fun `the first frame is told once, and its listener goes when the view does not draw`() {
        for (sdk in listOf(24, 25, 26, 35)) {
            val decor = withoutDevice<DrawnView>().ready()
            var drawn = 0
            FirstDraw(decor, sdk) { drawn++ }.watch()
            // Before Android 8 a listener of a view that is not attached would be lost.
            assertEquals(if (sdk < 26) 0 else 1, decor.listeners())
            decor.attach()
            assertEquals(1, decor.listeners())
            decor.draw()
            decor.draw()
            assertEquals(1, drawn)
            // Nothing was removed inside the drawing.
            assertEquals(1, decor.listeners())
            decor.turn()
            assertEquals(0, decor.listeners())
            assertEquals(0, decor.attaching)
        }
    }

    @Test
    fun `the first frame of a view that is gone is not waited for, and ends nothing`() {
        val decor = withoutDevice<DrawnView>().ready()
        FirstDraw(decor, 25) { error("the app's own bug") }.watch()
        decor.attach()
        decor.draw()
        decor.kill()
        decor.turn()
        FirstDraw(decor, 35) {}.watch()
        assertEquals(1, decor.listeners())
    }

    @Test
    fun `the rate of a display is known although its view is attached after the screen is resumed`() {
        val decor = withoutDevice<DrawnView>().ready()
        val rate = FrameWatch.rateOf(decor) { 120f }
        assertEquals(0f, rate())
        decor.shownOn = withoutDevice()
        assertEquals(120f, rate())
        decor.shownOn = null
        assertEquals(0f, rate())
    }
}
