package dev.throughline.work

import androidx.work.ListenableWorker.Result
import androidx.work.NetworkType
import androidx.work.WorkManager
import androidx.work.WorkerParameters
import dev.throughline.Backend
import dev.throughline.Children
import dev.throughline.Consent
import dev.throughline.Destination
import dev.throughline.HostTransport
import dev.throughline.Throughline
import dev.throughline.UploadResponse
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicInteger
import kotlin.concurrent.thread
import kotlin.io.path.createTempDirectory
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

class WorkTest {
    private val directory: File = createTempDirectory("work").toFile()

    @AfterEach
    fun end() {
        if (Throughline.isRunning) Throughline.shutdown()
        WorkManager.known = null
        directory.deleteRecursively()
    }

    private fun start(url: String, consent: Consent = Consent.GRANTED) = startPulling(directory, consent) { json(url) }

    private fun dev.throughline.Configuration.json(url: String) = endpoint(url) { encoding = Destination.Encoding.JSON }

    private fun kind(result: Result): String = result.javaClass.simpleName

    @Test
    fun `an upload that a killed worker had taken is neither lost nor another one`() {
        for (dies in Dies.values()) Backend().use { backend ->
            val child = Children.run(DyingWorker, emptyList(), backend.url, dies.name)
            assertEquals(listOf("done"), child.said, "$child ${File(child.directory, "errors").readText()}")
            val before = backend.seen().count { it.target == "worked" }
            assertTrue(before in 1 until DyingWorker.EVENTS, "$dies: $before have arrived before the death")
            startPulling(child.directory) { json(backend.url) }
            assertEquals("Success", kind(worker().doWork()))
            val all = backend.seen().filter { it.target == "worked" }
            // What the backend got twice has one id: it can tell.
            val once = all.associateBy { it.attributes.getValue("log.record.uid") }
            val numbers = once.values.map { it.attributes.getValue("n").toInt() }.sorted()
            assertTrue((0 until DyingWorker.EVENTS).toList() == numbers, "$dies: ${numbers.size} of ${DyingWorker.EVENTS}")
            if (dies == Dies.BEFORE) assertEquals(once.size, all.size, "nothing was sent twice")
            else assertTrue(all.size in once.size + 1..once.size + 500, "one request was sent twice: ${all.size}")
            val health = Throughline.health()!!
            val dropped = health.dropped.values.sum() + health.destinations.single().dropped.values.sum()
            assertEquals(listOf(0L, 0L), listOf(health.queued, dropped), "$health")
            assertEquals(health.accepted, health.destinations.single().delivered, "$health")
            Throughline.shutdown()
            child.directory.deleteRecursively()
        }
    }

    @Test
    fun `a dead server is asked once, and the others get theirs`() = Backend().use { backend ->
        val asked = AtomicInteger()
        startPulling(directory) {
            destination("dead", "http://127.0.0.1:9") { encoding = Destination.Encoding.JSON }
            destination("alive", backend.url) { encoding = Destination.Encoding.JSON }
        }
        repeat(1_200) { Throughline.action("worked") }
        val plain = PlainTransport()
        val counting = HostTransport { request ->
            if (request.url.startsWith("http://127.0.0.1:9/")) asked.incrementAndGet()
            plain.send(request)
        }
        assertFalse(Uploads(counting).send { false })
        assertEquals(1, asked.get())
        // Further runs ask it again, and never more than once.
        repeat(3) { Uploads(counting).send { false } }
        assertTrue(asked.get() in 1..4, "$asked")
        assertEquals(1_200, backend.seen().count { it.target == "worked" })
        assertTrue(Throughline.health()!!.queued > 0)
    }

    @Test
    fun `a server that is busy ends the run, and is no loop`() {
        start("http://127.0.0.1:9")
        Throughline.action("worked")
        for (status in listOf(429, 500, 503)) {
            val asked = AtomicInteger()
            val busy = HostTransport { UploadResponse(status).also { asked.incrementAndGet() } }
            val begun = System.nanoTime()
            Uploads(busy).send { false }
            assertTrue(asked.get() <= 1, "$status: $asked")
            assertTrue(System.nanoTime() - begun < 30.seconds.inWholeNanoseconds)
        }
        assertTrue(Throughline.health()!!.queued > 0)
    }

    @Test
    fun `a worker that the system ends gives its request back at once`() = Backend().use { backend ->
        start(backend.url)
        Throughline.action("worked")
        val underWay = CountDownLatch(1)
        val interrupted = CountDownLatch(1)
        val worker = object : UploadWorker(WorkApp(), WorkerParameters()) {
            override fun transport() = HostTransport {
                underWay.countDown()
                try {
                    Thread.sleep(Long.MAX_VALUE)
                } catch (ended: InterruptedException) {
                    interrupted.countDown()
                }
                throw java.io.IOException("ended")
            }
        }
        lateinit var result: Result
        val working = thread { result = worker.doWork() }
        assertTrue(underWay.await(30, TimeUnit.SECONDS))
        worker.stop(0)
        working.join(10_000)
        assertFalse(working.isAlive)
        assertEquals("Retry", kind(result))
        assertTrue(interrupted.await(10, TimeUnit.SECONDS), "the request goes on")
        assertEquals(0, backend.seen().size)
        Throughline.shutdown()
        start(backend.url)
        assertEquals("Success", kind(worker().doWork()))
        assertEquals(1, backend.seen().count { it.target == "worked" })
    }

    @Test
    fun `a server that takes requests and never answers costs one request its time`() {
        start("http://127.0.0.1:9")
        repeat(600) { Throughline.action("worked") }
        val asked = AtomicInteger()
        val silent = HostTransport {
            asked.incrementAndGet()
            Thread.sleep(Long.MAX_VALUE)
            throw AssertionError()
        }
        assertFalse(Uploads(silent, 1.minutes, 50.milliseconds).send { false })
        assertEquals(1, asked.get())
    }

    @Test
    fun `nothing is sent before the user has agreed`() = Backend().use { backend ->
        start(backend.url, Consent.PENDING)
        Throughline.action("worked")
        assertTrue(Throughline.drain())
        assertEquals("Success", kind(worker().doWork()))
        assertEquals(0, backend.seen().size)
        Throughline.setConsent(Consent.GRANTED)
        assertEquals("Success", kind(worker().doWork()))
        assertEquals(1, backend.seen().count { it.target == "worked" })
    }

    @Test
    fun `a process that was created for the worker waits for the app's start, or starts itself`() = Backend().use { backend ->
        start(backend.url)
        Throughline.action("worked")
        Throughline.shutdown()
        // Nobody starts the client in this process: a later launch sends.
        assertEquals("Success", kind(worker().doWork()))
        assertEquals(0, backend.seen().size)
        val begins = CountDownLatch(1)
        Throughline.startInBackground(Consent.GRANTED) {
            begins.await()
            with(Children) { ofChild(directory) }
            pull = true
            json(backend.url)
        }
        val working = thread { assertEquals("Success", kind(worker().doWork())) }
        begins.countDown()
        working.join(60_000)
        assertEquals(1, backend.seen().count { it.target == "worked" })
        Throughline.action("worked")
        Throughline.shutdown()
        val own = object : UploadWorker(WorkApp(), WorkerParameters()) {
            override fun start(context: android.content.Context) = start(backend.url)
        }
        assertEquals("Success", kind(own.doWork()))
        assertEquals(2, backend.seen().count { it.target == "worked" })
    }

    @Test
    fun `work is scheduled once for the app's life, and once whenever it leaves the screen`() {
        val app = WorkApp()
        assertFalse(ThroughlineWork.schedule(app), "WorkManager is not initialized")
        val scheduled = Scheduled().also { WorkManager.known = it }
        repeat(2) { assertTrue(ThroughlineWork.schedule(app)) }
        val periodic = scheduled.periodic.getValue(ThroughlineWork.PERIODIC).asked
        assertEquals(UploadWorker::class.java, periodic.worker)
        assertEquals(NetworkType.CONNECTED, periodic.constraints.requiredNetworkType)
        val watch = app.callbacks.single()
        val (list, details) = List(2) { screen() }
        watch.onActivityStarted(list)
        watch.onActivityStarted(details)
        watch.onActivityStopped(list)
        assertEquals(0, scheduled.once.size)
        // The screen is turned: the activity is made anew.
        details.isTurned = true
        watch.onActivityStopped(details)
        assertEquals(0, scheduled.once.size)
        val anew = screen()
        watch.onActivityStarted(anew)
        watch.onActivityDestroyed(details)
        assertEquals(0, scheduled.once.size)
        watch.onActivityStopped(anew)
        val once = scheduled.once.getValue(ThroughlineWork.ONCE).asked
        assertTrue(once.isExpedited)
        assertEquals(NetworkType.CONNECTED, once.constraints.requiredNetworkType)
        ThroughlineWork.cancel(app)
        assertEquals(0, scheduled.once.size + scheduled.periodic.size + app.callbacks.size)
    }

    private fun screen(): Screen {
        val unsafe = sun.misc.Unsafe::class.java.getDeclaredField("theUnsafe").apply { isAccessible = true }.get(null) as sun.misc.Unsafe
        return unsafe.allocateInstance(Screen::class.java) as Screen
    }
}
