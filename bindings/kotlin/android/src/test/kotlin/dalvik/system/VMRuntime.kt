// Stands in for native methods, as `android/os/Device.kt` does.
package dalvik.system

@Suppress("unused")
class VMRuntime private constructor() {
    fun newUnpaddedArray(of: Class<*>, length: Int): Any = java.lang.reflect.Array.newInstance(of, length)

    companion object {
        private val only = VMRuntime()

        @JvmStatic
        fun getRuntime(): VMRuntime = only
    }
}
