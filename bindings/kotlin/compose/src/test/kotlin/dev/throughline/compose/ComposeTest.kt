package dev.throughline.compose

import androidx.compose.foundation.clickable
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.fillMaxSize
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.height
import androidx.compose.foundation.rememberScrollState
import androidx.compose.foundation.text.BasicText
import androidx.compose.foundation.verticalScroll
import androidx.compose.runtime.getValue
import androidx.compose.runtime.setValue
import androidx.compose.runtime.snapshots.Snapshot
import androidx.compose.ui.ExperimentalComposeUiApi
import androidx.compose.ui.ImageComposeScene
import androidx.compose.ui.Modifier
import androidx.compose.ui.geometry.Offset
import androidx.compose.ui.input.pointer.PointerEventType
import androidx.compose.ui.input.pointer.PointerType
import androidx.compose.ui.unit.dp
import com.google.gson.JsonObject
import com.google.gson.JsonParser
import dev.throughline.Consent
import dev.throughline.Environment
import dev.throughline.Throughline
import dev.throughline.tracedStore
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.BeforeEach
import org.junit.jupiter.api.Test
import java.net.URI
import kotlin.io.path.createTempDirectory
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

/** Runs Compose's own runtime, which draws without a display, against the inspector. */
@OptIn(ExperimentalComposeUiApi::class)
class ComposeTest {
    private val directory = createTempDirectory("compose").toFile()
    private lateinit var inspector: Process
    private lateinit var collector: String

    @BeforeEach
    fun start() {
        inspector = ProcessBuilder(System.getProperty("throughline.cli"), "inspect", "--port", "0", "--json")
            .redirectError(ProcessBuilder.Redirect.INHERIT).start()
        val said = JsonParser.parseString(inspector.inputStream.bufferedReader().readLine()).asJsonObject
        collector = said["url"].asString
        Throughline.start(Consent.GRANTED) {
            serviceName = "compose-test"
            dataDir = directory
            environment = Environment.TEST
            startJitter = false
            selfReport = false
            endpoint(collector)
        }
    }

    @AfterEach
    fun stop() {
        if (Throughline.isRunning) Throughline.shutdown()
        inspector.destroyForcibly()
        directory.deleteRecursively()
    }

    @Test
    fun `an assignment of a state is a mutation, and an equal value is none`() {
        val store = Throughline.tracedStore("Note") { transient("isLoading") }
        var text by store.mutableStateOf("text", "")
        var isLoading by store.mutableStateOf("isLoading", false)
        text = "a"
        text = "a"
        isLoading = true
        isLoading = false
        val (count, setCount) = store.mutableStateOf("count", 1)
        setCount(count + 1)
        // Code that assigns must not depend on the value before.
        var reads = 0
        Snapshot.observe(readObserver = { reads++ }) { setCount(5) }
        assertEquals(0, reads)
        assertEquals("a", text)
        val books = Throughline.health()!!.stores.getValue("Note")
        assertEquals(5, books.mutations)
        assertEquals(2, books.suppressed.values.sum())
    }

    @Test
    fun `a state that is traced twice counts an assignment once`() {
        val path = Throughline.tracedStore("Once").path("text")
        var text by androidx.compose.runtime.mutableStateOf("").traced(path).traced(path)
        text = "a"
        assertEquals(1, Throughline.health()!!.stores.getValue("Once").mutations)
        assertEquals("a", text)
    }

    private fun JsonObject.attribute(key: String) = this["attributes"].asJsonObject[key]?.asString

    private fun ImageComposeScene.touch(event: PointerEventType, at: Offset) = sendPointerEvent(event, at, type = PointerType.Touch)

    @Test
    fun `a tap causes what its handler does, and a scroll is no tap`() {
        val taps = Throughline.tracedStore("Buttons") { coalesce = Duration.ZERO }.mutableStateOf("taps", 0)
        val scene = ImageComposeScene(100, 100) {
            Column(Modifier.fillMaxSize().verticalScroll(rememberScrollState())) {
                Box(Modifier.fillMaxWidth().height(400.dp).traceTap("buy").clickable { taps.value++ }) { BasicText("${taps.value}") }
            }
        }
        try {
            scene.render()
            scene.touch(PointerEventType.Press, Offset(50f, 50f))
            scene.touch(PointerEventType.Release, Offset(50f, 50f))
            scene.render()
            assertEquals(1, taps.value)
            // A longer movement scrolls the column.
            scene.touch(PointerEventType.Press, Offset(50f, 90f))
            for (y in 80 downTo 10 step 10) scene.touch(PointerEventType.Move, Offset(50f, y.toFloat()))
            scene.touch(PointerEventType.Release, Offset(50f, 10f))
            scene.render()
            assertEquals(1, taps.value)
        } finally {
            scene.close()
        }
        val session = Throughline.sessionId
        // This ends the actions that still collect.
        Throughline.stopView()
        val flushed = Throughline.flush(20.seconds)
        assertTrue(flushed.isComplete, "${flushed.reason}, ${flushed.waiting} wait, ${Throughline.health()}")
        Throughline.shutdown()
        val json = JsonParser.parseString(URI("$collector/api/session/$session").toURL().readText())
        val items = (if (json.isJsonArray) json.asJsonArray else json.asJsonObject["items"].asJsonArray).map { it.asJsonObject }
        val tap = items.single { it.attribute("rum.action.type") == "tap" }
        assertEquals("buy", tap["body"].asString)
        val update = items.single { it["body"].asString == "Buttons.taps.Update" }
        assertEquals("action", update.attribute("state.cause"))
        assertEquals(tap["trace"], update["trace"])
    }
}
