package dev.throughline

import com.google.gson.JsonArray
import com.google.gson.JsonElement
import com.google.gson.JsonObject
import com.google.gson.JsonParser
import dev.throughline.internal.Call
import dev.throughline.internal.Draft
import dev.throughline.internal.DraftLayout
import dev.throughline.internal.Limit
import dev.throughline.internal.attributes
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import java.io.File

/** Compares what is written with the vectors that the core reads. */
class DraftTest {
    private val vectors = JsonParser.parseString(File(System.getProperty("throughline.vectors"), "draft.json").readText()).asJsonObject

    @TestFactory
    fun `every vector is written as it says`(): List<DynamicTest> = vectors["drafts"].asJsonArray.map {
        val vector = it.asJsonObject
        DynamicTest.dynamicTest(vector["vector"].asString) { assertEquals(vector["hex"].asString, hex(written(vector))) }
    }

    @Test
    fun `lone surrogates become replacement characters`() {
        val draft = Draft().apply {
            begin(Call.START_VIEW, 0)
            text("a\uD83Db\uDE86\uD83D")
        }
        val text = String(draft.bytes, DraftLayout.HEADER_BYTES + 4, draft.length - DraftLayout.HEADER_BYTES - 4)
        assertEquals("a\uFFFDb\uFFFD\uFFFD", text)
    }

    @Test
    fun `text of ten megabytes is cut before it is copied`() {
        val draft = Draft().apply {
            begin(Call.CUSTOM, 0)
            text("é".repeat(10_000_000))
            attributes {
                put("k".repeat(10_000_000), "v".repeat(10_000_000))
                putAny("bytes", ByteArray(10_000_000))
            }
        }
        assert(draft.bytes.size < 64 * 1_024) { draft.bytes.size }
    }

    @Test
    fun `a list that holds itself is cut`() {
        val itself = ArrayList<Any>().apply { add(this) }
        val map = HashMap<String, Any>().apply { put("self", this) }
        val draft = Draft().apply {
            begin(Call.CUSTOM, 0)
            text("x")
            attributes {
                putAny("list", itself)
                putAny("map", map)
                putAny("wide", (1..8).fold<Int, Any>(1) { inner, _ -> Array(1_000) { inner } })
            }
        }
        assert(draft.length < 256 * 1_024) { draft.length }
    }

    private fun hex(draft: Draft): String = draft.bytes.take(draft.length).joinToString("") { "%02x".format(it) }

    private fun written(vector: JsonObject): Draft = Draft().apply {
        val name = vector["call"].asString
        val layout = LAYOUTS.getValue(name)
        begin(
            layout.code,
            vector["context"]?.asString?.let(java.lang.Long::parseUnsignedLong) ?: 0,
            vector["suppressed"]?.asLong?.toInt() ?: 0,
            vector["time_ns"]?.asString?.toLong() ?: 0,
        )
        for (field in layout.fields) field(this, vector)
    }

    private class Layout(val code: Int, vararg val fields: Draft.(JsonObject) -> Unit)

    private companion object {
        fun text(key: String, limit: Int = Limit.STACK_UNITS): Draft.(JsonObject) -> Unit = { text(it[key].asString, limit) }
        fun u64(key: String): Draft.(JsonObject) -> Unit = { u64(java.lang.Long.parseLong(it[key].asString)) }
        fun u32(key: String): Draft.(JsonObject) -> Unit = { u32(it[key].asInt) }
        fun u16(key: String): Draft.(JsonObject) -> Unit = { u16(it[key].asInt) }
        fun flag(key: String): Draft.(JsonObject) -> Unit = { flag(it[key].asBoolean) }
        fun f64(key: String): Draft.(JsonObject) -> Unit = { f64(it[key].asDouble) }
        fun optionalValue(key: String): Draft.(JsonObject) -> Unit = { optionalValue(value(it[key])) }

        inline fun <reified E : Enum<E>> code(key: String, crossinline code: (E) -> Int): Draft.(JsonObject) -> Unit =
            { u8(code(java.lang.Enum.valueOf(E::class.java, it[key].asString.uppercase()))) }

        val TYPE = code<ActionType>("type") { it.code }
        val SLOT = u64("slot")
        val PHASES: Draft.(JsonObject) -> Unit = { vector ->
            val phases = vector["phases"].asJsonArray
            u8(phases.size())
            for (phase in phases.map { it.asJsonArray }) {
                u8(listOf("dns", "connect", "tls", "first_byte", "download").indexOf(phase[0].asString) + 1)
                u64(phase[1].asString.toLong())
                u64(phase[2].asString.toLong())
            }
        }
        val ATTRIBUTES: Draft.(JsonObject) -> Unit = { vector ->
            attributes { for (entry in vector["attributes"].asJsonArray) put(entry.asJsonArray[0].asString, entry.asJsonArray[1]) }
        }

        /** Calls the overload that an app's code would call. */
        fun AttributeWriter.put(key: String, json: JsonElement) {
            when (val value = value(json)) {
                is String -> put(key, value)
                is Long -> put(key, value)
                is Double -> put(key, value)
                is Boolean -> put(key, value)
                else -> putAny(key, value)
            }
        }

        fun value(json: JsonElement): Any? {
            val (kind, value) = json.asJsonObject.entrySet().first()
            return when (kind) {
                "none" -> null
                "bool" -> value.asBoolean
                "int" -> value.asString.toLong()
                "double" -> value.asString.toDouble()
                "text" -> value.asString
                "bytes" -> value.asString.chunked(2).map { it.toInt(16).toByte() }.toByteArray()
                "list" -> value.asJsonArray.map(::value)
                "map" -> value.asJsonArray.associate { it.asJsonArray[0].asString to value(it.asJsonArray[1]) }
                else -> error(kind)
            }
        }

        val LAYOUTS = mapOf(
            "action" to Layout(Call.ACTION, TYPE, text("name"), ATTRIBUTES),
            "resource" to Layout(
                Call.RESOURCE, text("method"), text("url"), u16("status"), u64("duration_ns"), u64("bytes"),
                text("error_type"), ATTRIBUTES,
            ),
            "error" to Layout(
                Call.ERROR, code<ErrorKind>("kind") { it.code },
                { u8(listOf("source", "network", "logger", "web_view", "custom").indexOf(it["source"].asString) + 1) },
                text("error_type"), text("message"), text("stack"), ATTRIBUTES,
            ),
            "long_task" to Layout(Call.LONG_TASK, u64("duration_ns"), flag("frozen"), ATTRIBUTES),
            "vital" to Layout(Call.VITAL, text("name"), f64("value"), text("unit"), ATTRIBUTES),
            "custom" to Layout(Call.CUSTOM, text("name"), ATTRIBUTES),
            "log" to Layout(Call.LOG, code<Severity>("severity") { it.code }, text("body"), text("logger"), ATTRIBUTES),
            "measurement" to Layout(
                Call.MEASUREMENT, code<Instrument>("instrument") { it.code }, text("name"), text("unit"), f64("value"), ATTRIBUTES,
            ),
            "start_view" to Layout(Call.START_VIEW, text("name")),
            "push_view" to Layout(Call.PUSH_VIEW, text("name")),
            "stop_view" to Layout(Call.STOP_VIEW),
            "mark_interactive" to Layout(Call.MARK_INTERACTIVE),
            "start_action" to Layout(Call.START_ACTION, TYPE, text("name"), ATTRIBUTES),
            "renew_session" to Layout(Call.RENEW_SESSION),
            "start_operation" to Layout(Call.START_OPERATION, SLOT, text("name"), ATTRIBUTES),
            "start_span" to Layout(Call.START_SPAN, SLOT, text("name"), ATTRIBUTES),
            "span_attributes" to Layout(Call.SPAN_ATTRIBUTES, SLOT, ATTRIBUTES),
            "span_event" to Layout(Call.SPAN_EVENT, SLOT, text("name"), ATTRIBUTES),
            "span_link" to Layout(Call.SPAN_LINK, SLOT, u64("other")),
            "end_span" to Layout(
                Call.END_SPAN, SLOT, { u8(listOf("abandoned", "succeeded", "failed", "cancelled", "timed_out").indexOf(it["outcome"].asString)) },
                text("error_type"), text("message"),
            ),
            "read_context" to Layout(Call.READ_CONTEXT, SLOT, { vector ->
                val headers: JsonArray = vector["headers"].asJsonArray
                u16(headers.size())
                for (header in headers) for (part in header.asJsonArray) text(part.asString)
            }),
            "action_context" to Layout(Call.ACTION_CONTEXT, SLOT),
            "keep_context" to Layout(Call.KEEP_CONTEXT, text("key")),
            "take_context" to Layout(Call.TAKE_CONTEXT, SLOT, text("key")),
            "retry" to Layout(Call.RETRY, SLOT, u32("attempt")),
            "start_request" to Layout(Call.START_REQUEST, SLOT, text("method"), text("url")),
            "end_request" to Layout(
                Call.END_REQUEST, SLOT, u16("status"), u64("bytes"), text("protocol"), text("error_type"), PHASES, ATTRIBUTES,
            ),
            "declare_store" to Layout(Call.DECLARE_STORE, u32("store"), text("name"), text("policy")),
            "mutation" to Layout(
                Call.MUTATION, u32("store"), code<MutationKind>("kind") { it.code }, text("path"), optionalValue("old"), optionalValue("new"), ATTRIBUTES,
            ),
            "decide" to Layout(Call.DECIDE, u32("store"), text("path")),
            "update_policy" to Layout(Call.UPDATE_POLICY, u32("store"), text("policy")),
            "suppressed" to Layout(Call.SUPPRESSED, u32("store")),
            "frames" to Layout(Call.FRAMES, u64("count")),
            "slow_frame" to Layout(Call.SLOW_FRAME, u64("duration_ns")),
            "memory" to Layout(Call.MEMORY, u64("bytes")),
            "cpu_time" to Layout(Call.CPU_TIME, u64("duration_ns")),
            "process_start" to Layout(Call.PROCESS_START, text("start_type"), u64("duration_ns")),
            "initial_display" to Layout(Call.INITIAL_DISPLAY, u64("duration_ns")),
            "sync_failure" to Layout(Call.SYNC_FAILURE, text("rpc"), text("code"), u32("retries"), flag("offline")),
            "queue_flush" to Layout(Call.QUEUE_FLUSH, u64("depth"), flag("ok")),
            "report_problem" to Layout(Call.REPORT_PROBLEM, text("message")),
            "user" to Layout(Call.USER, ATTRIBUTES),
            "global_attribute" to Layout(Call.GLOBAL_ATTRIBUTE, text("key"), optionalValue("value")),
            "feature_flag" to Layout(Call.FEATURE_FLAG, text("name"), optionalValue("value")),
        )
    }
}
