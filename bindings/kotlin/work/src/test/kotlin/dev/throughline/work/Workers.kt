package dev.throughline.work

import android.app.Activity
import android.app.Application
import android.content.Context
import androidx.work.ExistingPeriodicWorkPolicy
import androidx.work.ExistingWorkPolicy
import androidx.work.OneTimeWorkRequest
import androidx.work.Operation
import androidx.work.PeriodicWorkRequest
import androidx.work.WorkManager
import androidx.work.WorkerParameters
import dev.throughline.Children.ofChild
import dev.throughline.Configuration
import dev.throughline.Consent
import dev.throughline.HostTransport
import dev.throughline.Throughline
import dev.throughline.UploadResponse
import java.io.File

/** An app of the framework's, without a device. */
internal open class WorkApp : Application() {
    val callbacks = ArrayList<ActivityLifecycleCallbacks>()

    override fun getApplicationContext(): Context = this
    override fun registerActivityLifecycleCallbacks(callback: ActivityLifecycleCallbacks) {
        callbacks += callback
    }

    override fun unregisterActivityLifecycleCallbacks(callback: ActivityLifecycleCallbacks) {
        callbacks -= callback
    }
}

/** A screen that may be made anew. */
internal class Screen : Activity() {
    var isTurned = false
    override fun isChangingConfigurations(): Boolean = isTurned
}

/** Keeps work as WorkManager does: of a name that is kept, the first. */
internal class Scheduled : WorkManager() {
    val once = LinkedHashMap<String, OneTimeWorkRequest>()
    val periodic = LinkedHashMap<String, PeriodicWorkRequest>()

    override fun enqueueUniqueWork(name: String, policy: ExistingWorkPolicy, work: OneTimeWorkRequest): Operation {
        check(policy == ExistingWorkPolicy.KEEP)
        once.putIfAbsent(name, work)
        return object : Operation {}
    }

    override fun enqueueUniquePeriodicWork(
        name: String,
        policy: ExistingPeriodicWorkPolicy,
        work: PeriodicWorkRequest,
    ): Operation {
        check(policy == ExistingPeriodicWorkPolicy.KEEP)
        periodic.putIfAbsent(name, work)
        return object : Operation {}
    }

    override fun cancelUniqueWork(name: String): Operation {
        once.remove(name)
        periodic.remove(name)
        return object : Operation {}
    }
}

/** The parameters that WorkManager gives, which nobody reads here. */
internal fun worker(context: Context = WorkApp()): UploadWorker = UploadWorker(context, WorkerParameters())

/** A client that hands its requests out. */
internal fun startPulling(directory: File, consent: Consent = Consent.GRANTED, more: Configuration.() -> Unit) {
    Throughline.start(consent) {
        ofChild(directory)
        pull = true
        more()
    }
}

/** Where a worker dies. */
internal enum class Dies {
    /** It has taken the request, and sent nothing. */
    BEFORE,

    /** The backend has answered, and the core does not know it. */
    AFTER,
}

/** Records, and dies in its worker while a request is under way. */
internal object DyingWorker {
    const val EVENTS: Int = 1_800

    @JvmStatic
    fun main(arguments: Array<String>) {
        val (directory, url, dies) = arguments
        startPulling(File(directory), Consent.GRANTED) {
            endpoint(url) { encoding = dev.throughline.Destination.Encoding.JSON }
        }
        while (Throughline.health()?.journal == "starting") Thread.sleep(1)
        repeat(EVENTS) { n -> Throughline.action("worked") { put("n", n) } }
        check(Throughline.drain())
        val dying = object : UploadWorker(WorkApp(), WorkerParameters()) {
            override fun transport(): HostTransport {
                val plain = PlainTransport()
                var sent = 0
                return HostTransport { request ->
                    if (++sent < LAST) return@HostTransport plain.send(request)
                    val response: UploadResponse? = if (dies == Dies.AFTER.name) plain.send(request) else null
                    // The parent kills this process when it reads that.
                    println("done")
                    while (true) Thread.sleep(Long.MAX_VALUE)
                    response!!
                }
            }
        }
        dying.doWork()
        println("ended")
    }

    private const val LAST = 2
}
