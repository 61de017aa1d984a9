package dev.throughline.internal

import dev.throughline.Conditions
import dev.throughline.Configuration
import dev.throughline.Consent
import dev.throughline.DestinationHealth
import dev.throughline.Health
import dev.throughline.StateCounts
import dev.throughline.ThroughlineException
import dev.throughline.UploadRequest
import dev.throughline.UploadResponse
import dev.throughline.internal.ffi.AuthHeaders
import dev.throughline.internal.ffi.DeviceConditions
import dev.throughline.internal.ffi.HeaderField
import dev.throughline.internal.ffi.HealthReport
import dev.throughline.internal.ffi.HostException
import dev.throughline.internal.ffi.HostLog
import dev.throughline.internal.ffi.HostTransport
import dev.throughline.internal.ffi.HttpRequest
import dev.throughline.internal.ffi.HttpResponse
import dev.throughline.internal.ffi.NamedCount
import dev.throughline.internal.ffi.TelemetryCore
import dev.throughline.internal.ffi.TelemetryException
import dev.throughline.internal.ffi.Consent as GeneratedConsent
import dev.throughline.internal.ffi.NetworkKind as GeneratedNetworkKind

/** Starts the generated object, and translates what crosses. */
internal object Core {
    /** Loads the library and starts the core. Only a library of this version is called. */
    fun start(configuration: Configuration, consent: Consent): TelemetryCore {
        Library.load()?.let { throw ThroughlineException.Library("the native library cannot be loaded: $it") }
        mismatch(libraryVersion())?.let { throw ThroughlineException.Library(it) }
        val transport = configuration.transport?.let { host ->
            object : HostTransport {
                override fun send(request: HttpRequest): HttpResponse = askingHost { host.send(request.public()).generated() }
            }
        }
        val auth = configuration.authHeaders?.let { ask ->
            object : AuthHeaders {
                override fun headers(destination: String, refresh: Boolean): List<HeaderField> =
                    askingHost { ask(destination, refresh).fields() }
            }
        }
        val log = configuration.debugLog?.let { lines ->
            object : HostLog {
                override fun line(line: String) {
                    askingHost { guardedBlock { lines.line(line) } }
                }
            }
        }
        return translating { TelemetryCore.start(configuration.generated(), consent.generated(), transport, auth, log) }
            .also { Library.isOpen() }
    }

    /** The version of the native library. Null: it does not say. */
    private fun libraryVersion(): Long? = try {
        Door.version()
    } catch (missing: UnsatisfiedLinkError) {
        null
    }

    /** Why a library of a version cannot be used, or null. The generated code is not loaded yet. */
    fun mismatch(version: Long?): String? = if (version == DraftLayout.LIBRARY_VERSION) null else {
        val found = version?.let { "has version ${text(it)}" } ?: "does not say its version, so it is an older one"
        "the native library $found, but this Throughline for Kotlin needs version ${text(DraftLayout.LIBRARY_VERSION)}: " +
            "take both from one release"
    }

    private fun text(version: Long): String = "${version shr 32}.${version shr 16 and 0xFFFF}.${version and 0xFFFF}"

    /** Calls the app's code. What it throws is a failed request. */
    private inline fun <T> askingHost(work: () -> T): T = try {
        work()
    } catch (failure: Throwable) {
        throw HostException.Failed(failure.toString())
    }

    /** Makes a call to the generated code, and translates what it throws. */
    inline fun <T> translating(work: () -> T): T = try {
        work()
    } catch (error: TelemetryException.InvalidConfig) {
        throw ThroughlineException.InvalidConfiguration(error.reason)
    } catch (error: TelemetryException.Storage) {
        throw ThroughlineException.Storage(error.reason)
    } catch (error: TelemetryException.Closed) {
        throw ThroughlineException.Closed(error.reason)
    } catch (destroyed: IllegalStateException) {
        // A shutdown on another thread was faster.
        throw ThroughlineException.Closed("Throughline does not run")
    }
}

internal fun Consent.generated(): GeneratedConsent = GeneratedConsent.valueOf(name)

internal fun Map<String, String>.fields(): List<HeaderField> = map { (name, value) -> HeaderField(name, value) }

internal fun HttpRequest.public() = UploadRequest(url, headers.associate { it.name to it.value }, body)

internal fun UploadResponse.generated() =
    HttpResponse(status.coerceIn(0, 999).toUShort(), headers.fields(), body.beginning())

private fun ByteArray.beginning() = if (size > Limit.RESPONSE_BYTES) copyOf(Limit.RESPONSE_BYTES) else this

internal fun Conditions.generated() = DeviceConditions(
    foreground,
    GeneratedNetworkKind.valueOf(network.name),
    batteryPercent?.coerceIn(0, 100)?.toUByte(),
    charging,
    lowPower,
)

private fun List<NamedCount>.byName(): Map<String, Long> = associate { it.name to it.count.toLong() }

internal fun HealthReport.public(): Health = public(TracedStores.pathsNotRemembered())

private fun HealthReport.public(unremembered: Map<String, Long>): Health = Health(
    isEnabled = enabled,
    journal = journal,
    storage = storage,
    accepted = accepted.toLong(),
    queued = queued.toLong(),
    dropped = dropped.byName(),
    destinations = destinations.map {
        DestinationHealth(it.name, it.delivered.toLong(), it.dropped.byName(), it.paused, it.pausedByApp)
    },
    lastError = lastError,
    stores = stores.associate {
        it.name to StateCounts(
            it.mutations.toLong(), it.recorded.toLong(), it.actions.toLong(), it.suppressed.byName(),
            it.dropped.toLong(), it.ambiguous.toLong(), unremembered[it.name] ?: 0,
        )
    },
    capturesCrashes = capturesCrashes,
    panics = panics.toLong(),
    failures = Recorder.failures.get(),
    closedCalls = closedCalls.toLong() + Recorder.refused.get(),
    lostEarlyCalls = Recorder.lostEarly.get(),
    malformedCalls = malformedCalls.toLong(),
    unknownCalls = unknownCalls.toLong(),
    problems = problems + TracedStores.problems(),
)
