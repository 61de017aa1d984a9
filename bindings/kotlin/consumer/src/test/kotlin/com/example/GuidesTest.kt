package com.example

import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import java.io.File

/**
 * Compiles every example in Kotlin of the guides, with the oldest compiler.
 *
 * What a guide takes for granted, such as an app's own classes, stands in its prelude: a file of
 * the folder `preludes` with the imports, the names that examples use, and a class `Guide` with
 * what they override.
 */
class GuidesTest {
    private val root = File(System.getProperty("throughline.root"))
    private val guides = mapOf(
        "README.md" to "readme.txt",
        "docs/background-uploads.md" to "kotlin.txt",
        "docs/consent.md" to "kotlin.txt",
        "docs/destinations.md" to "destinations.txt",
        "docs/kotlin.md" to "kotlin.txt",
        "docs/processes.md" to "kotlin.txt",
        "docs/react-native.md" to "react-native.txt",
    )

    /** How an app keeps the user's answer. The guide for consent shows it, and others use it. */
    private val answer by lazy {
        val shown = fences("docs/consent.md").single { it.text.startsWith("class Answer(") }.text
        "import android.content.Context\nimport dev.throughline.*\n\n$shown\n"
    }

    private class Fence(val line: Int, val text: String)

    /** The examples of a guide, without the indentation of a list that they stand in. */
    private fun fences(guide: String, language: String = "kotlin"): List<Fence> {
        val found = ArrayList<Fence>()
        var begun = 0
        var lines: ArrayList<String>? = null
        File(root, guide).readLines().forEachIndexed { at, line ->
            val inside = lines
            when {
                inside != null && line.trim() == "```" -> {
                    found += Fence(begun, inside.joinToString("\n").trimIndent())
                    lines = null
                }
                inside != null -> inside += line
                line.trim() == "```$language" -> {
                    lines = ArrayList()
                    begun = at + 1
                }
            }
        }
        return found
    }

    private fun source(fence: Fence, prelude: String): String {
        val begins = fence.text.lineSequence().first()
        val indented = fence.text.prependIndent("    ")
        return when {
            begins.startsWith("import ") -> fence.text
            DECLARATION.containsMatchIn(begins) -> "$prelude\nclass Example : Guide() {\n$indented\n}\n"
            else -> "$prelude\nclass Example : Guide() {\nsuspend fun example() {\n$indented\n}\n}\n"
        }
    }

    @TestFactory
    fun `an example of a guide that does not compile`(): List<DynamicTest> = guides.flatMap { (guide, prelude) ->
        val context = File("src/test/preludes", prelude).readText()
        fences(guide).map { fence ->
            DynamicTest.dynamicTest("$guide:${fence.line}") {
                assertNull(Compiler.refusal(mapOf("Example.kt" to source(fence, context), "Answer.kt" to answer)))
            }
        }
    }

    @TestFactory
    fun `an example in Java that does not compile`(): List<DynamicTest> = fences("docs/kotlin.md", "java").map { fence ->
        DynamicTest.dynamicTest("docs/kotlin.md:${fence.line}") {
            val context = File("src/test/preludes/kotlin-java.txt").readText()
            assertNull(Compiler.refusalOfJava("Example.java", "$context${fence.text}\n}\n}\n"))
        }
    }

    @Test
    fun `a guide whose examples are not found would pass unseen`() {
        for (guide in guides.keys) {
            // However it is indented or written, each example in Kotlin is one of those above.
            val written = File(root, guide).readText().split(Regex("(?im)^\\s*[`~]{3,}\\s*(kotlin|kt|kts)\\b")).size - 1
            val found = fences(guide).size
            assertTrue(found > 0 && found == written, "$guide: $found of $written")
        }
        val others = File(root, "docs").listFiles { file -> file.extension == "md" }!! + File(root, ".").listFiles { file -> file.extension == "md" }!!
        val kotlin = others.filter { "```kotlin" in it.readText() }.map { it.canonicalFile.relativeTo(root.canonicalFile).path }
        assertTrue(guides.keys.containsAll(kotlin), "$kotlin")
    }

    private companion object {
        val DECLARATION = Regex("^(private |override |suspend |open |data )*(class|fun|val|var|object) ")
    }
}
