package com.example.shop

import android.app.Application
import android.content.Context
import dev.throughline.Consent
import dev.throughline.Environment
import dev.throughline.Throughline
import dev.throughline.android.start
import dev.throughline.okhttp.traced
import dev.throughline.operation
import dev.throughline.traced
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.withContext
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.RequestBody.Companion.toRequestBody

/** The computer that an emulator runs on. The inspector listens there. */
const val COMPUTER = "10.0.2.2"

class ShopApp : Application() {
    /** It outlives activities, so that a turned screen ends no request. */
    val scope = CoroutineScope(SupervisorJob() + Dispatchers.Main)
    val answer by lazy { Answer(this) }
    val model by lazy { ProfileModel() }

    override fun onCreate() {
        super.onCreate()
        Throughline.start(this, answer.consent, { taps = true; uploadJobId = 4711 }) {
            serviceName = "shop"
            environment = Environment.DEVELOPMENT
            endpoint("http://$COMPUTER:4318")
            traceHost(COMPUTER)
        }
    }
}

/** What the user has answered. */
class Answer(context: Context) {
    private val kept = context.getSharedPreferences("consent", Context.MODE_PRIVATE)

    /** Pending until the user has answered. */
    var consent: Consent
        get() = kept.getString("telemetry", null)?.let(Consent::valueOf) ?: Consent.PENDING
        set(answer) {
            kept.edit().putString("telemetry", answer.name).apply()
            Throughline.setConsent(answer)
        }
}

data class Profile(val displayName: String = "", val isLoading: Boolean = false)

class ProfileModel {
    private val client = OkHttpClient().traced()
    private val state = MutableStateFlow(Profile()).traced("UserProfile") {
        path("displayName") { it.displayName }
        path("isLoading") { it.isLoading }
        policy { transient("isLoading") }
    }

    /** The name is there at once, also offline; the request may fail. */
    suspend fun rename(name: String, port: Int) = Throughline.operation("UpdateDisplayName") {
        state.update { it.copy(displayName = name, isLoading = true) }
        try {
            val request = Request.Builder().url("http://$COMPUTER:$port/me").put(name.toRequestBody()).build()
            withContext(Dispatchers.IO) { client.newCall(request).execute().use { it.code } }
        } finally {
            state.update { it.copy(isLoading = false) }
        }
    }
}
