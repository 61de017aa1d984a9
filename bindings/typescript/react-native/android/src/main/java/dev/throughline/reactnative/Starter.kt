package dev.throughline.reactnative

import android.app.Application
import android.util.Log
import dev.throughline.Setup
import dev.throughline.StartFailure
import dev.throughline.Throughline
import dev.throughline.ThroughlineException
import dev.throughline.android.AndroidOptions
import dev.throughline.android.start
import org.json.JSONObject
import java.util.concurrent.atomic.AtomicReference
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/**
 * Starts and ends the client for JavaScript, through the facade that an app in Kotlin uses. The
 * answers are JSON, as `NativeThroughline.ts` describes them. Nothing is thrown.
 */
internal object Starter {
    /**
     * How long JavaScript waits for a start, which usually takes some ten ms. Its thread draws the
     * app's screens, so it must not wait for a slow disk.
     */
    private val LONGEST_START = 1.seconds

    /** How long a flush or a shutdown may take at most, whatever JavaScript says. */
    private const val LONGEST_CALL_MS = 600_000.0

    /**
     * Starts the client, unless it runs, or the app has begun to start it itself: then this waits
     * for that start. A start that takes longer goes on behind the answer, which says so.
     */
    fun start(application: Application, config: String): String = answering {
        if (Throughline.awaitStart(LONGEST_START)) return ATTACHED
        if (Throughline.isStarting) return ATTACHED_LATER
        val request = StartRequest.read(config)
        val failure = AtomicReference<ThroughlineException>()
        val options = Setup<AndroidOptions> {
            // The app has one activity. Its views are those that JavaScript names.
            screenName = { null }
            request.captureUncaughtExceptions?.let { crashes = it }
        }
        val failed = StartFailure {
            failure.set(it)
            // Nobody may wait for the answer any more.
            if (it !is ThroughlineException.Closed) Log.e("Throughline", "Throughline did not start", it)
        }
        Throughline.start(application, request.consent, options, failed, request.configure)
        val isRunning = Throughline.awaitStart(LONGEST_START)
        when (val reason = failure.get()) {
            null -> if (isRunning) STARTED else STARTED_LATER
            // The app has started it at the same moment.
            is ThroughlineException.Closed -> if (isRunning) ATTACHED else ATTACHED_LATER
            else -> error(reason)
        }
    }

    /** Sends everything. It waits. */
    fun flush(timeoutMs: Double): String = answering {
        val outcome = Throughline.flush(duration(timeoutMs))
        json(
            "isComplete" to outcome.isComplete,
            "delivered" to outcome.delivered,
            "waiting" to outcome.waiting,
            "reason" to outcome.reason,
        )
    }

    /** Ends the client. It waits. */
    fun shutdown(timeoutMs: Double): String = answering {
        json("complete" to Throughline.shutdown(duration(timeoutMs)))
    }

    private const val STARTED = "{}"
    private const val STARTED_LATER = "{\"starting\":true}"
    private const val ATTACHED = "{\"attached\":true}"
    private const val ATTACHED_LATER = "{\"attached\":true,\"starting\":true}"

    private inline fun answering(work: () -> String): String = try {
        work()
    } catch (invalid: InvalidField) {
        error("invalidConfig", invalid.message)
    } catch (failure: ThroughlineException) {
        error(failure)
    } catch (failure: Throwable) {
        // Whatever the system refuses must not end the app.
        error("storage", failure.toString())
    }

    private fun error(failure: ThroughlineException): String = error(
        when (failure) {
            is ThroughlineException.InvalidConfiguration -> "invalidConfig"
            is ThroughlineException.Storage -> "storage"
            is ThroughlineException.Closed -> "closed"
            is ThroughlineException.Library -> "library"
        },
        failure.message,
    )

    internal fun error(kind: String, reason: String?): String =
        json("error" to kind, "reason" to (reason ?: kind))

    /** What is null is left out. */
    private fun json(vararg fields: Pair<String, Any?>): String =
        JSONObject(fields.filter { it.second != null }.toMap()).toString()

    /** A time of JavaScript's. What is no time is none. */
    private fun duration(ms: Double): Duration =
        (if (ms.isNaN()) 0.0 else ms.coerceIn(0.0, LONGEST_CALL_MS)).milliseconds
}
