package dev.throughline

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File
import java.io.RandomAccessFile
import java.nio.MappedByteBuffer
import java.nio.channels.FileChannel
import java.util.concurrent.atomic.AtomicBoolean
import java.util.concurrent.atomic.AtomicLong
import kotlin.concurrent.thread

/**
 * Does what a virtual machine implements by signals: looks for nulls, divides by zero, uses up
 * stacks, stops its threads, reads behind the end of a mapped file. Says of each how often it was
 * done, how often it went right, and how many signals were written down for it.
 */
object RecoveringApp {
    private class Box(@JvmField var value: Int)

    private val boxes = arrayOf<Box?>(null)

    private fun isNullFound(): Boolean = try {
        // A load from an address near 0: there is no instruction that compares.
        (@Suppress("UNCHECKED_CAST") (boxes as Array<Box>))[0].value == 1
    } catch (expected: NullPointerException) {
        true
    }

    private fun isZeroFound(divisor: Int): Boolean = try {
        1 / divisor == 1
    } catch (expected: ArithmeticException) {
        true
    }

    private fun deeper(depth: Int): Int = 1 + deeper(depth + 1)

    private fun isOverflowFound(): Boolean = try {
        deeper(0) < 0
    } catch (expected: StackOverflowError) {
        true
    }

    private fun spin(until: AtomicBoolean): Boolean {
        var sum = 0L
        while (!until.get()) for (n in 0 until 10_000) sum += n xor 5
        return sum != 1L
    }

    /** Stops a thread in a loop, for a collection. */
    private fun areStopped(): Boolean {
        val over = AtomicBoolean()
        val loops = List(2) { thread { spin(over) } }
        repeat(300) { System.gc() }
        over.set(true)
        loops.forEach(Thread::join)
        return true
    }

    /** Reads behind the end of a file. An interpreter may have ended the thread before it throws the error. */
    private fun isEndSurvived(file: File): Boolean {
        val mapped = RandomAccessFile(file, "rw").use { opened ->
            opened.setLength(65_536)
            opened.channel.map(FileChannel.MapMode.READ_WRITE, 0, 65_536).also { opened.setLength(0) }
        }
        val isRight = AtomicBoolean(true)
        val reader = Thread { read(mapped) }
        reader.setUncaughtExceptionHandler { _, error -> isRight.set(error is InternalError) }
        reader.start()
        reader.join()
        return isRight.get()
    }

    private fun read(mapped: MappedByteBuffer): Int = (0 until 16).sumOf { mapped.get(it * 4_096).toInt() }

    private fun count(directory: File, name: String, times: Int, isRight: () -> Boolean) {
        val before = Children.signals(directory)
        val start = System.nanoTime()
        var right = 0
        for (n in 0 until times) if (isRight()) right++
        val took = (System.nanoTime() - start) / times
        println("$name $times $right ${Children.signals(directory) - before} $took")
    }

    /** All of that at once, with a heap that is always nearly full. */
    private fun together(): Boolean {
        val right = AtomicLong()
        val rubbish = thread { for (n in 0 until 20_000) ByteArray(65_536)[n % 65_536] = 1 }
        val threads = List(4) { thread { for (n in 0 until 10_000) if (isNullFound() && isZeroFound(0)) right.incrementAndGet() } }
        val deep = thread { for (n in 0 until 100) if (isOverflowFound()) right.incrementAndGet() }
        (threads + deep + rubbish).forEach(Thread::join)
        return right.get() == 40_100L
    }

    @JvmStatic
    fun main(arguments: Array<String>) {
        val directory = File(arguments[0])
        val nulls = arguments[1].toInt()
        Children.start(directory, isBare = arguments[2] == "bare")
        count(directory, "nulls", nulls, ::isNullFound)
        if (arguments.size > 3) return println("done")
        count(directory, "zeros", nulls / 10) { isZeroFound(0) }
        count(directory, "overflows", 500, ::isOverflowFound)
        count(directory, "stops", 1, ::areStopped)
        count(directory, "ends", 100) { isEndSurvived(File(directory, "mapped")) }
        count(directory, "together", 1, ::together)
        println("done")
        Thread.sleep(Long.MAX_VALUE)
    }
}

class VirtualMachineTest {
    /** How its code is made, and how many nulls are looked for in it. */
    private val machines = listOf(
        listOf("-Xint") to 300_000,
        listOf("-XX:TieredStopAtLevel=1") to 350_000,
        listOf("-XX:-OmitStackTraceInFastThrow") to 350_000,
    )

    @Test
    fun `a million nulls that the virtual machine finds by signals are no crashes`() {
        val ended = Children.together(
            machines.map { (options, nulls) -> { Children.run(RecoveringApp, options, nulls.toString(), "captured") } },
        )
        for ((machine, child) in machines.zip(ended)) {
            fun counts(name: String) = checkNotNull(child.saidOf(name)) { "$machine: $child" }.split(' ').map(String::toLong)
            for (name in listOf("nulls", "zeros", "overflows", "stops", "ends", "together")) {
                val (times, right) = counts(name)
                assertEquals(times, right, "$machine: $name")
            }
            // Each null was a signal, or the test shows nothing.
            val (nulls, _, signals, took) = counts("nulls")
            assertTrue(signals >= nulls, "$machine: $signals signals for $nulls nulls")
            assertTrue(counts("overflows")[2] >= 500 && counts("ends")[2] >= 100, "$machine: $child")
            val crashes = Children.nextLaunches(child.directory).filter { it.name == "app.crash" }
            assertEquals(emptyList<Seen>(), crashes, "$machine: a crash was invented")
            println("${machine.first}: ${child.said}")
            child.directory.deleteRecursively()
        }
    }
}
