package com.example

import dev.throughline.Throughline
import dev.throughline.okhttp.OkHttpTransport
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File
import java.lang.reflect.Modifier
import javax.lang.model.SourceVersion
import kotlin.io.path.createTempDirectory

class AppsTest {
    @Test
    fun `an app that the oldest compiler has compiled runs`() {
        val directory = createTempDirectory("consumer").toFile()
        KotlinApp.run(directory)
        Throughline.drain()
        val health = Throughline.health()!!
        assertEquals(listOf(0L, 0L), listOf(health.failures, health.malformedCalls))
        assertEquals(2, health.stores.getValue("Cart").mutations)
        assertEquals(1, health.stores.getValue("Coupons").mutations)
        assertTrue(Throughline.shutdown())
        directory.deleteRecursively()
    }

    @Test
    fun `a Java app can call everything, and no call of it is refused`() {
        val directory = createTempDirectory("consumer").toFile()
        JavaApp.start(directory)
        JavaApp.startAgain()
        JavaApp.record()
        assertTrue(JavaApp.trace().startsWith("said in "))
        JavaApp.state()
        assertTrue(JavaApp.network())
        val health = Throughline.health()!!
        assertEquals(listOf(0L, 0L, 0L), listOf(health.failures, health.malformedCalls, health.unknownCalls))
        JavaApp.end()
        assertTrue(!Throughline.isRunning)
        directory.deleteRecursively()
    }

    /** The public classes of the core and of the module for OkHttp that people have written. */
    private fun classes(): List<Class<*>> = listOf(Throughline::class.java, OkHttpTransport::class.java).flatMap { of ->
        val root = File(of.protectionDomain.codeSource.location.toURI())
        root.walk().filter { it.extension == "class" }
            .map { it.relativeTo(root).path.removeSuffix(".class").replace(File.separatorChar, '.') }
            .filter { it.startsWith("dev.throughline.") && ".internal." !in it }
            .map { Class.forName(it, false, javaClass.classLoader) }
            .filter { Modifier.isPublic(it.modifiers) && !it.isSynthetic }.toList()
    }

    @Test
    fun `what Java cannot name or would have to answer with Kotlin's Unit has another way`() {
        // Kotlin's internal classes of that module are public ones in Java.
        val android = listOf("AndroidOptions", "ThroughlineAndroid", "UploadService").map { Class.forName("dev.throughline.android.$it") }
        val classes = classes() + android
        assertTrue(classes.size > 40, "$classes")
        val time = Class.forName("dev.throughline.JavaTime").methods.map { it.name }.toSet()
        val methods = classes.flatMap { it.methods.filter { method -> !method.isSynthetic && method.declaringClass == it && '$' !in method.name } }
        val nameless = methods.filter { '-' in it.name }.map { it.name.substringBefore('-') }.toSortedSet()
        assertTrue("flush" in nameless && "setCoalesce" in nameless, "$nameless")
        // What a builder was given need not be read.
        assertEquals(emptyList<String>(), nameless.filter { it !in time && !it.startsWith("get") })
        val unit = methods.filter { method ->
            method.genericParameterTypes.any { "kotlin.Unit" in it.typeName && "Continuation" !in it.typeName }
        }
        assertEquals(emptyList<String>(), unit.map { "$it" })
        assertEquals(emptyList<String>(), methods.map { it.name }.filter { SourceVersion.isKeyword(it) })
    }
}
