package dev.throughline

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File
import kotlin.io.path.createTempDirectory
import kotlin.time.Duration.Companion.seconds

/** A program whose main thread starts the client, records, and waits for the start. */
object StartApp {
    @JvmStatic
    fun main(arguments: Array<String>) {
        Throughline.startInBackground(Consent.GRANTED) {
            serviceName = "start"
            dataDir = File(arguments[0])
        }
        Throughline.action("first") { put("n", 1) }
        Runtime.getRuntime().halt(if (Throughline.awaitStart(30.seconds)) 0 else 1)
    }
}

class StartTest {
    @Test
    fun `the thread that starts in the background loads neither JNA nor the library nor generated code`() {
        val directory = createTempDirectory("start").toFile()
        val log = File(directory, "classes.log")
        val child = ProcessBuilder(
            File(System.getProperty("java.home"), "bin/java").path, "-Xlog:class+load:file=$log:tid",
            "-cp", System.getProperty("java.class.path"), "-Dthroughline.library=" + System.getProperty("throughline.library"),
            "dev.throughline.StartApp", File(directory, "data").path,
        ).inheritIO().start()
        assertEquals(0, child.waitFor())
        // `[4711] com.sun.jna.Native source: …`
        val loaded = log.readLines().map { line -> line.substringBefore(']') to line.substringAfter("] ").substringBefore(' ') }
        val main = loaded.first { it.second == StartApp::class.java.name }.first
        val late = listOf("com.sun.jna.", "dev.throughline.internal.ffi.", "dev.throughline.internal.Library")
        val (here, elsewhere) = loaded.filter { (_, name) -> late.any(name::startsWith) }.partition { it.first == main }
        assertEquals(emptyList<Pair<String, String>>(), here)
        for (prefix in late) assertTrue(elsewhere.any { it.second.startsWith(prefix) }, prefix)
        directory.deleteRecursively()
    }
}
