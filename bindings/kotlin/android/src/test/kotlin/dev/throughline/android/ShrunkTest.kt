package dev.throughline.android

import dev.throughline.Consent
import dev.throughline.Environment
import dev.throughline.Throughline
import dev.throughline.tracedStore
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File
import java.util.zip.ZipFile
import kotlin.io.path.createTempDirectory
import kotlin.reflect.KClass

/** An app of which only this class keeps its name. */
object ShrunkApp {
    @JvmStatic
    fun main(arguments: Array<String>) {
        Throughline.start(Consent.GRANTED) {
            serviceName = "shrunk"
            dataDir = File(arguments[0])
            environment = Environment.TEST
            selfReport = false
        }
        val before = Throughline.health()!!.accepted
        Throughline.action("shrunk") { put("n", 1) }
        val path = Throughline.tracedStore("Shrunk") { transient("ignored") }.path("ignored")
        repeat(3) { path.set(it, it + 1) }
        Throughline.drain()
        val health = Throughline.health()!!
        println("${health.accepted > before} ${health.malformedCalls} ${health.stores.getValue("Shrunk").mutations}")
        Throughline.shutdown()
    }
}

class ShrunkTest {
    private fun place(of: KClass<*>) = File(of.java.protectionDomain.codeSource.location.toURI())

    private fun run(vararg command: String): String {
        val process = ProcessBuilder(*command).redirectErrorStream(true).start()
        val output = process.inputStream.bufferedReader().readText()
        assertEquals(0, process.waitFor(), output)
        return output
    }

    @Test
    fun `an app that was shrunk by our rules still records`() {
        val directory = createTempDirectory("shrunk").toFile()
        val java = File(System.getProperty("java.home"), "bin/java").path
        val shrunk = File(directory, "shrunk.jar")
        val app = place(ShrunkApp::class)
        val inputs = listOf(Throughline::class, Unit::class, kotlinx.coroutines.Job::class, com.sun.jna.Native::class).map(::place)
        val modules = listOf("java.base", "java.desktop", "java.logging", "jdk.unsupported")
            .joinToString("\n") { "-libraryjars <java.home>/jmods/$it.jmod(!**.jar;!module-info.class)" }
        val configuration = File(directory, "shrunk.pro").apply {
            writeText(
                """
                -injars $app(dev/throughline/android/ShrunkApp*)
                ${inputs.joinToString("\n") { "-injars $it(!META-INF/**)" }}
                $modules
                -outjars $shrunk
                -include ${File("src/main/consumer-rules.pro").absolutePath}
                -keep class dev.throughline.android.ShrunkApp { public static void main(java.lang.String[]); }
                # From the rules of Kotlin and the coroutines.
                -keepclassmembers class kotlinx.coroutines.** { volatile <fields>; }
                -dontwarn org.jetbrains.annotations.**
                -dontwarn kotlin.**,kotlinx.**,android.**,sun.misc.**,java.lang.instrument.**,org.codehaus.mojo.**
                -dontnote **
                """.trimIndent(),
            )
        }
        val tool = System.getProperty("java.class.path")
        run(java, "-cp", tool, "proguard.ProGuard", "@$configuration")
        val names = ZipFile(shrunk).use { zip -> zip.entries().asSequence().map { it.name }.toList() }
        assertTrue("dev/throughline/internal/Door.class" in names)
        assertFalse("dev/throughline/StorePolicy.class" in names, "nothing was renamed")
        val library = "-Dthroughline.library=" + System.getProperty("throughline.library")
        val said = run(java, "-cp", shrunk.path, library, "dev.throughline.android.ShrunkApp", File(directory, "data").path)
        assertEquals("true 0 3", said.trim().lines().last())
        directory.deleteRecursively()
    }
}
