// Stands in for native methods that the framework's classes call when they are loaded. These
// classes come before the framework's on the class path of the tests.
package android.os

@Suppress("unused")
object SystemProperties {
    private fun known(key: String): String? = when {
        "abilist" in key -> "x86_64"
        "codename" in key -> "REL"
        key == "ro.build.version.release" -> "15"
        key == "ro.build.version.sdk" -> "35"
        key == "ro.product.manufacturer" -> "Nobody"
        key == "ro.product.model" -> "None"
        else -> null
    }

    @JvmStatic
    fun get(key: String): String = known(key) ?: ""

    @JvmStatic
    fun get(key: String, otherwise: String?): String? = known(key) ?: otherwise

    @JvmStatic
    fun getInt(key: String, otherwise: Int): Int = known(key)?.toIntOrNull() ?: otherwise

    @JvmStatic
    fun getLong(key: String, otherwise: Long): Long = known(key)?.toLongOrNull() ?: otherwise

    @JvmStatic
    fun getBoolean(key: String, otherwise: Boolean): Boolean = otherwise
}

object Process {
    @JvmStatic
    fun is64Bit(): Boolean = true

    @JvmStatic
    fun myUid(): Int = 10_000

    @JvmStatic
    fun getStartElapsedRealtime(): Long = 0
}

object SystemClock {
    @JvmStatic
    fun elapsedRealtime(): Long = System.nanoTime() / 1_000_000
}
