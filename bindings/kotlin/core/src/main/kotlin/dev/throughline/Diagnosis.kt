package dev.throughline

import dev.throughline.internal.ffi.Diagnosis as GeneratedDiagnosis

/** One thing that keeps data from arriving, or explains what is missing. */
public data class Finding(
    /** The name of the cause, which does not change: `consent_pending`, for example. */
    public val cause: String,
    /** Whether nothing arrives, for one destination at least, until it is mended. */
    public val blocks: Boolean,
    /** The destination that it concerns. Null: all of them. */
    public val destination: String?,
    /** What was seen: a status, the text of an error, a name. */
    public val seen: String,
    /** What can be done about it. */
    public val advice: String,
)

/** What keeps data from arriving. As a text it is a few lines for a person: print it. */
public class Diagnosis internal constructor(
    /** What was found, what blocks first. */
    public val findings: List<Finding>,
    /** How many events were delivered, for the destination that has the most of them. */
    public val delivered: Long,
    /** How many events wait on the device. */
    public val waiting: Long,
    private val text: String,
) {
    /** Whether nothing keeps data from arriving. */
    public val isClear: Boolean get() = findings.none { it.blocks }

    override fun toString(): String = text

    internal companion object {
        fun of(generated: GeneratedDiagnosis) = Diagnosis(
            generated.findings.map { Finding(it.cause, it.blocks, it.destination, it.seen, it.advice) },
            generated.delivered.toLong(),
            generated.waiting.toLong(),
            generated.text,
        )

        /** While no client runs. Nothing native is asked: its library may be what is missing. */
        fun withoutClient(failure: Throwable?): Diagnosis {
            val finding = when (failure) {
                null -> {
                    val seen = if (Throughline.isStarting) "the start is under way" else "the client was not started"
                    Finding("not_started", true, null, seen, START)
                }
                is ThroughlineException.Library ->
                    Finding("native_library", true, null, failure.message.orEmpty(), LIBRARY)
                else -> Finding("not_started", true, null, "the client did not start: ${failure.message}", START)
            }
            val text = "Data does not arrive.\n[${finding.cause}] ${finding.seen}. ${finding.advice}"
            return Diagnosis(listOf(finding), 0, 0, text)
        }

        private const val START = "`Throughline.start` is called once, in `Application.onCreate`."
        private const val LIBRARY = "Build the app with the native library of the same version as the package, for " +
            "the processor of this device."
    }
}
