package dev.throughline

import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** Records an exception that nobody has caught, and passes it on. */
internal class CrashHandler(private val before: Thread.UncaughtExceptionHandler?) : Thread.UncaughtExceptionHandler {
    override fun uncaughtException(thread: Thread, throwable: Throwable) {
        // Another SDK has wrapped a handler of ours, and a second start has put one over it. A thread
        // that is stopped has not crashed: the virtual machine does not report it either.
        if (!isOn || recorded.get() === throwable || throwable is ThreadDeath) return pass(thread, throwable)
        recorded.set(throwable)
        try {
            Throughline.error(throwable, ErrorKind.CRASH) { put("thread.name", thread.name) }
            // While the client starts, the crash is in memory alone.
            if (!Throughline.isRunning) Throughline.awaitStart(2.seconds)
            // The crash survives the process since it was recorded. On the disk it survives a loss of
            // power as well, which is worth only a moment.
            Throughline.drain(100.milliseconds)
        } finally {
            try {
                pass(thread, throwable)
            } finally {
                recorded.remove()
            }
        }
    }

    private fun pass(thread: Thread, throwable: Throwable) {
        if (before != null) {
            before.uncaughtException(thread, throwable)
        } else {
            // What the virtual machine does when there is no handler.
            System.err.print("Exception in thread \"${thread.name}\" ")
            throwable.printStackTrace()
        }
    }

    companion object {
        /** What is being recorded and passed on by this thread. */
        private val recorded = ThreadLocal<Throwable>()

        /** Whether anything is recorded. A handler that another one has wrapped cannot be taken away. */
        @Volatile
        private var isOn = false

        /** Records from now on. */
        fun install() {
            isOn = true
            val before = Thread.getDefaultUncaughtExceptionHandler()
            if (before !is CrashHandler) Thread.setDefaultUncaughtExceptionHandler(CrashHandler(before))
        }

        /** Only passes on from now on. */
        fun switchOff() {
            isOn = false
        }
    }
}
