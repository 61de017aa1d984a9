package dev.throughline

import java.io.File

/**
 * What the caller's thread pays for the first calls of a process: prints nanoseconds, of the start in the background alone and
 * with an action. The second argument says where: `fresh`; `loaded`, an enum and a lambda of the program's own come before, as in
 * an app: then Kotlin's runtime is loaded already; `empty`, the same two blocks go to functions that do nothing: what Kotlin alone
 * costs.
 */
object FirstCall {
    private enum class Mine { A, B }

    private object Idle {
        @JvmField
        var held: Any? = null

        fun start(configure: Configuration.() -> Unit) {
            held = configure
        }

        fun action(attributes: Attributes.() -> Unit) {
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
            dataDirectory = directory
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
            dataDirectory = directory
            selfReport = false
        }
        val start = System.nanoTime() - before
        Idle.action { put("n", 1) }
        return "$start ${System.nanoTime() - before}"
    }
}
