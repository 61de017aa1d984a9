// The wiring of an Android app, to be read. To run it, the Android SDK and the AAR are needed. CI
// compiles it against the framework; it was never run.
package com.example.shop

import android.app.Activity
import android.app.Application
import android.os.Bundle
import android.widget.Button
import android.widget.EditText
import android.widget.LinearLayout
import dev.throughline.Consent
import dev.throughline.Throughline
import dev.throughline.android.start
import dev.throughline.okhttp.traced
import dev.throughline.operation
import dev.throughline.traced
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.RequestBody.Companion.toRequestBody

class ShopApp : Application() {
    override fun onCreate() {
        super.onCreate()
        Throughline.start(this, Consent.PENDING, { taps = true; uploadJobId = 4711 }) {
            serviceName = "shop"
            endpoint("https://otlp.example.com")
            traceHost("api.example.com")
        }
    }
}

data class UserProfile(val displayName: String = "", val isLoading: Boolean = false)

class ProfileModel(private val scope: CoroutineScope) {
    private val client = OkHttpClient().traced()
    private val state = MutableStateFlow(UserProfile()).traced("UserProfile") {
        path("displayName") { it.displayName }
        path("isLoading") { it.isLoading }
        policy { transient("isLoading") }
    }

    fun rename(name: String) = scope.launch {
        Throughline.operation("UpdateDisplayName") {
            state.update { it.copy(isLoading = true) }
            try {
                val request = Request.Builder().url("https://api.example.com/me").put(name.toRequestBody()).build()
                withContext(Dispatchers.IO) { client.newCall(request).execute().close() }
                state.update { it.copy(displayName = name) }
            } finally {
                state.update { it.copy(isLoading = false) }
            }
        }
    }
}

class ProfileActivity : Activity() {
    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        val model = ProfileModel(CoroutineScope(Dispatchers.Main))
        val name = EditText(this)
        val save = Button(this).apply { setOnClickListener { model.rename(name.text.toString()) } }
        setContentView(LinearLayout(this).apply { addView(name); addView(save) })
        Throughline.markInteractive()
    }
}
