package dev.throughline

import dev.throughline.internal.ffi.HeaderField
import java.io.File
import kotlin.io.path.createTempDirectory
import kotlin.time.Duration.Companion.seconds

/** How many calls are timed, one by one. */
private const val CALLS = 50_000

/** The time from one call to the next, in ns. It is that of the engine's own benchmark. */
private const val PACE = 100_000

private val SKUS = Array(64) { "SKU-$it" }

private fun median(times: LongArray): Long = times.sorted()[times.size / 2]

/** The time that each call takes, in ns. */
private inline fun timed(calls: Int, call: (Int) -> Unit): LongArray {
    val times = LongArray(calls)
    val start = System.nanoTime()
    for (n in 0 until calls) {
        while (System.nanoTime() < start + n.toLong() * PACE) Thread.onSpinWait()
        val before = System.nanoTime()
        call(n)
        times[n] = System.nanoTime() - before
    }
    return times
}

/** Maven's class path is not that of the virtual machine. */
private fun classPath(): String =
    listOf(FirstCall::class, Throughline::class, Unit::class, kotlinx.coroutines.Job::class, com.sun.jna.Native::class)
        .map { File(it.java.protectionDomain.codeSource.location.toURI()).path }.distinct().joinToString(File.pathSeparator)

/**
 * What a null costs that the virtual machine finds by a signal, in ns: without us, with our handler
 * above its own, and how many times the one is the other. Medians of seven processes each, run in
 * turns.
 */
private fun nullChecks(): List<Pair<String, Any>> {
    val took = List(7) {
        listOf("bare", "captured").map { how ->
            val child = Children.run(
                RecoveringApp, listOf("-XX:TieredStopAtLevel=1"), "100000", how, "nulls", classPath = classPath(),
            )
            child.directory.deleteRecursively()
            checkNotNull(child.saidOf("nulls")) { "$child" }.substringAfterLast(' ').toLong()
        }
    }
    val (bare, captured) = (0..1).map { how -> median(took.map { it[how] }.toLongArray()) }
    return listOf(
        "kotlin_null_check_bare_ns" to bare,
        "kotlin_null_check_ns" to captured,
        "kotlin_null_check_times" to "%.2f".format(captured.toDouble() / bare),
    )
}

/**
 * The times that a fresh process prints, in ns: that of the start alone, and that of the start and
 * the first action.
 */
private fun firstCalls(mode: String): List<Long> {
    val directory = createTempDirectory("first").toFile()
    val java = File(System.getProperty("java.home"), "bin/java").path
    val library = "-Dthroughline.library=" + System.getProperty("throughline.library")
    val child = ProcessBuilder(java, "-cp", classPath(), library, "dev.throughline.FirstCall", directory.path, mode)
        .redirectError(ProcessBuilder.Redirect.INHERIT).start()
    val said = child.inputStream.bufferedReader().readText().trim()
    directory.deleteRecursively()
    return said.split(' ').map(String::toLong)
}

/**
 * The medians of fifteen fresh processes of each kind, run in turns, in ms: a row's name and its
 * figure.
 */
private fun firstCalls(): List<Pair<String, String>> {
    val names = mapOf(
        "fresh" to listOf("kotlin_first_start_ms", "kotlin_first_call_ms"),
        "loaded" to listOf("kotlin_first_start_runtime_loaded_ms", "kotlin_first_call_runtime_loaded_ms"),
        "empty" to listOf("kotlin_first_start_empty_ms", "kotlin_first_call_empty_ms"),
    )
    val said = List(15) { names.mapValues { (mode, _) -> firstCalls(mode) } }
    return names.flatMap { (mode, rows) ->
        rows.mapIndexed { at, row ->
            row to "%.1f".format(median(said.map { it.getValue(mode)[at] }.toLongArray()) / 1e6)
        }
    }
}

private class Plain(@JvmField var value: Int)

/** Prints the rows of `cargo xtask bench` for Kotlin, as JSON. */
fun main() {
    val directory: File = createTempDirectory("bench").toFile()
    Throughline.start(Consent.GRANTED) {
        serviceName = "bench"
        dataDir = directory
        environment = Environment.TEST
        selfReport = false
    }
    while (Throughline.health()?.journal == "starting") Thread.sleep(1)
    val record = { n: Int ->
        Throughline.action("buy") {
            put("sku", SKUS[n and 63])
            put("count", n)
            put("price", n * 0.5)
        }
    }
    val plainly = { n: Int ->
        Throughline.recordTapPlainly(
            "buy", listOf(HeaderField("sku", SKUS[n and 63]), HeaderField("count", n.toString()), HeaderField("price", (n * 0.5).toString())),
        )
    }
    repeat(200) {
        repeat(500) { record(it) }
        Thread.sleep(4)
    }
    timed(CALLS) { record(it) }
    timed(5_000) { plainly(it) }
    Throughline.drain(30.seconds)
    val before = Throughline.health()!!.accepted
    val own = median(timed(CALLS) { record(it) })
    Throughline.drain(30.seconds)
    val after = Throughline.health()!!
    check(after.accepted - before == CALLS.toLong()) { "SQLite has ${after.accepted - before} of $CALLS" }
    val uniffi = median(timed(5_000) { plainly(it) })
    Throughline.drain(30.seconds)
    check(after.dropped.isEmpty()) { "dropped: ${after.dropped}" }

    // 200 paths are declared, and half of them are ignored.
    val store = Throughline.tracedStore("Bench") {
        deny("ignored.*")
        maxActionsPerSecond = 1
    }
    val traced = Array(100) { store.traced("traced$it", 0) }
    val ignored = Array(100) { store.traced("ignored.p$it", 0) }
    val plain = Array(100) { Plain(0) }
    val property = Plain::value
    fun round(set: (Int, Int) -> Unit): Double {
        val start = System.nanoTime()
        for (n in 0 until 1_000_000) set(n % 100, n)
        return (System.nanoTime() - start) / 1e6
    }
    val over = DoubleArray(21)
    for (n in over.indices) {
        for (path in traced) path.setValue(null, property, n + 1)
        val bare = round { at, value -> plain[at].value = value }
        over[n] = round { at, value -> ignored[at].setValue(null, property, value) } - bare
    }
    over.sort()
    val rows = firstCalls() + nullChecks() + listOf(
        "kotlin_record_p50_ns" to own,
        "kotlin_uniffi_record_p50_ns" to uniffi,
        "kotlin_ignored_ns" to "%.1f".format(over[10]),
    )
    println(rows.joinToString(",", "{", "}") { (name, figure) -> "\"$name\":$figure" })
    Throughline.shutdown()
    directory.deleteRecursively()
}
