package dev.throughline

import com.sun.jna.Platform
import dev.throughline.internal.Core
import dev.throughline.internal.DraftLayout
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File
import java.util.zip.ZipEntry
import java.util.zip.ZipOutputStream
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
            val diagnosis = Throughline.diagnose()
            assertEquals("native_library", diagnosis.findings.single().cause)
            assertTrue(!diagnosis.isClear && missing.message!! in diagnosis.toString(), diagnosis.toString())
        } finally {
            System.setProperty(property, ours!!)
            directory.deleteRecursively()
        }
    }
    private val nowhere = listOf("-Dthroughline.library=", "-Djava.library.path=/nowhere")

    @Test
    fun `a library on the class path is the one library of the process`() {
        val jar = File(createTempDirectory("class-path").toFile(), "native.jar")
        ZipOutputStream(jar.outputStream()).use { zip ->
            zip.putNextEntry(ZipEntry("${Platform.RESOURCE_PREFIX}/${System.mapLibraryName("throughline_ffi")}"))
            File(System.getProperty("throughline.library")).inputStream().use { it.copyTo(zip) }
        }
        val path = System.getProperty("java.class.path") + File.pathSeparator + jar.path
        val ended = Children.run(LoadingApp, nowhere, classPath = path)
        assertEquals("true", ended.saidOf("recorded"), "$ended")
        // Two copies would be two libraries, of which one has no client.
        assertEquals("1", ended.saidOf("copies"), "$ended")
        // A process that is killed would leave its copy, and each start makes one.
        assertEquals("0", ended.saidOf("left"), "$ended")
        jar.parentFile.deleteRecursively()
    }

    @Test
    fun `a library that is nowhere is missed with the name of the artifact that has it`() {
        val ended = Children.run(LoadingApp, nowhere)
        assertTrue("dev.throughline:throughline-native-${Platform.RESOURCE_PREFIX}" in ended.saidOf("refused")!!, "$ended")
    }
}

/** Starts with the library that is there. */
object LoadingApp {
    @JvmStatic
    fun main(arguments: Array<String>) {
        try {
            repeat(2) {
                if (Throughline.isRunning) Throughline.shutdown()
                Throughline.start(Consent.GRANTED) {
                    serviceName = "loading"
                    dataDir = File(arguments[0], "data")
                    selfReport = false
                }
            }
        } catch (refused: ThroughlineException.Library) {
            println("refused ${refused.message}")
            return
        }
        val before = Throughline.health()!!.accepted
        repeat(2) { Throughline.event("loaded") }
        Throughline.drain()
        println("recorded ${Throughline.health()!!.accepted - before >= 2}")
        // Its own and JNA's are the only libraries that JNA unpacks. It may delete a file that is in use.
        val unpacked = Regex("/\\S*/jna[0-9]+\\.tmp")
        val mapped = File("/proc/self/maps").readLines().mapNotNull { unpacked.find(it)?.value }.toSet()
        println("copies ${mapped.size - 1}")
        println("left ${mapped.count { File(it).exists() }}")
        Throughline.shutdown()
    }
}
