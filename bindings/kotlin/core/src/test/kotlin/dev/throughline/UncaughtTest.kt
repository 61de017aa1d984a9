package dev.throughline

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.GlobalScope
import kotlinx.coroutines.DelicateCoroutinesApi
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File
import kotlin.concurrent.thread

/** Where nobody catches. */
private enum class Uncaught { MAIN, THREAD, COROUTINE }

/** Dies of an exception, as Android lets a process die: its handler ends it. */
object UncaughtApp {
    const val STATUS: Int = 3

    @OptIn(DelicateCoroutinesApi::class)
    @JvmStatic
    fun main(arguments: Array<String>) {
        Thread.setDefaultUncaughtExceptionHandler { _, _ -> Runtime.getRuntime().halt(STATUS) }
        Children.start(File(arguments[0]), isBare = false)
        Throughline.startView("Checkout")
        println("session ${Throughline.sessionId}")
        when (Uncaught.valueOf(arguments[1])) {
            Uncaught.MAIN -> crash()
            Uncaught.THREAD -> thread(name = "doomed") { crash() }.join()
            Uncaught.COROUTINE -> {
                GlobalScope.launch {
                    delay(1)
                    withContext(Dispatchers.IO) { crash() }
                }
                Thread.sleep(Long.MAX_VALUE)
            }
        }
    }

    private fun crash(): Nothing = throw IllegalStateException("paid with 4111 1111 1111 1111")
}

class UncaughtTest {
    @Test
    fun `each exception that nobody catches is delivered once, redacted, with the view it ended`() {
        val places = List(8) { Uncaught.values().asList() }.flatten()
        val children = Children.together(places.map { place -> { Children.run(UncaughtApp, emptyList(), place.name) } })
        for ((place, child) in places.zip(children)) {
            assertEquals(UncaughtApp.STATUS, child.status, "$place: $child")
            val crash = Children.nextLaunches(child.directory).filter { it.name == "app.crash" }
                .also { assertEquals(1, it.size, "$place: $it") }.single()
            assertEquals(
                listOf("java.lang.IllegalStateException", "Checkout", child.saidOf("session")),
                listOf("exception.type", "app.screen.name", "session.id").map(crash.attributes::get), "$place",
            )
            val message = crash.attributes["exception.message"].orEmpty()
            assertTrue(message.startsWith("paid with") && "4111" !in message, message)
            val thread = crash.attributes["thread.name"].orEmpty()
            assertTrue(thread.startsWith(mapOf(Uncaught.MAIN to "main", Uncaught.THREAD to "doomed")[place] ?: "Default"), thread)
            child.directory.deleteRecursively()
        }
        println("${places.size} exceptions that nobody caught, each delivered once")
    }
}
