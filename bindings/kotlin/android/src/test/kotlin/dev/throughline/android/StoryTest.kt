package dev.throughline.android

import android.app.ActivityManager.RunningAppProcessInfo
import androidx.fragment.app.DialogFragment
import androidx.fragment.app.Fragment
import androidx.fragment.app.FragmentManager
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds

/** What a sink was told. */
internal class Told : ScreenStory.Sink {
    val all = ArrayList<String>()
    override fun startView(name: String) { all += "view $name" }
    override fun pushView(name: String) { all += "over $name" }
    override fun stopView() { all += "back" }
    override fun processStart(type: String, duration: Duration) { all += "$type $duration" }
    override fun initialDisplay(duration: Duration) { all += "first frame $duration" }
    override fun foreground(isForeground: Boolean) { all += if (isForeground) "foreground" else "background" }
}

/**
 * Tests the decisions of the Android module without a device. Robolectric, which would simulate
 * one, needs packages that are not on Maven Central.
 */
class StoryTest {
    @Test
    fun `a cold start, a second screen, and the way out`() {
        val told = Told()
        val story = ScreenStory(told, process = byUser)
        story.created(1_400, false)
        story.started(1, "Home")
        story.resumed(1, "Home")
        story.drawn(1_900)
        story.created(5_000, false)
        story.started(2, "Cart")
        story.resumed(2, "Cart")
        story.stopped(1)
        story.drawn(5_100)
        story.stopped(2)
        story.stopped(2)
        assertEquals(listOf("view Home", "cold 900ms", "first frame 500ms", "view Cart", "background"), told.all)
    }

    @Test
    fun `a screen that was not hidden is a view again, and a turn of the device is no way out`() {
        val told = Told()
        val story = ScreenStory(told)
        story.started(1, "Home")
        story.resumed(1, "Home")
        assertEquals("foreground", told.all.removeAt(0))
        // A transparent screen: the one under it stays started.
        story.started(2, "Sure")
        story.resumed(2, "Sure")
        story.resumed(1, "Home")
        story.stopped(2)
        // The device is turned, and the system creates the screen again.
        assertFalse(story.stopped(1, isRecreated = true))
        story.started(3, "Home")
        story.resumed(3, "Home")
        assertTrue(story.stopped(3))
        assertEquals(listOf("view Home", "view Sure", "view Home", "view Home", "background"), told.all)
    }

    @Test
    fun `of a trace its beginning is kept`() {
        val slow = object : java.io.InputStream() {
            private val text = "é".repeat(40_000).toByteArray()
            private var at = 0
            override fun read(): Int = if (at < text.size) text[at++].toInt() and 0xFF else -1
            override fun read(into: ByteArray, from: Int, most: Int): Int = super.read(into, from, minOf(most, 7))
        }
        assertEquals("é".repeat(16_384), ExitReasons.beginningOf(slow))
        assertEquals("", ExitReasons.beginningOf(ByteArray(0).inputStream()))
    }

    private class Home : Fragment()
    private class NavHostFragment : Fragment()
    private class Sure : DialogFragment()

    @Test
    fun `fragments are views, dialogs lie over them, and those that only hold others are none`() {
        val told = Told()
        val manager = object : FragmentManager() {}
        val fragments = Fragments(told, AndroidOptions().fragmentName)
        val sure = Sure()
        fragments.onFragmentResumed(manager, NavHostFragment())
        fragments.onFragmentResumed(manager, Home())
        fragments.onFragmentResumed(manager, sure)
        fragments.onFragmentPaused(manager, sure)
        fragments.onFragmentPaused(manager, Home())
        Fragments(told) { error("the app's own bug") }.onFragmentResumed(manager, Home())
        assertEquals(listOf("view Home", "over Sure", "back"), told.all)
    }

    @Test
    fun `a process that a push started long ago is no slow start`() {
        val told = Told()
        val story = ScreenStory(told, process = byPush)
        story.turned(1_100)
        story.created(31_000, false)
        story.started(1, "Home")
        story.drawn(31_300)
        // It was there already: its screen alone had to be made.
        assertEquals(listOf("foreground", "view Home", "warm 300ms", "first frame 300ms"), told.all)
    }

    @Test
    fun `a screen that comes long after its process is no slow start, even if the process was in front`() {
        // A receiver of a broadcast is as important as a screen while it runs.
        val told = Told()
        ScreenStory(told, process = byUser).apply {
            turned(1_100)
            created(20_000, false)
            drawn(20_200)
        }
        assertEquals(listOf("warm 200ms", "first frame 200ms"), told.all)
        // Since Android 14 the turn of the main thread may end before the screen is created.
        told.all.clear()
        ScreenStory(told, process = byUser).apply {
            turned(1_100)
            created(1_150, false)
            drawn(1_400)
        }
        assertEquals(listOf("cold 400ms", "first frame 250ms"), told.all)
        // A start of the system's that takes a minute is a mistake of the clock's.
        told.all.clear()
        ScreenStory(told, process = byUser).apply {
            created(90_000, false)
            drawn(90_100)
        }
        assertEquals(emptyList<String>(), told.all)
    }

    @Test
    fun `a story that begins when screens are there already does not take the next one for the last`() {
        val told = Told()
        val story = ScreenStory(told, process = byUser)
        // It begins within the second screen. The first one, which nobody told of, is stopped.
        story.started(2, "Cart")
        story.resumed(2, "Cart")
        assertFalse(story.stopped(1))
        assertFalse(story.stopped(1))
        story.drawn(99_000)
        assertTrue(story.stopped(2))
        assertEquals(listOf("view Cart", "background"), told.all)
    }

    @Test
    fun `a story that begins over a screen in front learns of it when it is left`() {
        val told = Told()
        val story = ScreenStory(told, process = byUser)
        story.paused(1)
        assertTrue(story.stopped(1))
        story.started(1, "Home")
        assertEquals(listOf("background", "foreground", "view Home"), told.all)
        // Two screens that nobody told of: the one below goes on.
        told.all.clear()
        val other = ScreenStory(told, process = byUser)
        other.paused(8)
        other.resumed(7, "Below")
        assertFalse(other.stopped(8))
        assertTrue(other.stopped(7))
        assertEquals(listOf("view Below", "background"), told.all)
    }

    @Test
    fun `a client that starts on a screen, as after a question for consent, makes the next screen no cold start`() {
        for (first in listOf<ScreenStory.() -> Unit>({ paused(1) }, { resumed(1, "Home") })) {
            val told = Told()
            ScreenStory(told, process = byUser).apply {
                turned(21_000)
                first()
                paused(1)
                created(21_500, false)
                started(2, "Cart")
                drawn(21_700)
            }
            assertEquals(emptyList<String>(), told.all.filter { "view" !in it })
        }
        // A screen that has started the client itself is the first one.
        val told = Told()
        ScreenStory(told, process = byUser).apply {
            started(1, "Home")
            resumed(1, "Home")
            paused(1)
            created(1_500, false)
            drawn(1_700)
        }
        assertEquals(listOf("view Home", "cold 700ms", "first frame 200ms"), told.all)
    }

    @Test
    fun `a process starts once, however often the client does`() {
        val told = Told()
        val first = ScreenStory(told, process = byUser)
        first.created(1_100, false)
        first.started(1, "Home")
        first.drawn(1_200)
        told.all.clear()
        ScreenStory(told, process = byUser).apply {
            follow(first)
            created(30_000, false)
            started(2, "Cart")
            drawn(30_100)
            assertFalse(stopped(1))
            assertTrue(stopped(2))
        }
        assertEquals(listOf("view Cart", "background"), told.all)
    }

    @Test
    fun `a screen is a view again after one whose fragments were views`() {
        val told = Told()
        val story = ScreenStory(told, hasFragments = true, process = byUser)
        story.started(1, "Home")
        story.resumed(1, "Home")
        // A dialog lies over it, and its fragment is a view.
        story.started(2, null)
        story.resumed(2, null)
        story.resumed(1, "Home")
        assertEquals(listOf("view Home", "view Home"), told.all)
    }

    @Test
    fun `a process that the user does not see is in the background, whatever runs in it`() {
        assertTrue(ProcessState.isVisible(RunningAppProcessInfo.IMPORTANCE_FOREGROUND))
        assertTrue(ProcessState.isVisible(RunningAppProcessInfo.IMPORTANCE_VISIBLE))
        for (hidden in listOf(
            RunningAppProcessInfo.IMPORTANCE_FOREGROUND_SERVICE, RunningAppProcessInfo.IMPORTANCE_PERCEPTIBLE,
            RunningAppProcessInfo.IMPORTANCE_SERVICE, RunningAppProcessInfo.IMPORTANCE_CACHED,
        )) assertFalse(ProcessState.isVisible(hidden), "$hidden")
    }

    @Test
    fun `frames are counted, slow ones are told one by one`() {
        var drawn = 0L
        val slow = ArrayList<Duration>()
        val counter = FrameCounter({ drawn += it }, { slow += it })
        repeat(100) { counter.frame((if (it == 50) 720 else 10).milliseconds, 16.7.milliseconds) }
        assertEquals(60, drawn)
        counter.flush()
        counter.flush()
        assertEquals(100, drawn)
        assertEquals(listOf(720.milliseconds), slow)
    }

    @Test
    fun `what is smooth at sixty frames a second is slow at a hundred and twenty`() {
        var rate = 60f
        val time = FrameTime { rate }
        val slow = ArrayList<Duration>()
        val counter = FrameCounter({}, { slow += it })
        counter.frame(20.milliseconds, time.at(0.milliseconds))
        counter.frame(34.milliseconds, time.at(1.milliseconds))
        // The display changes its rate while it shows frames.
        rate = 120f
        counter.frame(20.milliseconds, time.at(499.milliseconds))
        counter.frame(20.milliseconds, time.at(501.milliseconds))
        counter.frame(16.milliseconds, time.at(502.milliseconds))
        assertEquals(listOf(34.milliseconds, 20.milliseconds), slow)
        // A display that says nothing, or throws, is a usual one.
        rate = 0f
        assertEquals(16_666_667, time.at(2_000.milliseconds).inWholeNanoseconds)
        assertEquals(16_666_667, FrameTime { error("gone") }.at(0.milliseconds).inWholeNanoseconds)
    }

    @Test
    fun `memory is what the kernel says, or nothing`() {
        val resident = ProcessMemory.resident()!!
        assertTrue(resident > 10 * 1_024 * 1_024, "$resident")
        assertNull(ProcessMemory.resident(File("/nowhere")))
        assertNull(ProcessMemory.resident(File("/dev/null")))
    }

    private companion object {
        /** Processes that were started 1,000 ms after the boot. */
        val byUser = ProcessState(isForeground = true, started = 1_000)
        val byPush = ProcessState(isForeground = false, started = 1_000)
    }
}
