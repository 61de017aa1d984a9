package dev.throughline.reactnative

import org.json.JSONArray
import org.json.JSONException
import org.json.JSONObject
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds

/** A field of a configuration from JavaScript cannot be used. The message names it. */
internal class InvalidField(message: String) : Exception(message)

/**
 * Reads the fields of an object of JavaScript's, strictly: a wrong type is refused, and a name that
 * nobody asked for as well, so that a misspelt field does not do nothing.
 *
 * @param path where the object stands, for messages. Empty: it is the configuration itself.
 */
internal class Fields private constructor(private val path: String, private val json: JSONObject) {
    private val unread = json.keys().asSequence().toHashSet()

    fun text(name: String): String? = typed(name, "a text")

    fun flag(name: String): Boolean? = typed(name, "a boolean")

    /** A number, which is never infinite in JSON. */
    fun number(name: String): Double? = typed<Number>(name, "a number")?.toDouble()

    /** A whole number that JavaScript has exactly. */
    fun count(name: String): Long? = number(name)?.let {
        if (it != Math.rint(it) || Math.abs(it) > MAX_SAFE_INTEGER) refuse(name, "a whole number")
        it.toLong()
    }

    /** A time in ms. */
    fun time(name: String): Duration? = number(name)?.milliseconds

    /** One of some names. */
    fun <T> choice(name: String, choices: Map<String, T>): T? =
        text(name)?.let { choices[it] ?: refuse(name, "one of ${choices.keys.joinToString(", ")}") }

    fun texts(name: String): List<String>? = list(name) { at -> at as? String ?: refuse(name, "a list of texts") }

    fun <T> choices(name: String, choices: Map<String, T>): List<T>? = texts(name)?.map {
        choices[it] ?: refuse(name, "a list of ${choices.keys.joinToString(", ")}")
    }

    /** Each element of a list, which is a text, or an object whose fields [read] gets. */
    fun <T> elements(name: String, text: (String) -> T?, read: (Fields) -> T): List<T>? {
        var at = 0
        return list(name) { element ->
            val place = "${place(name)}[${at++}]"
            when (element) {
                is JSONObject -> Fields(place, element).all(read)
                is String -> text(element)
                else -> null
            } ?: throw InvalidField("$place must be an object")
        }
    }

    /** An object whose values are texts, in its order. */
    fun pairs(name: String): List<Pair<String, String>>? = inner(name) { fields ->
        fields.json.keys().asSequence().toList().map { it to fields.text(it)!! }
    }

    /** An object. */
    fun <T> inner(name: String, read: (Fields) -> T): T? =
        typed<JSONObject>(name, "an object")?.let { Fields(place(name), it).all(read) }

    private fun <T> all(read: (Fields) -> T): T {
        val result = read(this)
        unread.minOrNull()?.let { throw InvalidField("${place(it)} is not known") }
        return result
    }

    private fun <T> list(name: String, read: (Any) -> T): List<T>? =
        typed<JSONArray>(name, "a list")?.let { list -> List(list.length()) { read(list.get(it)) } }

    private inline fun <reified T> typed(name: String, type: String): T? {
        unread.remove(name)
        if (!json.has(name)) return null
        return json.get(name) as? T ?: refuse(name, type)
    }

    private fun place(name: String) = if (path.isEmpty()) name else "$path.$name"

    private fun refuse(name: String, type: String): Nothing = throw InvalidField("${place(name)} must be $type")

    companion object {
        private const val MAX_SAFE_INTEGER = 9_007_199_254_740_991.0

        /** Reads an object in JSON. */
        fun <T> read(json: String, read: (Fields) -> T): T {
            val parsed = try {
                JSONObject(json)
            } catch (malformed: JSONException) {
                throw InvalidField("the configuration is not an object")
            }
            return Fields("", parsed).all(read)
        }
    }
}
