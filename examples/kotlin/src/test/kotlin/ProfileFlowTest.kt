package example

import com.google.gson.JsonArray
import com.google.gson.JsonObject
import com.google.gson.JsonParser
import dev.throughline.Throughline
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import okhttp3.Dispatcher
import okhttp3.OkHttpClient
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.BeforeEach
import org.junit.jupiter.api.Test
import java.net.URI
import kotlin.io.path.createTempDirectory
import kotlin.time.Duration.Companion.seconds

/**
 * Runs the app's code against the inspector and a backend that continues traces. Nothing is
 * simulated.
 */
class ProfileFlowTest {
    private val directory = createTempDirectory("profile").toFile()
    private lateinit var inspector: Process
    private lateinit var collector: String
    private lateinit var backend: String

    @BeforeEach
    fun start() {
        inspector = ProcessBuilder(System.getProperty("throughline.cli"), "inspect", "--port", "0", "--json", "--sample-backend")
            .redirectError(ProcessBuilder.Redirect.INHERIT).start()
        val said = JsonParser.parseString(inspector.inputStream.bufferedReader().readLine()).asJsonObject
        collector = said["url"].asString
        backend = said["backend"].asString
        startTelemetry(collector, directory)
    }

    @AfterEach
    fun stop() {
        if (Throughline.isRunning) Throughline.shutdown()
        inspector.destroyForcibly()
        directory.deleteRecursively()
    }

    private fun get(path: String): JsonArray {
        val json = JsonParser.parseString(URI("$collector$path").toURL().readText())
        return if (json.isJsonArray) json.asJsonArray else json.asJsonObject["items"].asJsonArray
    }

    private fun JsonObject.text(key: String) = this[key].asString
    private fun JsonObject.attribute(key: String) = this["attributes"].asJsonObject[key]?.asString

    private fun updates(items: List<JsonObject>) = items.filter { it.text("body").endsWith(".displayName.Update") }

    private fun session(): List<JsonObject> {
        assertTrue(Throughline.flush(20.seconds).isComplete)
        return get("/api/session/${Throughline.sessionId}").map { it.asJsonObject }
    }

    @Test
    fun `a rename is one story from the operation to the backend's span`() {
        val model = ProfileModel(ProfileApi(backend, OkHttpClient()))
        runBlocking {
            model.rename("Ada")
            model.rename("taken")
        }
        assertEquals("Ada", model.profile.value.displayName)
        val items = session()
        val operations = items.filter { it.text("name") == "UpdateDisplayName" }.sortedBy { it["time_ns"].asLong }
        assertEquals(listOf("succeeded", "failed"), operations.map { it.attribute("operation.outcome") })
        val (succeeded, failed) = operations
        val update = updates(items).single()
        assertEquals("UserProfile.displayName.Update", update.text("body"))
        assertEquals(succeeded.text("trace"), update.text("trace"))
        assertEquals(failed.text("trace"), items.single { it.attribute("exception.type") == "example.Refused" }.text("trace"))
        assertTrue(items.none { it.text("body").contains("isLoading") })
        val books = Throughline.health()!!.stores.getValue("UserProfile")
        assertEquals(5, books.mutations)
        assertEquals(4, books.suppressed.values.sum())
        for (operation in operations) assertStory(operation)
    }

    /**
     * Asserts that the request is a child of the operation, and the backend's span a child of the
     * request.
     */
    private fun assertStory(operation: JsonObject) {
        val deadline = System.nanoTime() + 10.seconds.inWholeNanoseconds
        while (true) {
            val trace = get("/api/trace/${operation.text("trace")}").map { it.asJsonObject }
            val request = trace.single { it.attribute("http.request.method") == "PUT" && it.text("service") == "profile-kotlin" }
            assertEquals(operation.text("span"), request.text("parent"))
            // The backend sends its span when it likes.
            if (trace.any { it.text("name") == "PUT /api/me" && it.text("parent") == request.text("span") }) return
            assertTrue(System.nanoTime() < deadline, "no backend span in $trace")
            Thread.sleep(100)
        }
    }

    @Test
    fun `fifty renames at once are fifty stories`() {
        val http = OkHttpClient.Builder().dispatcher(Dispatcher().apply { maxRequestsPerHost = 50 }).build()
        val models = List(50) { ProfileModel(ProfileApi(backend, http), "UserProfile$it") }
        runBlocking(Dispatchers.Default) { models.forEachIndexed { n, model -> launch { model.rename("name-$n") } } }
        val items = session()
        val operations = items.filter { it.text("name") == "UpdateDisplayName" }
        assertEquals(50, operations.size)
        assertEquals(50, operations.map { it.text("trace") }.toSet().size)
        for (operation in operations) {
            assertEquals(1, updates(items).count { it.text("trace") == operation.text("trace") })
            assertStory(operation)
        }
    }
}
