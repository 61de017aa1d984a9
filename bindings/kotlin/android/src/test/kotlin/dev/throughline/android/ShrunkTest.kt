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
import java.util.zip.ZipEntry
import java.util.zip.ZipFile
import java.util.zip.ZipOutputStream
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

    /** A jar of classes, which Maven has in a folder until it packages them. */
    private fun jar(classes: File, to: File, prefix: String = ""): File {
        if (classes.isFile) return classes
        ZipOutputStream(to.outputStream()).use { zip ->
            classes.walk().filter { it.isFile && it.relativeTo(classes).path.startsWith(prefix) && it.extension == "class" }.forEach {
                zip.putNextEntry(ZipEntry(it.relativeTo(classes).path))
                it.inputStream().use { bytes -> bytes.copyTo(zip) }
            }
        }
        return to
    }

    /** What an app has: itself, and what it gets with Throughline. */
    private fun inputs(directory: File): List<File> =
        listOf(jar(place(ShrunkApp::class), File(directory, "app.jar"), "dev/throughline/android/ShrunkApp")) +
            jar(place(Throughline::class), File(directory, "core.jar")) +
            listOf(Unit::class, kotlinx.coroutines.Job::class, com.sun.jna.Native::class).map(::place)

    /** The rules that the artifacts bring, and what is an app's own matter. */
    private val rules = """
        -include ${File("src/main/consumer-rules.pro").absolutePath}
        -include ${File("../core/src/main/resources/META-INF/proguard/throughline-core.pro").absolutePath}
        -keep class dev.throughline.android.ShrunkApp { public static void main(java.lang.String[]); }
        # From the rules of Kotlin and the coroutines.
        -keepclassmembers class kotlinx.coroutines.** { volatile <fields>; }
        -dontwarn org.jetbrains.annotations.**
        -dontwarn kotlin.**,kotlinx.**,android.**,sun.misc.**,java.lang.instrument.**,org.codehaus.mojo.**
        -dontnote **
    """.trimIndent()

    private val java = File(System.getProperty("java.home"), "bin/java").path

    private fun shrinkAndRun(tool: String, shrink: (directory: File, shrunk: File) -> List<String>) {
        val directory = createTempDirectory("shrunk").toFile()
        val shrunk = File(directory, "shrunk.jar")
        run(java, "-cp", System.getProperty("java.class.path"), tool, *shrink(directory, shrunk).toTypedArray())
        val names = ZipFile(shrunk).use { zip -> zip.entries().asSequence().map { it.name }.toList() }
        assertTrue("dev/throughline/internal/Door.class" in names)
        assertFalse("dev/throughline/StorePolicy.class" in names, "nothing was renamed")
        val library = "-Dthroughline.library=" + System.getProperty("throughline.library")
        val said = run(java, "-cp", shrunk.path, library, "dev.throughline.android.ShrunkApp", File(directory, "data").path)
        assertEquals("true 0 3", said.trim().lines().last())
        directory.deleteRecursively()
    }

    @Test
    fun `an app that was shrunk by our rules still records`() = shrinkAndRun("proguard.ProGuard") { directory, shrunk ->
        val modules = listOf("java.base", "java.desktop", "java.logging", "jdk.unsupported")
            .joinToString("\n") { "-libraryjars <java.home>/jmods/$it.jmod(!**.jar;!module-info.class)" }
        val inputs = inputs(directory).joinToString("\n") { "-injars $it(!META-INF/**)" }
        val configuration = File(directory, "shrunk.pro").apply { writeText("$inputs\n$modules\n-outjars $shrunk\n$rules\n") }
        listOf("@$configuration")
    }

    @Test
    fun `an app that R8 has shrunk by our rules still records`() = shrinkAndRun("com.android.tools.r8.R8") { directory, shrunk ->
        val configuration = File(directory, "shrunk.pro").apply { writeText(rules) }
        listOf("--classfile", "--release", "--lib", System.getProperty("java.home"), "--pg-conf", configuration.path) +
            listOf("--output", shrunk.path) + inputs(directory).map { it.path }
    }
}
