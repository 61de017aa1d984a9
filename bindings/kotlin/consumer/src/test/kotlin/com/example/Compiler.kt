package com.example

import org.jetbrains.kotlin.cli.common.ExitCode
import org.jetbrains.kotlin.cli.jvm.K2JVMCompiler
import java.io.ByteArrayOutputStream
import java.io.File
import java.io.PrintStream
import javax.tools.ToolProvider
import kotlin.io.path.createTempDirectory

/** The oldest compiler that Throughline supports, with what an app has on its class path. */
object Compiler {
    /** Compiles sources by their file names. Returns what the compiler refuses, or null. */
    fun refusal(sources: Map<String, String>): String? {
        val directory = createTempDirectory("sources").toFile()
        try {
            val files = sources.map { (name, text) -> File(directory, name).apply { writeText(text) }.path }
            val said = ByteArrayOutputStream()
            val arguments = listOf("-nowarn", "-no-stdlib", "-no-reflect", "-jvm-target", "11", "-cp", path())
            val code = K2JVMCompiler().exec(
                PrintStream(said), *(arguments + listOf("-d", File(directory, "classes").path) + files).toTypedArray(),
            )
            return if (code == ExitCode.OK) null else "$code: $said"
        } finally {
            directory.deleteRecursively()
        }
    }

    private fun path(): String = System.getProperty("surefire.test.class.path") ?: System.getProperty("java.class.path")

    /** Compiles a source in Java. Returns what the compiler refuses, or null. */
    fun refusalOfJava(name: String, text: String): String? {
        val directory = createTempDirectory("sources").toFile()
        try {
            val file = File(directory, name).apply { writeText(text) }
            val said = ByteArrayOutputStream()
            val arguments = arrayOf("-proc:none", "-cp", path(), "-d", directory.path, file.path)
            val code = ToolProvider.getSystemJavaCompiler().run(null, said, said, *arguments)
            return if (code == 0) null else "$said"
        } finally {
            directory.deleteRecursively()
        }
    }
}
