package dev.throughline

/** How a flush ended. */
public class FlushOutcome internal constructor(
    /** Whether everything that had been recorded was delivered, or dropped and counted. */
    public val isComplete: Boolean,
    /** How many events were delivered during the flush. */
    public val delivered: Long,
    /** How many events still wait. */
    public val waiting: Long,
    /** Why events still wait. Null when none do. */
    public val reason: String?,
)

/** The condition of one destination. */
public data class DestinationHealth(
    /** The destination's name in the configuration. */
    public val name: String,
    /** How many events were delivered to it. */
    public val delivered: Long,
    /** How many events were dropped for this destination alone, by reason. */
    public val dropped: Map<String, Long>,
    /** Why nothing, or nothing of a signal, is sent to it. Null: nothing is paused. */
    public val paused: String?,
    /** Whether the app has paused it: [Throughline.pauseDestination]. */
    public val isPausedByApp: Boolean,
)

/** The counts of one traced store: `mutations = recorded + suppressed + dropped`. */
public data class StateCounts(
    /** How many mutations there were. */
    public val mutations: Long,
    /** How many mutations are part of an action. */
    public val recorded: Long,
    /** How many actions there were. */
    public val actions: Long,
    /** How many mutations were suppressed, by reason. */
    public val suppressed: Map<String, Long>,
    /** How many mutations were part of an action that was not kept. */
    public val dropped: Long,
    /** How many recorded mutations had an ambiguous cause. */
    public val ambiguous: Long,
    /**
     * How often a path was declared beyond the 1,024 that a store remembers. Such a path works, but
     * whoever asks the store for it again gets another object, which asks the core again.
     */
    public val pathsNotRemembered: Long,
)

/**
 * The client's own condition. For each destination, `accepted = delivered + queued + dropped`,
 * where `dropped` are the destination's and those here.
 */
public data class Health(
    /** Whether calls record anything. */
    public val isEnabled: Boolean,
    /** `starting`, `mapped`, `heap`, `lost`, or `off`. */
    public val journal: String,
    /** `off`, `starting`, `open`, `locked`, `full`, `suspended`, `closed`, or `failed`. */
    public val storage: String,
    /** How many events the queue has accepted since it was created. */
    public val accepted: Long,
    /** How many events are in the queue. */
    public val queued: Long,
    /** How many events were dropped for every destination, by reason. */
    public val dropped: Map<String, Long>,
    /** The destinations, in the order of the configuration. */
    public val destinations: List<DestinationHealth>,
    /** Why the last upload failed. Null: it did not fail. */
    public val lastError: String?,
    /** The counts of the traced stores, by their names. */
    public val stores: Map<String, StateCounts>,
    /** Whether a crash of native code would be written down now. */
    public val capturesCrashes: Boolean,
    /** How many panics in Throughline's core were caught. */
    public val panics: Long,
    /** How many exceptions the app's own code has thrown while Throughline called it. */
    public val failures: Long,
    /** How many calls came after the shutdown. */
    public val closedCalls: Long,
    /** How many calls before the start were lost because more than 100 waited. */
    public val lostEarlyCalls: Long,
    /** How many calls the core could not read, which is a bug in Throughline. */
    public val malformedCalls: Long,
    /** How many calls named a span or a store that is not there any more. */
    public val unknownCalls: Long,
    /**
     * What a developer should know: for example a policy that cannot work, or a host that cannot be
     * reached.
     */
    public val problems: List<String>,
)
