package dev.throughline

import kotlin.time.Duration.Companion.seconds

/** Records an exception that nobody has caught, and passes it on. */
internal class CrashHandler(private val before: Thread.UncaughtExceptionHandler?) : Thread.UncaughtExceptionHandler {
    override fun uncaughtException(thread: Thread, throwable: Throwable) {
        // Another SDK has wrapped a handler of ours, and a second start has put one over it.
        if (recorded.get() === throwable) return pass(thread, throwable)
        recorded.set(throwable)
        try {
            Throughline.error(throwable, ErrorKind.CRASH) { put("thread.name", thread.name) }
            // While the client starts, the crash is in memory alone.
            Throughline.awaitStart(2.seconds)
            Throughline.drain(2.seconds)
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

    private companion object {
        /** What is being recorded and passed on by this thread. */
        val recorded = ThreadLocal<Throwable>()
    }
}
