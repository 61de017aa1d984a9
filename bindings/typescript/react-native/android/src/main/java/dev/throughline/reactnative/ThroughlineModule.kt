package dev.throughline.reactnative

import android.app.Application
import android.util.Log
import com.facebook.react.bridge.Promise
import com.facebook.react.bridge.ReactApplicationContext
import com.facebook.react.module.annotations.ReactModule
import com.facebook.react.turbomodule.core.interfaces.CallInvokerHolder
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.RejectedExecutionException
import java.util.concurrent.ThreadPoolExecutor
import java.util.concurrent.TimeUnit

/** The native module. Its methods are called on the thread of JavaScript, and none throws. */
@ReactModule(name = NativeThroughlineSpec.NAME)
public class ThroughlineModule(private val context: ReactApplicationContext) : NativeThroughlineSpec(context) {
    override fun install(): Boolean {
        val runtime = context.javaScriptContextHolder?.get() ?: 0L
        val invoker = context.jsCallInvokerHolder
        if (runtime == 0L || invoker == null) return false
        return try {
            // It needs the core's library, which the facade loads as well: there is one in a process.
            System.loadLibrary("throughline_ffi")
            System.loadLibrary("throughline_react_native")
            nativeInstall(runtime, invoker)
        } catch (missing: Throwable) {
            // JavaScript only learns that it cannot be used.
            Log.e("Throughline", "the native module cannot be used", missing)
            false
        }
    }

    override fun start(config: String?): String {
        val application = context.applicationContext as? Application
            ?: return Starter.error("storage", "there is no Application")
        return Starter.start(application, config ?: "")
    }

    override fun flush(timeoutMs: Double, promise: Promise?): Unit = later(promise) { Starter.flush(timeoutMs) }

    override fun shutdown(timeoutMs: Double, promise: Promise?): Unit = later(promise) { Starter.shutdown(timeoutMs) }

    override fun processStart(): Double = ProcessStart.tell(context)

    private fun later(promise: Promise?, work: () -> String) {
        try {
            WAITING.execute { answer(promise, work()) }
        } catch (full: RejectedExecutionException) {
            answer(promise, Starter.error("closed", "too many calls wait"))
        } catch (none: OutOfMemoryError) {
            answer(promise, Starter.error("closed", "there is no thread"))
        }
    }

    /** The runtime that has asked may be gone, which React Native may throw for. */
    private fun answer(promise: Promise?, answer: String) {
        try {
            promise?.resolve(answer)
        } catch (gone: RuntimeException) {
            Log.e("Throughline", "nobody waits for an answer", gone)
        }
    }

    /** Puts the door and the generated code into a runtime. See `Module.h`. */
    private external fun nativeInstall(runtime: Long, invoker: CallInvokerHolder): Boolean

    private companion object {
        /** Where calls wait: two threads, so that a shutdown need not wait for a flush, at most 100 calls. */
        val WAITING = ThreadPoolExecutor(2, 2, 2, TimeUnit.SECONDS, LinkedBlockingQueue(100)) { work ->
            Thread(work, "throughline-calls").apply { isDaemon = true }
        }.apply { allowCoreThreadTimeOut(true) }
    }
}
