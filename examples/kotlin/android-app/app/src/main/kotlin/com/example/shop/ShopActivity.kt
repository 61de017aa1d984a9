package com.example.shop

import android.app.Activity
import android.app.AlertDialog
import android.os.Bundle
import android.widget.Button
import android.widget.EditText
import android.widget.LinearLayout
import android.widget.ScrollView
import android.widget.TextView
import dev.throughline.Consent
import dev.throughline.Throughline
import java.io.IOException
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext

/** The only screen. It is a view of its own name, also after it was turned. */
class ShopActivity : Activity() {
    private lateinit var name: EditText
    private lateinit var said: TextView
    private var question: AlertDialog? = null
    private val jobs = ArrayList<Job>()
    private val app get() = application as ShopApp

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        name = EditText(this).apply { setText(state?.getString(NAME) ?: "") }
        said = TextView(this).apply { text = state?.getString(SAID) ?: "" }
        val column = LinearLayout(this).apply { orientation = LinearLayout.VERTICAL }
        column.addView(name)
        column.addView(button("Save") { rename(INSPECTOR) })
        column.addView(button("Save, but nobody listens") { rename(NOBODY) })
        column.addView(button("What keeps data from arriving?") { diagnose() })
        column.addView(button("Crash") { throw IllegalStateException("The user asked for a crash") })
        column.addView(button("Ask me again") { ask() })
        column.addView(said)
        setContentView(ScrollView(this).apply { addView(column) })
        Throughline.markInteractive()
        if (app.answer.consent == Consent.PENDING) ask()
    }

    override fun onSaveInstanceState(state: Bundle) {
        super.onSaveInstanceState(state)
        state.putString(NAME, name.text.toString())
        state.putString(SAID, said.text.toString())
    }

    override fun onDestroy() {
        // The screen that takes this one's place asks again.
        question?.dismiss()
        jobs.forEach { it.cancel() }
        super.onDestroy()
    }

    private fun button(label: String, clicked: () -> Unit) = Button(this).apply {
        text = label
        setOnClickListener { clicked() }
    }

    private fun ask() {
        question = AlertDialog.Builder(this)
            .setTitle("Help to improve this app?")
            .setMessage("May the app send which screens you open, and what goes wrong?")
            .setPositiveButton("Yes") { _, _ -> app.answer.consent = Consent.GRANTED }
            .setNegativeButton("No") { _, _ -> app.answer.consent = Consent.DENIED }
            .setCancelable(false)
            .show()
    }

    private fun rename(port: Int) {
        val to = name.text.toString()
        // The app's scope: the request goes on while the screen is turned.
        val renaming = app.scope.launch {
            try {
                val status = app.model.rename(to, port)
                show("Saved: $status")
            } catch (offline: IOException) {
                show("Kept on the device: ${offline.message}")
            }
        }
        said.text = if (renaming.isActive) "Saving …" else said.text
    }

    private fun diagnose() {
        // It may wait for the network, so not on the main thread.
        jobs += app.scope.launch { show(withContext(Dispatchers.IO) { "${Throughline.diagnose()}" }) }
    }

    private fun show(text: String) {
        if (!isDestroyed) said.text = text
    }

    private companion object {
        const val NAME = "name"
        const val SAID = "said"
        const val INSPECTOR = 4318
        const val NOBODY = 1
    }
}
