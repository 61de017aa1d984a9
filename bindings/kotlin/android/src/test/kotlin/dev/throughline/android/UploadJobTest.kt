package dev.throughline.android

import android.app.job.JobInfo
import android.app.job.JobParameters
import android.app.job.JobService
import android.app.job.JobServiceEngine
import com.sun.net.httpserver.HttpServer
import dev.throughline.Configuration
import dev.throughline.Consent
import dev.throughline.Destination
import dev.throughline.Setup
import dev.throughline.Throughline
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.net.InetSocketAddress
import java.util.concurrent.CompletableFuture
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicInteger

/** The job that uploads what is left, on the framework's own classes. */
class UploadJobTest : AppSetUp() {
    private class Engine : JobServiceEngine(null) {
        @JvmField
        var isToBeRepeated: CompletableFuture<Boolean>? = null

        override fun onStartJob(parameters: JobParameters?): Boolean = false
        override fun onStopJob(parameters: JobParameters?): Boolean = false
        override fun jobFinished(parameters: JobParameters?, isToBeRepeated: Boolean) {
            this.isToBeRepeated!!.complete(isToBeRepeated)
        }
    }

    /** Runs the upload job. Returns whether the system is to run it again. */
    private fun job(isThere: () -> Unit = {}): Boolean {
        val engine = withoutDevice<Engine>().apply { isToBeRepeated = CompletableFuture() }
        val service = UploadService()
        JobService::class.java.getDeclaredField("mEngine").apply { isAccessible = true }.set(service, engine)
        assertTrue(service.onStartJob(withoutDevice()))
        isThere()
        return engine.isToBeRepeated!!.get(30, TimeUnit.SECONDS)
    }

    private fun startWithJob(consent: Consent, url: String?, configure: Configuration.() -> Unit = {}) {
        val options = Setup<AndroidOptions> {
            uploadJobId = 4711
            screens = false
            frames = false
            conditions = false
            exitReasons = false
        }
        Throughline.start(app, consent, options) {
            configure()
            serviceName = "shop"
            startJitter = false
            if (url != null) endpoint(url) { encoding = Destination.Encoding.JSON }
        }
    }

    /** A backend that gives each request the same answer. */
    private fun answering(status: Int, answered: () -> Unit = {}): HttpServer {
        val backend = HttpServer.create(InetSocketAddress("127.0.0.1", 0), 0)
        backend.createContext("/") { exchange ->
            exchange.requestBody.readBytes()
            answered()
            exchange.responseHeaders.add("content-type", "application/json")
            exchange.responseHeaders.add("retry-after", "3600")
            exchange.sendResponseHeaders(status, 2)
            exchange.responseBody.use { it.write("{}".toByteArray()) }
        }
        return backend.apply { start() }
    }

    private fun HttpServer.url() = "http://127.0.0.1:${address.port}"

    @Test
    fun `a job whose process has only just begun waits for the start`() {
        val arrived = AtomicInteger()
        val backend = answering(200) { arrived.incrementAndGet() }
        val isJobThere = CountDownLatch(1)
        startWithJob(Consent.GRANTED, backend.url()) { isJobThere.await() }
        Throughline.event("left behind")
        assertFalse(job { isJobThere.countDown() })
        assertTrue(arrived.get() > 0)
        backend.stop(0)
    }

    @Test
    fun `a job is scheduled although the user has refused or has not answered`() {
        for (consent in listOf(Consent.DENIED, Consent.PENDING)) {
            startWithJob(consent, NOBODY)
            Throughline.event("not to be sent")
            UploadService.schedule(app)?.join()
            assertEquals(emptyList<JobInfo>(), app.jobs.all, "$consent")
            Throughline.shutdown()
        }
    }

    @Test
    fun `a job wakes the process again and again for a user who has refused`() = jobThatSendsNothing(Consent.DENIED)

    @Test
    fun `a job wakes the process again and again for a user who has not answered`() = jobThatSendsNothing(Consent.PENDING)

    private fun jobThatSendsNothing(consent: Consent) {
        startWithJob(consent, NOBODY)
        assertTrue(Throughline.awaitStart())
        Throughline.event("not to be sent")
        assertFalse(job(), "$consent")
        // One that was scheduled before the user has changed the answer.
        Throughline.setConsent(Consent.GRANTED)
        Throughline.event("left behind")
        assertTrue(Throughline.drain())
        Throughline.setConsent(consent)
        assertFalse(job(), "$consent after the user had agreed")
    }

    @Test
    fun `a job wakes the process again and again for what only the app can change`() {
        assertFalse(job(), "no client runs")
        val cases = mapOf<String, Configuration.() -> Unit>(
            "the client is off" to { enabled = false },
            "there is no endpoint" to {},
        )
        for ((why, configure) in cases) {
            startWithJob(Consent.GRANTED, null, configure)
            assertTrue(Throughline.awaitStart())
            Throughline.event("kept")
            UploadService.schedule(app)?.join()
            assertEquals(emptyList<JobInfo>(), app.jobs.all, why)
            assertFalse(job(), why)
            Throughline.shutdown()
        }
        startWithJob(Consent.GRANTED, NOBODY)
        assertTrue(Throughline.awaitStart())
        Throughline.pauseDestination("default")
        Throughline.event("kept")
        assertFalse(job(), "the destination is paused")
    }

    @Test
    fun `a job that finds a busy server is the last one`() {
        val backend = answering(503)
        startWithJob(Consent.GRANTED, backend.url())
        Throughline.event("left behind")
        UploadService.schedule(app)?.join()
        assertEquals(1, app.jobs.all.size)
        assertTrue(job())
        backend.stop(0)
    }

    private companion object {
        const val NOBODY = "http://127.0.0.1:9"
    }
}
