package dev.throughline

import dev.throughline.internal.Answer
import dev.throughline.internal.Call
import dev.throughline.internal.Recorder
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.BufferedOutputStream
import java.io.DataInputStream
import java.io.DataOutputStream
import java.io.File
import java.util.concurrent.TimeUnit
import kotlin.concurrent.thread
import kotlin.io.path.createTempDirectory
import kotlin.random.Random
import kotlin.time.Duration.Companion.seconds

/**
 * Records as fast as it can, and prints the number of each call that has returned, until its parent
 * kills it.
 */
object DoomedApp {
    @JvmStatic
    fun main(arguments: Array<String>) {
        Throughline.start(Consent.GRANTED) {
            serviceName = "doomed"
            dataDir = File(arguments[0])
            environment = Environment.TEST
            selfReport = false
        }
        // The promise begins when the journal is mapped.
        while (Throughline.health()?.journal == "starting") Thread.sleep(1)
        val out = DataOutputStream(BufferedOutputStream(System.out, 8))
        for (lane in 0..1) {
            thread {
                var n = 0
                while (true) {
                    val kept = Recorder.record(Call.ACTION) {
                        u8(ActionType.CUSTOM.code)
                        text("doomed")
                        beginAttributes()
                        put("lane", lane)
                        put("n", n)
                        endAttributes()
                    }
                    if (kept == Answer.DONE) synchronized(out) {
                        out.writeInt(lane)
                        out.writeInt(n)
                        out.flush()
                    }
                    n++
                    // As fast as a busy app, but not so fast that the queue is full.
                    if (n % 64 == 0) Thread.sleep(1)
                }
            }
        }
    }
}

class DeathTest {
    @Test
    fun `a killed process loses nothing that was acknowledged`() {
        val kills = Integer.getInteger("throughline.kills", 5)
        val seed = System.nanoTime()
        val random = Random(seed)
        var all = 0
        repeat(kills) { round ->
            val directory = createTempDirectory("doomed").toFile()
            val acknowledged = HashSet<Pair<Int, Int>>()
            val child = ProcessBuilder(
                File(System.getProperty("java.home"), "bin/java").path, "-cp", System.getProperty("java.class.path"),
                "-Dthroughline.library=" + System.getProperty("throughline.library"), "-XX:TieredStopAtLevel=1",
                "dev.throughline.DoomedApp", directory.path,
            ).redirectError(ProcessBuilder.Redirect.DISCARD).start()
            val input = DataInputStream(child.inputStream.buffered())
            val enough = random.nextInt(1, 4_000)
            try {
                while (true) {
                    acknowledged += input.readInt() to input.readInt()
                    if (acknowledged.size == enough) child.destroyForcibly()
                }
            } catch (end: java.io.IOException) {
                // The pipe ends with the process. Half a number may be left.
            }
            assertTrue(child.waitFor(10, TimeUnit.SECONDS))
            assertTrue(acknowledged.size >= enough, "the child ended by itself")
            Backend().use { backend ->
                Throughline.start(Consent.GRANTED) {
                    serviceName = "doomed"
                    dataDir = directory
                    environment = Environment.TEST
                    startJitter = false
                    selfReport = false
                    endpoint(backend.url) { encoding = Destination.Encoding.JSON }
                }
                assertTrue(Throughline.flush(30.seconds).isComplete)
                val arrived = backend.seen().filter { it.target == "doomed" }
                    .map { it.attributes.getValue("lane").toInt() to it.attributes.getValue("n").toInt() }
                val lost = acknowledged - arrived.toSet()
                assertEquals(emptySet<Any>(), lost, "round $round of seed $seed")
                assertEquals(arrived.size, arrived.toSet().size, "round $round of seed $seed: something came twice")
                Throughline.shutdown()
            }
            directory.deleteRecursively()
            all += acknowledged.size
        }
        println("$kills kills, $all acknowledged, 0 lost")
    }

    @Test
    fun `a panic of ours costs nothing but a count`() {
        App().use { app ->
            app.start()
            for (place in listOf("record", "before_commit", "transport")) {
                val before = Throughline.health()!!.panics
                Recorder.record(Call.FAULT) { text(place) }
                repeat(1_000) { Throughline.action("after", attributes = { put("place", place) }) }
                // The panic may make one flush fail, but no event may be lost.
                assertTrue((0 until 3).any { Throughline.flush(20.seconds).isComplete }, place)
                assertEquals(before + 1, Throughline.health()!!.panics, place)
                assertEquals(1_000, app.backend.seen().count { it.target == "after" && it.attributes["place"] == place })
            }
        }
    }
}
