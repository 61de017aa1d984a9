// Stands in for native methods, as `android/os/Device.kt` does.
package android.util

import java.util.concurrent.ConcurrentLinkedQueue

@Suppress("unused", "UNUSED_PARAMETER")
object Log {
    /** What was logged, with its tag. */
    @JvmField
    val lines = ConcurrentLinkedQueue<String>()

    @JvmStatic
    fun isLoggable(tag: String?, level: Int): Boolean = false

    @JvmStatic
    fun d(tag: String?, said: String?): Int = 0.also { lines += "$tag: $said" }

    @JvmStatic
    fun w(tag: String?, said: String?): Int = 0

    @JvmStatic
    fun e(tag: String?, said: String?, failure: Throwable?): Int = 0.also { lines += "$tag: $said $failure" }
}
