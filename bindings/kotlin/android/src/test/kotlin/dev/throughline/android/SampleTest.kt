package dev.throughline.android

import android.app.Activity
import android.app.Application
import com.example.shop.COMPUTER
import com.example.shop.ProfileModel
import com.sun.net.httpserver.HttpServer
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.w3c.dom.Element
import java.io.File
import java.net.InetSocketAddress
import java.net.ProxySelector
import java.util.concurrent.LinkedBlockingQueue
import javax.xml.parsers.DocumentBuilderFactory

/** The sample project, as far as it can be checked without the Android Gradle plugin. */
class SampleTest {
    private val root = File("../../../examples/kotlin/android-app")
    private val app = File(root, "app/src/main")

    private fun parsed(file: File): Element {
        val factory = DocumentBuilderFactory.newInstance().apply { isNamespaceAware = true }
        return factory.newDocumentBuilder().parse(file).documentElement
    }

    private fun Element.all(tag: String): List<Element> =
        getElementsByTagName(tag).let { found -> List(found.length) { found.item(it) as Element } }

    private fun Element.android(name: String): String = getAttributeNS("http://schemas.android.com/apk/res/android", name)

    private fun text(path: String): String = File(root, path).readText()

    @Test
    fun `a manifest that names a class or a file that is not there`() {
        val namespace = Regex("namespace = \"(.*)\"").find(text("app/build.gradle.kts"))!!.groupValues[1]
        val manifest = parsed(File(app, "AndroidManifest.xml"))
        val kinds = mapOf("application" to Application::class.java, "activity" to Activity::class.java)
        for ((tag, kind) in kinds) {
            val named = manifest.all(tag).map { it.android("name") }
            assertEquals(1, named.size, tag)
            for (name in named) assertTrue(kind.isAssignableFrom(Class.forName(namespace + name, false, javaClass.classLoader)), name)
        }
        val config = manifest.all("application").single().android("networkSecurityConfig")
        assertEquals("@xml/network_security_config", config)
        val allowed = parsed(File(app, "res/xml/network_security_config.xml")).all("domain").map { it.textContent.trim() }
        assertEquals(listOf(COMPUTER), allowed, "the app sends to an address that Android forbids")
    }

    @Test
    fun `what the server refuses is shown as saved, or the name stays`() {
        val backend = HttpServer.create(InetSocketAddress("127.0.0.1", 0), 0)
        val asked = LinkedBlockingQueue<String>()
        backend.createContext("/") { exchange ->
            val body = exchange.requestBody.readBytes().decodeToString()
            asked.add("${exchange.requestMethod} ${exchange.requestURI} $body")
            exchange.sendResponseHeaders(if ("taken" in body) 409 else 200, -1)
            exchange.close()
        }
        backend.start()
        val before = ProxySelector.getDefault()
        // The name that an emulator has for its computer leads nowhere here.
        ProxySelector.setDefault(ProxySelector.of(backend.address))
        try {
            val model = ProfileModel(CoroutineScope(Dispatchers.Default))
            val said = listOf("Ada", "taken").map { name ->
                model.save(name, 8080)
                runBlocking { withTimeout(10_000) { model.said.first { it != "Saving …" && name in it || "Not" in it } } }
            }
            assertEquals(listOf("Saved: Ada", "Not saved, the server says 409. The name is \"Ada\" again."), said)
            assertEquals("PUT http://$COMPUTER:8080/api/me {\"displayName\":\"Ada\"}", asked.take())
        } finally {
            ProxySelector.setDefault(before)
            backend.stop(0)
        }
    }

    @Test
    fun `a wrapper whose Gradle is older than the Android plugin takes`() {
        val plugin = Regex("(?m)^android = \"(.*)\"").find(text("gradle/libs.versions.toml"))!!.groupValues[1]
        val url = Regex("(?m)^distributionUrl=(.*)").find(text("gradle/wrapper/gradle-wrapper.properties"))!!.groupValues[1]
        // Each of these plugins says which Gradle is the oldest that it takes. Add a line for another one.
        val oldest = mapOf("8.7" to "8.9").getValue(plugin.substringBeforeLast('.'))
        assertEquals("https\\://services.gradle.org/distributions/gradle-$oldest-bin.zip", url)
    }

    @Test
    fun `a build file that names what the catalog does not have`() {
        val catalog = text("gradle/libs.versions.toml")
        val names = Regex("(?m)^([a-z-]+) = \\{").findAll(catalog).map { it.groupValues[1].replace('-', '.') }.toSet()
        val versions = Regex("version\\.ref = \"(.*?)\"").findAll(catalog).map { it.groupValues[1] }
        for (version in versions) assertTrue(Regex("(?m)^$version = \"").containsMatchIn(catalog), version)
        val used = listOf("build.gradle.kts", "app/build.gradle.kts").flatMap { file ->
            Regex("libs\\.(?:plugins\\.)?([a-z.]+)").findAll(text(file)).map { it.groupValues[1] }
        }
        assertTrue(used.size > 5, "$used")
        assertEquals(emptyList<String>(), used.filter { it !in names })
        val repositories = text("settings.gradle.kts")
        for (module in repositories.lines().filter { "include(" in it }) {
            assertTrue(File(root, module.substringAfter("\":").substringBefore("\"")).isDirectory, module)
        }
    }
}
