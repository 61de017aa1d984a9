package example

import dev.throughline.Consent
import dev.throughline.Environment
import dev.throughline.Severity
import dev.throughline.Throughline
import dev.throughline.TraceHost
import dev.throughline.okhttp.traced
import dev.throughline.operation
import dev.throughline.traced
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import okhttp3.MediaType.Companion.toMediaType
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.RequestBody.Companion.toRequestBody
import java.io.File
import java.io.IOException
import kotlin.system.exitProcess
import kotlin.time.Duration.Companion.seconds

private const val USER = "u-17"

/** The service of `examples/backends/sanic`, and a host that is not ours. */
class ProfileService(private val service: String, private val pictures: String, client: OkHttpClient) {
    private val client = client.traced()

    private suspend fun call(request: Request): Unit = withContext(Dispatchers.IO) {
        client.newCall(request).execute().use { if (!it.isSuccessful) throw Refused(it.code) }
    }

    suspend fun greet(): Unit = call(Request.Builder().url("$service/health").build())

    suspend fun rename(name: String) {
        val body = """{"userId":"$USER","name":"$name"}""".toRequestBody("application/json".toMediaType())
        call(Request.Builder().url("$service/api/profile").post(body).build())
    }

    suspend fun picture(): Unit = call(Request.Builder().url("$pictures/$USER.png").build())
}

/** A screen's model that shows a new name at once, and takes it back if the service refuses it. */
class OptimisticProfile(private val service: ProfileService) {
    private val state = MutableStateFlow(UserProfile()).traced("Profile") {
        path("displayName") { it.displayName }
    }

    suspend fun rename(name: String): Unit = Throughline.operation("UpdateDisplayName") {
        val before = state.value.displayName
        state.update { it.copy(displayName = name) }
        try {
            service.rename(name)
        } catch (refused: IOException) {
            state.update { it.copy(displayName = before) }
            throw refused
        }
        Throughline.log(Severity.INFO, "The name is saved.")
    }
}

/**
 * `UnifiedApp INTAKE FLUENTD SERVICE PICTURES DIRECTORY`: one tap, whose events go to Datadog's
 * intakes and to Fluentd. `cargo xtask unified-view` plays these and runs the service.
 */
fun main(arguments: Array<String>) {
    val (intake, fluentd, service, pictures, directory) = arguments
    Throughline.start(Consent.GRANTED) {
        serviceName = "profile-kotlin"
        dataDir = File(directory)
        environment = Environment.TEST
        startJitter = false
        destination("datadog", intake) { datadog("pub0123456789abcdef", "3b2c1a40-5d6e-4f70-8a9b-0c1d2e3f4a5b") }
        destination("store", fluentd) { fluentd("profile.app") }
        traceHost("127.0.0.1") { formats = setOf(TraceHost.Format.DATADOG, TraceHost.Format.BAGGAGE) }
    }
    Throughline.setUser(USER)
    val api = ProfileService(service, pictures, OkHttpClient())
    val profile = OptimisticProfile(api)
    // An app on its first screen has loaded its classes. Otherwise the tap would wait for them.
    runBlocking { Throughline.operation("Launch") { api.greet() } }
    Throughline.startView("Profile")
    runBlocking {
        Throughline.tap("save")
        profile.rename("Ada")
        api.picture()
    }
    // The user leaves the view, which ends the action that still collects.
    Throughline.stopView()
    val outcome = Throughline.flush(20.seconds)
    Throughline.shutdown()
    if (!outcome.isComplete) exitProcess(1)
}
