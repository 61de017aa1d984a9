package dev.throughline

import dev.throughline.Children.ofChild
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.BufferedReader
import java.io.File
import java.util.concurrent.TimeUnit
import kotlin.io.path.createTempDirectory
import kotlin.time.Duration.Companion.seconds

/** A process of an app that has several, and does what its parent writes. */
object OneOfSeveral {
    @JvmStatic
    fun main(arguments: Array<String>) {
        val (directory, url, name) = arguments
        Throughline.start(Consent.GRANTED) {
            ofChild(File(directory), url)
            resource("process.name", name)
        }
        while (Throughline.health()?.journal == "starting") Thread.sleep(1)
        println("ready")
        while (true) {
            val (order, argument) = (readLine() ?: return).split(" ", limit = 2) + ""
            println(done(order, argument, name))
        }
    }

    private fun done(order: String, argument: String, name: String): String = when (order) {
        "record" -> {
            repeat(argument.toInt()) { n ->
                Throughline.action("of $name") { put("n", n) }
            }
            "${Throughline.drain()}"
        }
        "view" -> "${Throughline.startView(argument)}"
        "flush" -> Throughline.flush(30.seconds).run { "$isComplete $waiting $reason" }
        "session" -> "${Throughline.sessionId}"
        "installation" -> "${Throughline.installationId}"
        "consent" -> "${Throughline.setConsent(Consent.valueOf(argument))}"
        "throw" -> {
            Thread { throw IllegalStateException("thrown in $name") }.apply { start() }.join()
            Runtime.getRuntime().halt(1)
            ""
        }
        else -> throw IllegalArgumentException(order)
    }
}

/** Virtual machines that share a data directory, as the processes of an Android app do. */
class ProcessesTest {
    private val directory = createTempDirectory("processes").toFile()
    private val children = ArrayList<One>()
    private val backend = Backend()

    private class One(val process: Process) {
        private val said: BufferedReader = process.inputStream.bufferedReader()

        fun ask(order: String): String {
            tell(order)
            return said.readLine() ?: error("the process has ended at `$order`")
        }

        fun tell(order: String) {
            process.outputStream.write("$order\n".toByteArray())
            process.outputStream.flush()
        }

        fun ready(): One = apply { check(said.readLine() == "ready") { "the process does not start" } }

        fun kill() {
            process.destroyForcibly()
            ended()
        }

        fun ended(): Unit = check(process.waitFor(30, TimeUnit.SECONDS)) { "the process lives" }
    }

    private fun begin(name: String): One {
        val java = listOf(
            File(System.getProperty("java.home"), "bin/java").path, "-cp", System.getProperty("java.class.path"),
            "-Dthroughline.library=" + System.getProperty("throughline.library"), "-XX:TieredStopAtLevel=1", "-Xmx128m",
        )
        val process = ProcessBuilder(java + listOf(OneOfSeveral.javaClass.name, directory.path, backend.url, name))
            .redirectError(File(directory, "errors-$name")).start()
        return One(process).also { children += it }
    }

    private fun start(name: String): One = begin(name).ready()

    @AfterEach
    fun end() {
        for (child in children) child.process.destroyForcibly()
        backend.close()
        directory.deleteRecursively()
    }

    /** What a backend keeps that takes each id once: a request that was under way at a death comes again. */
    private fun arrived(name: String): List<Int> =
        backend.seen().filter { it.target == "of $name" }.distinctBy { it.attributes.getValue("log.record.uid") }
            .map { it.attributes.getValue("n").toInt() }.sorted()

    private fun crashes(): List<Seen> = backend.seen().filter { "thrown in" in "${it.attributes} ${it.body}" }

    @Test
    fun `each of three processes sends its own, in one session of one installation`() {
        val names = listOf("main", "push", "sync")
        val all = names.map(::begin)
        all.forEach { it.ready() }
        assertEquals(1, all.map { it.ask("installation") }.toSet().size)
        assertEquals(1, all.map { it.ask("session") }.toSet().size)
        all.forEach { assertEquals("true", it.ask("record 700")) }
        all.forEach { one -> one.ask("flush").let { assertTrue(it.startsWith("true"), it) } }
        for (name in names) {
            assertTrue((0 until 700).toList() == arrived(name), "$name: ${arrived(name).size}")
            val own = backend.seen().filter { it.target == "of $name" }
            assertEquals(setOf(name), own.map { it.resource["process.name"] }.toSet())
        }
    }

    @Test
    fun `what a process that was killed had recorded is sent by the one that lives`() {
        val main = start("main")
        val push = start("push")
        val idle = start("idle")
        assertEquals("true", push.ask("record 900"))
        assertEquals("true", main.ask("record 10"))
        push.kill()
        // The one that lives looks for what the dead have left whenever it has something to do.
        val until = System.nanoTime() + 60_000_000_000
        while (arrived("push").size < 900 && System.nanoTime() < until) main.ask("flush").let { assertTrue(it.startsWith("true"), it) }
        assertTrue((0 until 900).toList() == arrived("push"), "${arrived("push").size} of 900")
        assertTrue((0 until 10).toList() == arrived("main"), "${arrived("main").size} of 10")
        idle.kill()
        main.kill()
        // Nothing is left, and nothing comes twice.
        start("main").ask("flush").let { assertTrue(it.startsWith("true"), it) }
        assertTrue((0 until 900).toList() == arrived("push"), "${arrived("push").size} of 900")
        assertTrue((0 until 10).toList() == arrived("main"), "${arrived("main").size} of 10")
    }

    @Test
    fun `a process that throws is one crash, and the others live`() {
        val main = start("main")
        val push = start("push")
        main.ask("view Home")
        push.tell("throw")
        push.ended()
        assertEquals("true", main.ask("record 5"))
        val again = start("push")
        val until = System.nanoTime() + 60_000_000_000
        while (crashes().isEmpty() && System.nanoTime() < until) listOf(main, again).forEach { it.ask("flush") }
        listOf(main, again).forEach { it.ask("flush") }
        assertEquals(1, crashes().map { it.attributes["log.record.uid"] ?: it.attributes["throughline.event.id"] }.toSet().size, "${crashes()}")
        assertTrue((0 until 5).toList() == arrived("main"), "${arrived("main").size} of 5")
    }

    @Test
    fun `what a user has refused in one process is not sent by another one that was not told`() {
        val main = start("main")
        val push = start("push")
        assertEquals("true", push.ask("record 3"))
        assertEquals("true", main.ask("record 3"))
        main.ask("consent DENIED")
        val until = System.nanoTime() + 60_000_000_000
        while (File(directory, "data/queue.db").exists() && System.nanoTime() < until) Thread.onSpinWait()
        push.ask("flush")
        assertEquals(0, backend.seen().count { it.target.startsWith("of ") })
        // It goes on recording until it is told.
        assertEquals("true", push.ask("record 1"))
        push.ask("flush")
        assertEquals(listOf(0), arrived("push"))
        push.ask("consent DENIED")
        push.ask("record 5")
        push.ask("flush")
        main.ask("flush")
        assertEquals(listOf(0), arrived("push"))
        assertEquals(emptyList<Int>(), arrived("main"))
    }
}
