package dev.throughline

import java.io.File

/**
 * What the caller's thread pays for the first call of a process: prints nanoseconds. With a second argument, an enum and a
 * lambda of the program's own come before, as in an app: then Kotlin's runtime is loaded already.
 */
object FirstCall {
    private enum class Mine { A, B }

    @JvmStatic
    fun main(arguments: Array<String>) {
        if (arguments.size > 1) {
            val pick: (Int) -> Mine = { Mine.entries[it] }
            check(pick(1) == Mine.B)
        }
        val before = System.nanoTime()
        Throughline.startInBackground(Consent.GRANTED) {
            serviceName = "first"
            dataDirectory = File(arguments[0])
            selfReport = false
        }
        Throughline.action("first") { put("n", 1) }
        val took = System.nanoTime() - before
        while (!Throughline.isRunning) {
            check(System.nanoTime() - before < 30_000_000_000) { "it did not start" }
            Thread.sleep(1)
        }
        Throughline.drain()
        val health = Throughline.health()!!
        Throughline.shutdown()
        check(health.lostEarlyCalls == 0L)
        println(took)
    }
}
