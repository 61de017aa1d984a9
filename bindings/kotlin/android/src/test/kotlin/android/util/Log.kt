// Stands in for native methods, as `android/os/Device.kt` does.
package android.util

@Suppress("unused", "UNUSED_PARAMETER")
object Log {
    @JvmStatic
    fun isLoggable(tag: String?, level: Int): Boolean = false

    @JvmStatic
    fun w(tag: String?, said: String?): Int = 0

    @JvmStatic
    fun e(tag: String?, said: String?, failure: Throwable?): Int = 0
}
