package dev.throughline

import dev.throughline.internal.Core
import dev.throughline.internal.DraftLayout
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File
import kotlin.io.path.createTempDirectory

/** It has a process of its own, because a library that is loaded stays loaded. */
class LibraryTest {
    @Test
    fun `a library of another version is refused by its version instead of ending the app`() {
        assertNull(Core.mismatch(DraftLayout.LIBRARY_VERSION))
        val other = Core.mismatch((7L shl 32) or (8L shl 16) or 9)!!
        assertTrue("7.8.9" in other && "needs version 0.1.0" in other, other)
        // A library that does not know the question: one of the virtual machine's own.
        val property = "throughline.library"
        val ours = System.setProperty(property, File(System.getProperty("java.home"), "lib/${System.mapLibraryName("prefs")}").path)
        val directory = createTempDirectory("library").toFile()
        try {
            val refused = assertThrows(ThroughlineException.Library::class.java) {
                Throughline.start(Consent.GRANTED) {
                    serviceName = "other"
                    dataDir = directory
                }
            }
            assertTrue("does not say its version" in refused.message!!, refused.message)
            assertFalse(Throughline.isRunning)
            System.setProperty(property, "/nowhere.so")
            val missing = assertThrows(ThroughlineException.Library::class.java) { Throughline.start(Consent.GRANTED) {} }
            assertTrue("cannot be loaded" in missing.message!!, missing.message)
            // Nor is there an artifact with it on the class path.
            System.setProperty(property, "")
            val absent = assertThrows(ThroughlineException.Library::class.java) { Throughline.start(Consent.GRANTED) {} }
            assertTrue("throughline-native-" in absent.message!!, absent.message)
        } finally {
            System.setProperty(property, ours!!)
            directory.deleteRecursively()
        }
    }
}
