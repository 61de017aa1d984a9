package com.example.shop

import android.app.Activity
import android.app.AlertDialog
import android.os.Bundle
import android.text.InputType
import android.widget.Button
import android.widget.EditText
import android.widget.LinearLayout
import android.widget.ScrollView
import android.widget.TextView
import dev.throughline.Consent
import dev.throughline.Throughline
import kotlinx.coroutines.Job
import kotlinx.coroutines.launch

/** The only screen. It is a view of its own name, also after it was turned. */
class ShopActivity : Activity() {
    private lateinit var name: EditText
    private lateinit var port: EditText
    private lateinit var said: TextView
    private var question: AlertDialog? = null
    private var listening: Job? = null
    private val app get() = application as ShopApp

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        name = field("Name", state?.getString(NAME))
        port = field("Port of the sample backend", state?.getString(PORT))
        port.inputType = InputType.TYPE_CLASS_NUMBER
        said = TextView(this)
        val column = LinearLayout(this).apply { orientation = LinearLayout.VERTICAL }
        column.addView(port)
        column.addView(name)
        column.addView(button("Save") { app.model.save("${name.text}", "${port.text}".toIntOrNull() ?: 0) })
        column.addView(button("Save, but nobody listens") { app.model.save("${name.text}", NOBODY) })
        column.addView(button("What keeps data from arriving?") { app.model.diagnose() })
        column.addView(button("Crash") { throw IllegalStateException("The user asked for a crash") })
        column.addView(button("Ask me again") { ask() })
        column.addView(said)
        setContentView(ScrollView(this).apply { addView(column) })
        Throughline.markInteractive()
    }

    override fun onStart() {
        super.onStart()
        // The model goes on while the screen is turned, and knows none of its screens.
        listening = app.scope.launch { app.model.said.collect { said.text = it } }
        if (app.answer.consent == Consent.PENDING) ask()
    }

    override fun onStop() {
        listening?.cancel()
        // While there is no answer, the next start asks again.
        question?.dismiss()
        super.onStop()
    }

    override fun onSaveInstanceState(state: Bundle) {
        super.onSaveInstanceState(state)
        state.putString(NAME, name.text.toString())
        state.putString(PORT, port.text.toString())
    }

    private fun field(label: String, kept: String?) = EditText(this).apply {
        hint = label
        setText(kept ?: "")
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

    private companion object {
        const val NAME = "name"
        const val PORT = "port"
        const val NOBODY = 1
    }
}
