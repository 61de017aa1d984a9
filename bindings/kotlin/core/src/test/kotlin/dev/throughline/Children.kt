package dev.throughline

import java.io.File
import java.io.RandomAccessFile
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.concurrent.Callable
import java.util.concurrent.Executors
import java.util.concurrent.TimeUnit
import kotlin.concurrent.thread
import kotlin.io.path.createTempDirectory
import kotlin.time.Duration.Companion.seconds

/** What a child process has left: how it ended, what it said, and its directory. */
class Ended(val status: Int, val said: List<String>, val directory: File) {
    /** What stands behind a word that the child has said. */
    fun saidOf(word: String): String? = said.firstOrNull { it.startsWith("$word ") }?.substring(word.length + 1)

    /** The virtual machine's own report. */
    val hsErr: String? get() = File(directory, HS_ERR).takeIf { it.exists() }?.readText()

    override fun toString(): String = "status $status, said $said"

    companion object {
        const val HS_ERR: String = "hs_err.log"
    }
}

/** Virtual machines that die. */
object Children {
    /**
     * Runs the `main` of an object in a virtual machine of its own. A line `done` that it says is its
     * last wish: it is killed then.
     */
    fun run(
        app: Any,
        options: List<String>,
        vararg arguments: String,
        classPath: String = System.getProperty("java.class.path"),
    ): Ended {
        val directory = createTempDirectory("child").toFile()
        val java = listOf(
            File(System.getProperty("java.home"), "bin/java").path, "-cp", classPath,
            "-Dthroughline.library=" + System.getProperty("throughline.library"),
            "-Xshare:auto", "-Xmx128m", "-XX:ErrorFile=" + File(directory, Ended.HS_ERR).path,
        ) + options + app.javaClass.name + directory.path + arguments
        // No core dump: it would take most of the time.
        val child = ProcessBuilder(listOf("sh", "-c", "ulimit -c 0; exec \"$@\"", "sh") + java)
            .directory(directory).redirectError(File(directory, "errors")).start()
        val watch = thread(isDaemon = true) { if (!child.waitFor(5, TimeUnit.MINUTES)) child.toHandle().destroyForcibly() }
        val said = ArrayList<String>()
        child.inputStream.bufferedReader().forEachLine { line ->
            said += line
            // Not by the process's own function, which closes this stream.
            if (line == "done") child.toHandle().destroyForcibly()
        }
        val status = child.waitFor()
        watch.join()
        return Ended(status, said, directory)
    }

    /** Runs children side by side, in their order. */
    fun <T> together(children: List<() -> T>): List<T> {
        val pool = Executors.newFixedThreadPool(2)
        try {
            return pool.invokeAll(children.map { Callable(it) }).map { it.get() }
        } finally {
            pool.shutdown()
        }
    }

    /** What the next launch delivers, and the one after that. */
    fun nextLaunches(directory: File): List<Seen> = Backend().use { backend ->
        repeat(2) {
            Throughline.start(Consent.GRANTED) { ofChild(directory, backend.url) }
            val outcome = Throughline.flush(30.seconds)
            check(outcome.isComplete) { "not delivered: ${outcome.reason}, ${outcome.waiting} wait" }
            Throughline.shutdown()
        }
        backend.seen()
    }

    /** The configuration of a child, and of what reads its directory. */
    fun Configuration.ofChild(directory: File, endpoint: String? = null, isBare: Boolean = false) {
        serviceName = "child"
        dataDir = File(directory, "data")
        environment = Environment.TEST
        startJitter = false
        selfReport = false
        captureCrashes = !isBare
        if (endpoint != null) endpoint(endpoint) { encoding = Destination.Encoding.JSON }
    }

    /** Starts the client in a child, and returns when its handlers are there. */
    fun start(directory: File, isBare: Boolean) {
        Throughline.start(Consent.GRANTED) { ofChild(directory, isBare = isBare) }
        while (Throughline.health()?.journal == "starting" || !Throughline.drain()) Thread.sleep(1)
        check(isBare || runFile(directory) != null) { "crashes are not captured" }
    }

    /** The run file of a process that lives. */
    private fun runFile(directory: File): File? =
        File(directory, "data/runs").listFiles()?.singleOrNull { it.extension == "crash" }

    /** How many signals this process has written to its run file: see `crash-writer/src/layout.rs`. */
    fun signals(directory: File): Int {
        val file = runFile(directory) ?: return 0
        return RandomAccessFile(file, "r").use { bytes ->
            SLOTS.maxOf { slot ->
                val head = ByteArray(16)
                bytes.seek(slot)
                bytes.readFully(head)
                val words = ByteBuffer.wrap(head).order(ByteOrder.LITTLE_ENDIAN)
                if (words.getInt(STAGE) == 0) 0 else words.getInt(ORDER) + 1
            }
        }
    }

    private val SLOTS = longArrayOf(0x2C000, 0x44000, 0x48000)
    private const val STAGE = 4
    private const val ORDER = 12
}
