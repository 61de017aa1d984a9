package dev.throughline.android

import android.app.ApplicationExitInfo
import androidx.fragment.app.DialogFragment
import androidx.fragment.app.Fragment
import androidx.fragment.app.FragmentManager
import dev.throughline.ErrorKind
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
        val story = ScreenStory(told)
        story.created(1_400, false)
        story.started(1, "Home")
        story.resumed(1, "Home")
        story.drawn(1_900, processStart = 1_000)
        story.created(5_000, false)
        story.started(2, "Cart")
        story.resumed(2, "Cart")
        story.stopped()
        story.drawn(5_100, processStart = 1_000)
        story.stopped()
        story.stopped()
        assertEquals(
            listOf("foreground", "view Home", "cold 900ms", "first frame 500ms", "view Cart", "background"), told.all,
        )
    }

    @Test
    fun `a screen that was not hidden is a view again, and a turn of the device is no way out`() {
        val told = Told()
        val story = ScreenStory(told)
        story.started(1, "Home")
        story.resumed(1, "Home")
        // A transparent screen: the one under it stays started.
        story.started(2, "Sure")
        story.resumed(2, "Sure")
        story.resumed(1, "Home")
        story.stopped()
        // The device is turned, and the system creates the screen again.
        assertFalse(story.stopped(isRecreated = true))
        story.started(3, "Home")
        story.resumed(3, "Home")
        assertTrue(story.stopped())
        assertEquals(
            listOf("foreground", "view Home", "view Sure", "view Home", "foreground", "view Home", "background"), told.all,
        )
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
        val story = ScreenStory(told)
        story.created(10_000_000, false)
        story.drawn(10_000_300, processStart = 1_000)
        assertEquals(emptyList<String>(), told.all)
    }

    @Test
    fun `frames are counted, slow ones are told one by one`() {
        var drawn = 0L
        val slow = ArrayList<Duration>()
        val counter = FrameCounter({ drawn += it }, { slow += it })
        repeat(100) { counter.frame((if (it == 50) 720 else 10).milliseconds, 16.milliseconds) }
        assertEquals(60, drawn)
        counter.flush()
        counter.flush()
        assertEquals(100, drawn)
        assertEquals(listOf(720.milliseconds), slow)
    }

    @Test
    fun `memory is what the kernel says, or nothing`() {
        val resident = ProcessMemory.resident()!!
        assertTrue(resident > 10 * 1_024 * 1_024, "$resident")
        assertNull(ProcessMemory.resident(File("/nowhere")))
        assertNull(ProcessMemory.resident(File("/dev/null")))
    }

    @Test
    fun `exits that the app saw itself, or chose, are not told again`() {
        assertEquals(ErrorKind.ANR to "ANR", ExitReasons.kindOf(ApplicationExitInfo.REASON_ANR))
        assertEquals(ErrorKind.OUT_OF_MEMORY to "LowMemory", ExitReasons.kindOf(ApplicationExitInfo.REASON_LOW_MEMORY))
        assertNull(ExitReasons.kindOf(ApplicationExitInfo.REASON_CRASH))
        assertNull(ExitReasons.kindOf(ApplicationExitInfo.REASON_USER_REQUESTED))
    }
}
