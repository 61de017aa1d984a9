package com.example.shop

import dev.throughline.Throughline
import dev.throughline.okhttp.traced
import dev.throughline.operation
import dev.throughline.traced
import java.io.IOException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import okhttp3.MediaType.Companion.toMediaType
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.RequestBody.Companion.toRequestBody
import org.json.JSONObject

data class Profile(val displayName: String = "", val isLoading: Boolean = false)

/** The server has refused a request. */
class Refused(status: Int) : IOException("the server says $status")

/** What the app knows, and what it does in [scope]. It outlives the screens. */
class ProfileModel(private val scope: CoroutineScope) {
    private val client = OkHttpClient().traced()
    private val state = MutableStateFlow(Profile()).traced("UserProfile") {
        path("displayName") { it.displayName }
        path("isLoading") { it.isLoading }
        policy { transient("isLoading") }
    }
    private val saying = MutableStateFlow("")
    private var isSaving = false

    /** What the screen that is shown says. */
    val said: StateFlow<String> = saying.asStateFlow()

    /** Changes the name, and says how that has ended. While one is saved, there is no other. */
    fun save(name: String, port: Int) {
        if (isSaving) return
        if (port !in 1..LAST_PORT) {
            saying.value = "Type the port that the inspector has printed for the sample backend."
            return
        }
        isSaving = true
        saying.value = "Saving …"
        scope.launch {
            saying.value = try {
                rename(name, port)
                "Saved: $name"
            } catch (refused: Refused) {
                "Not saved, ${refused.message}. The name is \"${state.value.displayName}\" again."
            } catch (offline: IOException) {
                "Kept on the device: ${offline.message}"
            } finally {
                isSaving = false
            }
        }
    }

    /** Says what keeps data from arriving. It may wait for the network, so not on the main thread. */
    fun diagnose() {
        scope.launch { saying.value = withContext(Dispatchers.IO) { "${Throughline.diagnose()}" } }
    }

    /** The name is there at once, also offline. What the server refuses is undone. */
    private suspend fun rename(name: String, port: Int) = Throughline.operation("UpdateDisplayName") {
        val before = state.value.displayName
        state.update { it.copy(displayName = name, isLoading = true) }
        try {
            put(name, port)
        } catch (refused: Refused) {
            state.update { it.copy(displayName = before) }
            throw refused
        } finally {
            state.update { it.copy(isLoading = false) }
        }
    }

    private suspend fun put(name: String, port: Int): Unit = withContext(Dispatchers.IO) {
        val body = JSONObject().put("displayName", name).toString().toRequestBody("application/json".toMediaType())
        val request = Request.Builder().url("http://$COMPUTER:$port/api/me").put(body).build()
        client.newCall(request).execute().use { if (!it.isSuccessful) throw Refused(it.code) }
    }

    private companion object {
        const val LAST_PORT = 65_535
    }
}
