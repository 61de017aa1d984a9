package dev.throughline

import java.io.File

/**
 * Prints how long the first calls of a process take on the caller's thread, in ns: the start in the
 * background alone, and with an action.
 *
 * The second argument is one of these:
 * - `fresh`: nothing was done before.
 * - `loaded`: the program has used an enum and a lambda of its own before, as an app does. Kotlin's
 *   runtime is then loaded already.
 * - `empty`: the same two blocks are passed to functions that do nothing, which shows what Kotlin
 *   alone costs.
 */
object FirstCall {
    private enum class Mine { A, B }

    private object Idle {
        @JvmField
        var held: Any? = null

        fun start(configure: Configuration.() -> Unit) {
            held = configure
        }

        fun action(attributes: AttributeWriter.() -> Unit) {
            held = attributes
        }
    }

    @JvmStatic
    fun main(arguments: Array<String>) {
        val directory = File(arguments[0])
        when (arguments.getOrNull(1)) {
            "empty" -> return println(empty(directory))
            "loaded" -> {
                val pick: (Int) -> Mine = { Mine.entries[it] }
                check(pick(1) == Mine.B)
            }
        }
        val before = System.nanoTime()
        Throughline.startInBackground(Consent.GRANTED) {
            serviceName = "first"
            dataDir = directory
            selfReport = false
        }
        val start = System.nanoTime() - before
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
        println("$start $took")
    }

    private fun empty(directory: File): String {
        val before = System.nanoTime()
        Idle.start {
            serviceName = "first"
            dataDir = directory
            selfReport = false
        }
        val start = System.nanoTime() - before
        Idle.action { put("n", 1) }
        return "$start ${System.nanoTime() - before}"
    }
}
