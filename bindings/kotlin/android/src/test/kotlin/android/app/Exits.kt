package android.app

/**
 * An [ActivityManager] that knows why processes ended. It lies in this package because the
 * constructor is visible only here.
 */
open class Exits : ActivityManager(null, null) {
    @JvmField
    var all: List<ApplicationExitInfo> = emptyList()

    /** What the process has named itself. */
    @JvmField
    var summary: ByteArray = ByteArray(0)

    override fun setProcessStateSummary(state: ByteArray?) {
        summary = state ?: ByteArray(0)
    }

    override fun getHistoricalProcessExitReasons(name: String?, pid: Int, most: Int): List<ApplicationExitInfo> =
        if (most == 0) all else all.take(most)
}
