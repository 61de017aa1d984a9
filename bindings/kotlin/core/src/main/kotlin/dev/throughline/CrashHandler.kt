package dev.throughline

import kotlin.time.Duration.Companion.seconds

/** Records an exception that nobody has caught, and passes it on. */
internal class CrashHandler(private val before: Thread.UncaughtExceptionHandler?) : Thread.UncaughtExceptionHandler {
    override fun uncaughtException(thread: Thread, throwable: Throwable) {
        try {
            Throughline.error(throwable, ErrorKind.CRASH) { put("thread.name", thread.name) }
            // While the client starts, the crash is in memory alone.
            Throughline.awaitStart(2.seconds)
            Throughline.drain(2.seconds)
        } finally {
            if (before != null) {
                before.uncaughtException(thread, throwable)
            } else {
                // What the virtual machine does when there is no handler.
                System.err.print("Exception in thread \"${thread.name}\" ")
                throwable.printStackTrace()
            }
        }
    }
}
