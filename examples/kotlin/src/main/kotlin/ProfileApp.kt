package example

import dev.throughline.Consent
import dev.throughline.Environment
import dev.throughline.Throughline
import dev.throughline.okhttp.traced
import dev.throughline.operation
import dev.throughline.traced
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import okhttp3.MediaType.Companion.toMediaType
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.RequestBody.Companion.toRequestBody
import java.io.File
import java.io.IOException
import kotlin.time.Duration.Companion.seconds

/** What the screen shows. */
data class UserProfile(val displayName: String = "", val isLoading: Boolean = false)

/** The server has refused a request. */
class Refused(status: Int) : IOException("the server says $status")

/** The app's own API. */
class ProfileApi(private val url: String, client: OkHttpClient) {
    private val client = client.traced()

    suspend fun rename(name: String): Unit = withContext(Dispatchers.IO) {
        val body = """{"displayName":"$name"}""".toRequestBody("application/json".toMediaType())
        val request = Request.Builder().url("$url/api/me").put(body).build()
        client.newCall(request).execute().use { if (!it.isSuccessful) throw Refused(it.code) }
    }
}

/**
 * The screen's model. The flow is traced, and renaming is an operation. No other wiring is needed.
 */
class ProfileModel(private val api: ProfileApi, name: String = "UserProfile") {
    private val state = MutableStateFlow(UserProfile()).traced(name) {
        path("displayName") { it.displayName }
        path("isLoading") { it.isLoading }
        policy {
            transient("isLoading")
            maxActionsPerSecond = 100
        }
    }
    val profile: StateFlow<UserProfile> get() = state

    suspend fun rename(name: String) {
        try {
            Throughline.operation("UpdateDisplayName", { put("length", name.length) }) {
                state.update { it.copy(isLoading = true) }
                try {
                    api.rename(name)
                    state.update { it.copy(displayName = name) }
                } finally {
                    state.update { it.copy(isLoading = false) }
                }
            }
        } catch (refused: IOException) {
            // The operation has recorded the error. The screen shows the old name.
        }
    }
}

/** Starts Throughline as an app does, in a directory of its own. */
fun startTelemetry(collector: String, directory: File) {
    Throughline.start(Consent.GRANTED) {
        serviceName = "profile-kotlin"
        dataDir = directory
        environment = Environment.DEVELOPMENT
        startJitter = false
        endpoint(collector)
        traceHost("127.0.0.1")
    }
}

/**
 * `ProfileApp COLLECTOR BACKEND`, with the URLs that `throughline inspect --sample-backend` prints.
 */
fun main(arguments: Array<String>) {
    val (collector, backend) = arguments
    startTelemetry(collector, File(System.getProperty("java.io.tmpdir"), "profile-kotlin"))
    val model = ProfileModel(ProfileApi(backend, OkHttpClient()))
    Throughline.startView("Profile")
    Throughline.tap("save")
    runBlocking {
        model.rename("Ada")
        model.rename("taken")
    }
    // The user leaves the view, which ends the action that still collects.
    Throughline.stopView()
    println("The name is ${model.profile.value.displayName}.")
    println("Delivered: ${Throughline.flush(5.seconds).delivered} events. Session: $collector/session/${Throughline.sessionId}")
    Throughline.shutdown()
}
