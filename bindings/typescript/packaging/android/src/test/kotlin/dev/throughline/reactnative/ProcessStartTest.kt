package dev.throughline.reactnative

import android.app.ActivityManager.RunningAppProcessInfo
import android.app.Application
import android.app.ApplicationStartInfo
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

class ProcessStartTest {
    private val unknown = { error("the system says why") }

    @Test
    fun a_process_that_a_push_has_started_is_no_start_that_the_user_saw() {
        assertTrue(ProcessStart.isForUser(ApplicationStartInfo.START_REASON_LAUNCHER, unknown))
        assertTrue(ProcessStart.isForUser(ApplicationStartInfo.START_REASON_START_ACTIVITY, unknown))
        assertFalse(ProcessStart.isForUser(ApplicationStartInfo.START_REASON_PUSH, unknown))
        assertFalse(ProcessStart.isForUser(ApplicationStartInfo.START_REASON_JOB, unknown))
    }

    @Test
    fun where_the_system_does_not_say_why_a_visible_process_was_opened() {
        assertTrue(ProcessStart.isForUser(null) { RunningAppProcessInfo.IMPORTANCE_FOREGROUND })
        assertFalse(ProcessStart.isForUser(null) { RunningAppProcessInfo.IMPORTANCE_FOREGROUND_SERVICE })
        assertFalse(ProcessStart.isForUser(null) { RunningAppProcessInfo.IMPORTANCE_CACHED })
    }

    @Test
    fun a_system_that_refuses_everything_ends_no_app() {
        // This virtual machine has no system services.
        assertEquals(0.0, ProcessStart.tell(Application()))
        assertEquals(0.0, ProcessStart.tell(Application()))
    }
}
