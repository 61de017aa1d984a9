package dev.throughline.okhttp

import dev.throughline.internal.DraftLayout
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

class ReleaseTest {
    @Test
    fun `a core of another release, and one that does not know the question, are not called`() {
        assertTrue(Release.fits)
        assertTrue(Release.isOurs { DraftLayout.LIBRARY_VERSION })
        assertFalse(Release.isOurs { DraftLayout.LIBRARY_VERSION + 1 })
        assertFalse(Release.isOurs { throw NoSuchMethodError("facadeVersion") })
    }
}
