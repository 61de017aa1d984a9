package dev.throughline.android

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import java.io.File

class ProcessNameTest {
    private fun before9(commandLine: File): String = ProcessState.name(27, commandLine)

    @Test
    fun `before Android 9 each process has the name of the package`() {
        val commandLine = File.createTempFile("cmdline", null)
        for (name in listOf("com.example.shop", "com.example.shop:sandbox")) {
            // The system writes the name over a longer one.
            commandLine.writeText(name.padEnd(80, '\u0000'))
            assertEquals(name, before9(commandLine))
        }
        commandLine.delete()
        assertEquals("", before9(commandLine), "the kernel does not say")
    }

    @Test
    fun `the kernel's own file is read`() {
        val program = ProcessHandle.current().info().command().orElseThrow()
        assertEquals(File(program).name, File(before9(File("/proc/self/cmdline"))).name)
    }
}
