package dev.throughline.work

import dev.throughline.HostTransport
import dev.throughline.PendingUpload
import dev.throughline.Throughline
import dev.throughline.UploadResponse
import java.net.URI
import java.net.URISyntaxException
import java.util.concurrent.CompletableFuture
import java.util.concurrent.ExecutionException
import java.util.concurrent.TimeUnit
import java.util.concurrent.TimeoutException
import kotlin.time.Duration
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

/** Sends the requests that the core hands out, until none is left. */
internal class Uploads(
    private val transport: HostTransport,
    private val limit: Duration = 8.minutes,
    private val patience: Duration = 30.seconds,
) {
    /** Ends when the system ends the worker. */
    private val stopped = CompletableFuture<Unit>()

    /** Ends the request that is under way, and [send]. */
    fun stop() {
        stopped.complete(Unit)
    }

    /**
     * Sends. A server that has failed once is not asked again in this run: what waits for it is given
     * back at once, so that the others get theirs and a dead server is no loop.
     *
     * @return whether nothing is left that another run should send.
     */
    fun send(isStopped: () -> Boolean): Boolean {
        val until = System.nanoTime() + limit.inWholeNanoseconds
        val failed = HashSet<String>()
        while (!isStopped() && !stopped.isDone && System.nanoTime() < until) {
            val upload = Throughline.nextUpload(if (failed.isEmpty()) WAIT else AFTER_FAILURE) ?: return failed.isEmpty()
            val server = serverOf(upload)
            val response = if (server in failed) null else answer(upload)
            Throughline.uploadDone(upload, response)
            if (response == null || response.status == TOO_MANY || response.status >= SERVER_ERROR) {
                // Given back twice: the core goes on offering what nobody can send.
                if (!failed.add(server)) return false
            }
        }
        return false
    }

    /** The answer, or null when there is none in time. */
    private fun answer(upload: PendingUpload): UploadResponse? {
        val answered = CompletableFuture<UploadResponse>()
        val sender = Thread({
            try {
                answered.complete(transport.send(upload.request))
            } catch (failed: Throwable) {
                answered.completeExceptionally(failed)
            }
        }, "throughline-upload")
        sender.isDaemon = true
        sender.start()
        return try {
            CompletableFuture.anyOf(answered, stopped).get(patience.inWholeMilliseconds, TimeUnit.MILLISECONDS)
            // The transport may fail in the moment in which the worker is stopped.
            if (answered.isCompletedExceptionally) null else answered.getNow(null)
        } catch (failed: ExecutionException) {
            null
        } catch (late: TimeoutException) {
            null
        } catch (ended: InterruptedException) {
            Thread.currentThread().interrupt()
            stop()
            null
        } finally {
            // A request that is given up must not go on beside the next one.
            sender.interrupt()
            (transport as? PlainTransport)?.giveUp(upload.request)
        }
    }

    private fun serverOf(upload: PendingUpload): String = try {
        URI(upload.request.url).run { "$scheme://$authority" }
    } catch (odd: URISyntaxException) {
        upload.request.url
    }

    private companion object {
        const val TOO_MANY = 429
        const val SERVER_ERROR = 500
        val WAIT = 5.seconds
        val AFTER_FAILURE = 1.seconds
    }
}
