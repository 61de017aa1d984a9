package com.example.shop

import android.app.Application
import android.content.Context
import dev.throughline.Consent
import dev.throughline.Environment
import dev.throughline.Throughline
import dev.throughline.android.start
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob

/** The computer that an emulator runs on. The inspector listens there. */
const val COMPUTER = "10.0.2.2"

class ShopApp : Application() {
    /** It outlives activities, so that a turned screen ends no request. */
    val scope = CoroutineScope(SupervisorJob() + Dispatchers.Main)
    val answer by lazy { Answer(this) }
    val model by lazy { ProfileModel(scope) }

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
