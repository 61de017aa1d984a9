package dev.throughline.android

import android.os.Handler
import android.os.Looper
import dev.throughline.MainThread
import dev.throughline.Throughline

/** The main thread of an Android app. */
internal class MainLooper(private val looper: Looper = Looper.getMainLooper()) : MainThread {
    private val handler = Handler(looper)
    private val beat = Runnable { Throughline.beat() }

    override fun ask() {
        handler.post(beat)
    }

    override fun stack(): String = looper.thread.stackTrace.joinToString("\n") { "at $it" }
}
