package dev.throughline.reactnative

import com.facebook.react.bridge.Promise
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import java.lang.reflect.Proxy
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.CountDownLatch

class ModuleTest {
    /** A promise of a runtime. It answers what `resolve` does with a value. */
    private fun promise(resolve: (Any?) -> Unit): Promise =
        Proxy.newProxyInstance(javaClass.classLoader, arrayOf(Promise::class.java)) { _, method, arguments ->
            if (method.name == "resolve") resolve(arguments[0])
            null
        } as Promise

    /** A module whose constructor has not run: a context of React Native's needs a device. */
    private fun withoutContext(): ThroughlineModule {
        val unsafe = Class.forName("sun.misc.Unsafe").getDeclaredField("theUnsafe").apply { isAccessible = true }.get(null)
        val allocate = unsafe.javaClass.getMethod("allocateInstance", Class::class.java)
        return allocate.invoke(unsafe, ThroughlineModule::class.java) as ThroughlineModule
    }

    @Test
    fun a_promise_of_a_runtime_that_is_gone_does_not_end_the_app() {
        val uncaught = CopyOnWriteArrayList<Throwable>()
        val before = Thread.getDefaultUncaughtExceptionHandler()
        Thread.setDefaultUncaughtExceptionHandler { _, thrown -> uncaught.add(thrown) }
        try {
            val module = withoutContext()
            val answered = CountDownLatch(2)
            val all = List(2) {
                promise {
                    answered.countDown()
                    throw IllegalStateException("the runtime is gone")
                }
            }
            module.flush(10.0, all[0])
            module.shutdown(10.0, all[1])
            answered.await()
            // The threads are used again, or others take their place: either way they are asked after.
            val later = CountDownLatch(2)
            repeat(2) { module.flush(10.0, promise { later.countDown() }) }
            later.await()
        } finally {
            Thread.setDefaultUncaughtExceptionHandler(before)
        }
        assertEquals(emptyList<Throwable>(), uncaught)
    }
}
