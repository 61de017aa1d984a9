package dev.throughline.android

import android.app.Activity
import android.app.Application
import com.example.shop.COMPUTER
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.w3c.dom.Element
import java.io.File
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
