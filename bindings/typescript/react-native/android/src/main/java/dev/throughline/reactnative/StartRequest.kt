package dev.throughline.reactnative

import dev.throughline.Configuration
import dev.throughline.Consent
import dev.throughline.Destination
import dev.throughline.Environment
import dev.throughline.MeteredUploads
import dev.throughline.RedactRules
import dev.throughline.Setup
import dev.throughline.TailSampling
import dev.throughline.TraceHost
import java.io.File

/** A value that is set on a builder, once the client starts. */
private typealias Setting<T> = T.() -> Unit

/**
 * What JavaScript asks for with `start`: a `Configuration` of the package, read. Values
 * that have the right type but cannot work are refused by the core, as in Kotlin.
 */
internal class StartRequest private constructor(
    val consent: Consent,
    /** Whether exceptions that nobody has caught are recorded. Null: as is the default. */
    val captureUncaughtExceptions: Boolean?,
    private val settings: List<Setting<Configuration>>,
) {
    /** Sets what JavaScript has set, and leaves the rest as it is. */
    val configure: Setup<Configuration> = Setup { settings.forEach { it() } }

    companion object {
        private val CONSENTS = named(Consent.values())
        private val ENVIRONMENTS = named(Environment.values())
        private val METERED_UPLOADS = named(MeteredUploads.values())
        private val ENCODINGS = named(Destination.Encoding.values())
        private val TEMPORALITIES = named(Destination.Temporality.values())
        private val LANES = named(Destination.Lane.values())
        private val KINDS = named(Destination.Kind.values())
        private val SIGNALS = named(Destination.Signal.values())
        private val FORMATS = named(TraceHost.Format.values())
        private val BACKENDS = mapOf<String, (Fields) -> Setting<Destination>>(
            "datadog" to ::datadog, "sentry" to { { sentry() } }, "connect" to ::connect, "fluentd" to ::fluentd,
        )
        private val INJECTIONS = named(TraceHost.Injection.values())

        /** Reads a configuration in JSON. Throws [InvalidField]. */
        fun read(json: String): StartRequest = Fields.read(json) { fields ->
            val consent = fields.choice("consent", CONSENTS) ?: throw InvalidField("consent is missing")
            val settings = Settings<Configuration>()
            settings.fields(fields)
            StartRequest(consent, fields.flag("captureUncaughtExceptions"), settings.all)
        }

        private fun Settings<Configuration>.fields(fields: Fields) {
            set(fields.text("serviceName")) { serviceName = it }
            set(fields.text("serviceVersion")) { serviceVersion = it }
            set(fields.text("dataDir")) { dataDir = File(it) }
            set(fields.flag("installationId")) { installationId = it }
            set(fields.text("deviceTag")) { deviceTag = it }
            set(fields.choice("environment", ENVIRONMENTS)) { environment = it }
            set(fields.flag("enabled")) { enabled = it }
            set(fields.number("sessionSampleRate")) { sessionSampleRate = it }
            set(fields.number("traceSampleRate")) { traceSampleRate = it }
            set(fields.time("flushIntervalMs")) { flushInterval = it }
            set(fields.count("flushEvents")) { flushEvents = it }
            set(fields.choice("meteredUploads", METERED_UPLOADS)) { meteredUploads = it }
            set(fields.count("dailyBytes")) { dailyBytes = it }
            set(fields.count("queueBytes")) { queueBytes = it }
            set(fields.time("maxAgeMs")) { maxAge = it }
            set(fields.flag("startJitter")) { startJitter = it }
            set(fields.flag("selfReport")) { selfReport = it }
            set(fields.flag("captureCrashes")) { captureCrashes = it }
            set(fields.flag("debug")) { debug = it }
            set(fields.pairs("resource")) { pairs -> for ((key, value) in pairs) resource(key, value) }
            set(fields.text("endpoint")) { endpoint(it) }
            set(fields.elements("destinations", { null }, ::destination)) { all -> all.forEach { it() } }
            set(fields.elements("traceHosts", { host -> { traceHost(host) } }, ::traceHost)) { all -> all.forEach { it() } }
            set(fields.inner("redact", ::redact)) { rules -> redact { rules.forEach { it() } } }
            set(fields.inner("tailSampling", ::tailSampling)) { rules -> tailSampling { rules.forEach { it() } } }
        }

        private fun destination(fields: Fields): Setting<Configuration> {
            val name = fields.text("name")?.ifEmpty { null }
            val endpoint = fields.text("endpoint") ?: ""
            val settings = Settings<Destination>()
            settings.set(fields.pairs("headers")) { pairs -> for ((key, value) in pairs) header(key, value) }
            settings.set(fields.choice("encoding", ENCODINGS)) { encoding = it }
            settings.set(fields.choice("temporality", TEMPORALITIES)) { temporality = it }
            settings.set(fields.choices("signals", SIGNALS)) { signals = it.toSet() }
            settings.set(fields.choices("lanes", LANES)) { lanes = it.toSet() }
            settings.set(fields.choices("kinds", KINDS)) { kinds = it.toSet() }
            settings.set(fields.time("maxAgeMs")) { maxAge = it }
            fields.inner("signalEndpoints") { inner ->
                for ((signal, kind) in SIGNALS) settings.set(inner.text(signal)) { signalEndpoint(kind, it) }
            }
            settings.set(fields.inner("format", ::format)) { format -> format() }
            val setup = Setup<Destination> { settings.all.forEach { it() } }
            return { if (name == null) endpoint(endpoint, setup) else destination(name, endpoint, setup) }
        }

        /** Each format has fields of its own: those of another one are not known. */
        private fun format(fields: Fields): Setting<Destination> {
            val read = fields.choice("type", BACKENDS) ?: throw InvalidField("the type of a format is missing")
            return read(fields)
        }

        private fun datadog(fields: Fields): Setting<Destination> {
            val token = fields.text("clientToken") ?: ""
            val application = fields.text("applicationId") ?: ""
            val site = fields.text("site") ?: "us1"
            val operations = fields.flag("operations") ?: false
            return { datadog(token, application, site, "react-native", operations) }
        }

        private fun connect(fields: Fields): Setting<Destination> {
            val json = fields.flag("json") ?: false
            return { connect(json) }
        }

        private fun fluentd(fields: Fields): Setting<Destination> {
            val tag = fields.text("tag") ?: ""
            return { fluentd(tag) }
        }

        private fun traceHost(fields: Fields): Setting<Configuration> {
            val host = fields.text("host") ?: ""
            val settings = Settings<TraceHost>()
            settings.set(fields.choices("formats", FORMATS)) { formats = it.toSet() }
            settings.set(fields.choice("injection", INJECTIONS)) { injection = it }
            settings.set(fields.texts("baggageKeys")) { baggageKeys = it.toSet() }
            return { traceHost(host) { settings.all.forEach { it() } } }
        }

        private fun redact(fields: Fields): List<Setting<RedactRules>> = Settings<RedactRules>().apply {
            set(fields.texts("denyKeys")) { denyKeys = it.toSet() }
            set(fields.texts("allowKeys")) { allowKeys = it.toSet() }
            set(fields.flag("keepQueries")) { keepQueries = it }
            fields.inner("patterns") { inner ->
                set(inner.flag("email")) { patterns.email = it }
                set(inner.flag("card")) { patterns.card = it }
                set(inner.flag("jwt")) { patterns.jwt = it }
                set(inner.flag("bearer")) { patterns.bearer = it }
                set(inner.flag("attributes")) { patterns.attributes = it }
            }
        }.all

        private fun tailSampling(fields: Fields): List<Setting<TailSampling>> = Settings<TailSampling>().apply {
            set(fields.time("windowMs")) { window = it }
            set(fields.count("bytes")) { bytes = it }
            set(fields.flag("allSessions")) { allSessions = it }
            set(fields.flag("onError")) { onError = it }
            set(fields.time("slowOperationMs")) { slowOperation = it }
        }.all

        /** The constants under the names that JavaScript has for them: `NO_BULK` is `noBulk`. */
        private fun <T : Enum<T>> named(constants: Array<T>): Map<String, T> = constants.associateBy { constant ->
            val words = constant.name.lowercase().split('_')
            words.drop(1).fold(words.first()) { name, word -> name + word.replaceFirstChar(Char::uppercaseChar) }
        }
    }
}

/** What is to be set on a builder, in order. */
private class Settings<T> {
    val all = ArrayList<Setting<T>>()

    /** Sets a value, unless it is null: then JavaScript has not set it. */
    fun <V> set(value: V?, setting: T.(V) -> Unit) {
        if (value != null) all.add { setting(value) }
    }
}
