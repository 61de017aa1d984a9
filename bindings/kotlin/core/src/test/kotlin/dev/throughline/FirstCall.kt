package dev.throughline

import java.io.File

/** What the caller's thread pays for the first call of a process: prints nanoseconds. */
object FirstCall {
    @JvmStatic
    fun main(arguments: Array<String>) {
        val before = System.nanoTime()
        Throughline.startInBackground(Consent.GRANTED, { throw it }) {
            serviceName = "first"
            dataDirectory = File(arguments[0])
            selfReport = false
        }
        Throughline.action("first") { put("n", 1) }
        val took = System.nanoTime() - before
        while (!Throughline.isRunning) Thread.sleep(1)
        Throughline.drain()
        val health = Throughline.health()!!
        Throughline.shutdown()
        check(health.lostEarlyCalls == 0L)
        println(took)
    }
}
