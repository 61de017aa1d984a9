package android.app

/** An [ActivityManager] that knows why processes ended. Here, because the constructor is the package's own. */
open class Exits : ActivityManager(null, null) {
    @JvmField
    var all: List<ApplicationExitInfo> = emptyList()

    override fun getHistoricalProcessExitReasons(name: String?, pid: Int, most: Int): List<ApplicationExitInfo> = all.take(most)
}
