package com.example

import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** What would leave a context on a thread must not compile. */
class RefusedTest {
    private fun inFunction(line: String) = mapOf(
        "Source.kt" to """
            import dev.throughline.*
            import kotlinx.coroutines.*

            suspend fun answer(context: TraceContext) {
                $line
            }
        """.trimIndent(),
    )

    @Test
    fun `a coroutine that waits inside a context of a thread does not compile`() {
        val refused = listOf(
            "context.run { delay(100) }",
            "context.run<Unit> { yield() }",
            "context.run(Runnable { delay(100) })",
            "context.traceId; Throughline.startOperation(\"A\").run { delay(100) }",
            "Throughline.blockingOperation(\"A\") { delay(100) }",
            "Throughline.bind { delay(100) }",
            "Throughline.bind(Runnable { delay(100) })",
            "sequence { context.run { yield(1) } }.toList()",
            "Throughline.action(\"A\") { delay(100) }",
        )
        for (line in refused) {
            val said = Compiler.refusal(inFunction(line))
            assertTrue(said != null && "COMPILATION_ERROR" in said && "suspen" in said.lowercase(), "$line: $said")
        }
    }

    @Test
    fun `leaving a function from inside a context does not compile`() {
        for (line in listOf("context.run { return }", "Throughline.blockingOperation(\"A\") { return }")) {
            val said = Compiler.refusal(inFunction(line))
            assertTrue(said != null && "return" in said, "$line: $said")
        }
    }

    @Test
    fun `what carries the context with the coroutine compiles`() {
        val right = listOf(
            "context.run { println(1) }",
            "withContext(context.asContextElement()) { delay(100) }",
            "Throughline.operation(\"A\") { delay(100) }",
            "val three: Int = context.run { 1 } + Throughline.blockingOperation(\"A\") { 2 }; println(three)",
            "Throughline.bind { println(1) }()",
        )
        assertNull(Compiler.refusal(inFunction(right.joinToString("\n"))))
    }
}
