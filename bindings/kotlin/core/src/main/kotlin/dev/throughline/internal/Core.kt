package dev.throughline.internal

import dev.throughline.BackendHealth
import dev.throughline.Configuration
import dev.throughline.Consent
import dev.throughline.Health
import dev.throughline.StoreBooks
import dev.throughline.ThroughlineException
import dev.throughline.UploadRequest
import dev.throughline.UploadResponse
import dev.throughline.internal.ffi.AuthHeaders
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

/** The generated object, and the translation of what crosses. */
internal object Core {
    /** Loads the library and starts. */
    fun start(configuration: Configuration, consent: Consent): TelemetryCore {
        Library.load()?.let { throw ThroughlineException.Library("the native library cannot be loaded: $it") }
        val transport = configuration.transport?.let { host ->
            object : HostTransport {
                override fun send(request: HttpRequest): HttpResponse = guarded { host.send(request.public()).generated() }
            }
        }
        val auth = configuration.authHeaders?.let { ask ->
            object : AuthHeaders {
                override fun headers(refresh: Boolean): List<HeaderField> = guarded { ask(refresh).fields() }
            }
        }
        return translating { TelemetryCore.start(configuration.build(), consent.generated(), transport, auth) }
    }

    /** What the host throws is a failed request. */
    private inline fun <T> guarded(work: () -> T): T = try {
        work()
    } catch (failure: Throwable) {
        throw HostException.Failed(failure.toString())
    }

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
    HttpResponse(status.coerceIn(0, 999).toUShort(), headers.fields(), if (body.size > 65_537) body.copyOf(65_537) else body)

private fun List<NamedCount>.byName(): Map<String, Long> = associate { it.name to it.count.toLong() }

internal fun HealthReport.public(): Health = Health(
    isEnabled = enabled,
    journal = journal,
    storage = storage,
    accepted = accepted.toLong(),
    queued = queued.toLong(),
    dropped = dropped.byName(),
    backends = backends.map { BackendHealth(it.name, it.delivered.toLong(), it.dropped.byName(), it.paused) },
    lastError = lastError,
    stores = stores.associate {
        it.name to StoreBooks(
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
