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
    /** Loads the library and starts the core. */
    fun start(configuration: Configuration, consent: Consent): TelemetryCore {
        Library.load()?.let { throw ThroughlineException.Library("the native library cannot be loaded: $it") }
        val transport = configuration.transport?.let { host ->
            object : HostTransport {
                override fun send(request: HttpRequest): HttpResponse = askingHost { host.send(request.public()).generated() }
            }
        }
        val auth = configuration.authHeaders?.let { ask ->
            object : AuthHeaders {
                override fun headers(refresh: Boolean): List<HeaderField> = askingHost { ask(refresh).fields() }
            }
        }
        return translating { TelemetryCore.start(configuration.generated(), consent.generated(), transport, auth) }
    }

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

internal fun HealthReport.public(): Health = Health(
    isEnabled = enabled,
    journal = journal,
    storage = storage,
    accepted = accepted.toLong(),
    queued = queued.toLong(),
    dropped = dropped.byName(),
    destinations = destinations.map {
        DestinationHealth(it.name, it.delivered.toLong(), it.dropped.byName(), it.paused)
    },
    lastError = lastError,
    stores = stores.associate {
        it.name to StateCounts(
            it.mutations.toLong(), it.recorded.toLong(), it.actions.toLong(), it.suppressed.byName(),
            it.dropped.toLong(), it.ambiguous.toLong(),
        )
    },
    panics = panics.toLong(),
    failures = Recorder.failures.get(),
    closedCalls = closedCalls.toLong() + Recorder.refused.get(),
    lostEarlyCalls = Recorder.lostEarly.get(),
    malformedCalls = malformedCalls.toLong(),
    unknownCalls = unknownCalls.toLong(),
    problems = problems,
)
