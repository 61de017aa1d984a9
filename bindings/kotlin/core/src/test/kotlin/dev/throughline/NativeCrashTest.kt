package dev.throughline

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Assumptions.assumeTrue
import org.junit.jupiter.api.BeforeAll
import org.junit.jupiter.api.Test
import java.io.File
import java.io.IOException
import kotlin.concurrent.thread
import kotlin.io.path.createTempDirectory

/** How the app crashes, in the order of `crash.c`. */
private enum class Kind(val signal: String) {
    NULL_WRITE("SIGSEGV"), ABORT("SIGABRT"), BAD_JUMP("SIGSEGV"), DIVISION("SIGFPE"),
}

/** The thread that crashes. */
private enum class Place { MAIN, JAVA, NATIVE }

/** Crashes in a library of its own, in an operation on a view. */
object CrashingApp {
    @JvmStatic
    external fun provoke(kind: Int, isOnThread: Boolean): Int

    /** The library is called below a few frames of Java. */
    private fun below(depth: Int, kind: Int, isOnThread: Boolean): Int =
        if (depth == 0) provoke(kind, isOnThread) else 1 + below(depth - 1, kind, isOnThread)

    @JvmStatic
    fun main(arguments: Array<String>) {
        val directory = File(arguments[0])
        val (library, kind, place, how) = arguments.drop(1)
        Children.start(directory, isBare = how == "bare")
        Throughline.startView("Checkout")
        val operation = Throughline.startOperation("Pay")
        println("session ${Throughline.sessionId}")
        println("trace ${operation.traceId}")
        System.load(library)
        val crash = { below(5, Kind.valueOf(kind).ordinal, place == Place.NATIVE.name) }
        if (place == Place.JAVA.name) thread(name = "doomed") { crash() }.join() else crash()
        println("it has survived")
    }
}

/** Crashes of native code below a virtual machine that handles signals itself. */
class NativeCrashTest {
    private fun run(kind: Kind, place: Place, options: List<String>, how: String): Ended =
        Children.run(CrashingApp, options, library.path, kind.name, place.name, how)

    private fun check(what: String, bare: Ended, child: Ended) {
        assertTrue("it has survived" !in bare.said + child.said, what)
        assertEquals(bare.status, child.status, "$what: it ends as it does without us")
        assertEquals(bare.hsErr != null, child.hsErr != null, "$what: the virtual machine's own report")
        val crash = Children.nextLaunches(child.directory).filter { it.name == "app.crash" }
            .also { assertEquals(1, it.size, "$what: $it") }.single()
        fun of(key: String) = crash.attributes[key]
        val kind = Kind.valueOf(what.substringBefore(' '))
        assertEquals(kind.signal, of("exception.type"), what)
        // The instruction itself; below `abort` and below a jump to nowhere, who has called it.
        val frames = of("exception.stacktrace").orEmpty().lines()
        val own = frames.indexOfFirst { "libcrash.so" in it }
        val expected = when (kind) {
            Kind.NULL_WRITE, Kind.DIVISION -> 0..0
            Kind.BAD_JUMP -> 1..1
            Kind.ABORT -> 1..6
        }
        assertTrue(own in expected, "$what: $frames")
        assertEquals(
            listOf("Checkout", "Pay", child.saidOf("session"), child.saidOf("trace")),
            listOf(of("app.screen.name"), of("operation.name"), of("session.id"), crash.traceId), what,
        )
    }

    @Test
    fun `each of fifty crashes below the virtual machine is delivered once, and ends as it does without us`() {
        val cells = Kind.values().flatMap { kind -> Place.values().map { kind to it } }
        val silent = listOf("-XX:-CreateCoredumpOnCrash")
        // What a process does without us depends on neither the round nor the thread's name.
        val bare = Children.together(
            cells.flatMap { (kind, place) -> listOf(emptyList(), silent).map { { run(kind, place, it, "bare") } } },
        )
        val runs = List(3) { emptyList<String>() } + listOf(silent)
        val all = cells.indices.flatMap { cell -> runs.map { cell to it } } +
            listOf(0 to listOf("-Xint"), 0 to listOf("-XX:+UseSerialGC"))
        val children = Children.together(
            all.map { (cell, options) -> { run(cells[cell].first, cells[cell].second, options, "captured") } },
        )
        for ((run, child) in all.zip(children)) {
            val (cell, options) = run
            val (kind, place) = cells[cell]
            check("$kind on $place $options", bare[2 * cell + if (options == silent) 1 else 0], child)
        }
        println("${all.size} crashes, each delivered once: ${children.groupingBy { it.status }.eachCount()}")
        (bare + children).forEach { it.directory.deleteRecursively() }
    }

    private companion object {
        lateinit var library: File

        @BeforeAll
        @JvmStatic
        fun compile() {
            val directory = createTempDirectory("crash").toFile()
            val source = File(directory, "crash.c")
            source.writeBytes(NativeCrashTest::class.java.getResource("/crash.c")!!.readBytes())
            library = File(directory, "libcrash.so")
            val arguments = "cc -shared -fPIC -O1 -fomit-frame-pointer -Wl,--build-id -o ${library.path} ${source.path} -lpthread"
            val compiler = try {
                ProcessBuilder(arguments.split(' ')).inheritIO().start()
            } catch (missing: IOException) {
                System.err.println("SKIPPED: no crash below the virtual machine was tried, because there is no C compiler")
                null
            }
            assumeTrue(compiler != null)
            check(compiler!!.waitFor() == 0) { "the C compiler refuses crash.c" }
        }
    }
}
