package com.example

import dev.throughline.Consent
import dev.throughline.Environment
import dev.throughline.Throughline
import dev.throughline.okhttp.traced
import dev.throughline.operation
import dev.throughline.traced
import dev.throughline.tracedStore
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.runBlocking
import okhttp3.OkHttpClient
import java.io.File
import kotlin.time.Duration.Companion.minutes

/** What the app shows. */
data class Cart(val items: Int = 0, val isLoading: Boolean = false)

/** What an app writes, compiled by the oldest compiler. */
object KotlinApp {
    private val state = MutableStateFlow(Cart()).traced("Cart") {
        path("items") { it.items }
        path("isLoading") { it.isLoading }
        policy { transient("isLoading") }
        context { put("items", it.items) }
    }
    private var coupon by Throughline.tracedStore("Coupons").traced("coupon", "")

    /** Nothing is sent with it: it only has to be there. */
    val client: OkHttpClient = OkHttpClient().traced()

    fun run(directory: File) {
        Throughline.start(Consent.GRANTED) {
            serviceName = "consumer"
            dataDir = directory
            environment = Environment.TEST
            maxAge = 5.minutes
        }
        Throughline.action("checkout") { put("items", 3) }
        runBlocking {
            Throughline.operation("Add", { put("n", 1) }) {
                state.update { it.copy(items = 1, isLoading = true) }
            }
        }
        coupon = "SPRING"
    }
}
