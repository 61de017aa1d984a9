internal import ThroughlineFFIGenerated

/// How a flush ended.
public struct FlushOutcome: Sendable, Equatable {
    /// Whether everything that had been recorded was delivered, or dropped and counted.
    public let isComplete: Bool
    /// How many events were delivered during the flush.
    public let delivered: UInt64
    /// How many events still wait.
    public let waiting: UInt64
    /// Why events still wait. `nil` when none do.
    public let reason: String?

    /// Of a client that does not run.
    static let ofNobody = Self(
        .init(complete: false, delivered: 0, waiting: 0, reason: "Throughline does not run"))

    init(_ outcome: ThroughlineFFIGenerated.FlushOutcome) {
        (isComplete, delivered) = (outcome.complete, outcome.delivered)
        (waiting, reason) = (outcome.waiting, outcome.reason)
    }
}

/// The condition of one destination.
public struct DestinationHealth: Sendable, Equatable {
    /// The destination's name in the configuration.
    public let name: String
    /// How many events were delivered to it.
    public let delivered: UInt64
    /// How many events were dropped for this destination alone, by reason.
    public let dropped: [String: UInt64]
    /// Why nothing, or nothing of a signal, is sent to it. `nil`: nothing is paused.
    public let paused: String?
    /// Whether the app has paused it: ``Throughline/pauseDestination(_:)``.
    public let isPausedByApp: Bool
}

/// The counts of one traced store: `mutations = recorded + suppressed + dropped`.
public struct StateCounts: Sendable, Equatable {
    /// How many mutations there were.
    public let mutations: UInt64
    /// How many mutations are part of an action.
    public let recorded: UInt64
    /// How many actions there were.
    public let actions: UInt64
    /// How many mutations were suppressed, by reason.
    public let suppressed: [String: UInt64]
    /// How many mutations were part of an action that was not kept.
    public let dropped: UInt64
    /// How many recorded mutations had an ambiguous cause.
    public let ambiguous: UInt64
    /// How many paths were declared that are not among the first 1,024 of the store. Their
    /// mutations are counted above, as all are. A number that grows has ids in its paths.
    public let pathsNotRemembered: UInt64
}

/// The client's own condition. For each destination, `accepted = delivered + queued + dropped`,
/// where `dropped` are the destination's and those here.
public struct Health: Sendable, Equatable {
    /// Whether calls record anything.
    public let isEnabled: Bool
    /// `starting`, `mapped`, `heap`, `lost`, or `off`.
    public let journal: String
    /// `off`, `starting`, `open`, `locked`, `full`, `suspended`, `closed`, or `failed`.
    public let storage: String
    /// How many events the queue has accepted since it was created.
    public let accepted: UInt64
    /// How many events are in the queue.
    public let queued: UInt64
    /// How many events were dropped for every destination, by reason.
    public let dropped: [String: UInt64]
    /// The destinations, in the order of the configuration.
    public let destinations: [DestinationHealth]
    /// Why the last upload failed. `nil`: it did not fail.
    public let lastError: String?
    /// The counts of the traced stores, by their names.
    public let stores: [String: StateCounts]
    /// Whether a crash of native code would be written down now. Never on Apple's systems yet.
    public let capturesCrashes: Bool
    /// How many panics in Throughline's core were caught.
    public let panics: UInt64
    /// How many errors the app's own code has thrown while Throughline called it.
    public let failures: UInt64
    /// How many calls came after the shutdown.
    public let closedCalls: UInt64
    /// How many calls before the start were lost because more than 100 waited.
    public let lostEarlyCalls: UInt64
    /// How many calls the core could not read, which is a bug in Throughline.
    public let malformedCalls: UInt64
    /// How many calls named a span or a store that is not there any more.
    public let unknownCalls: UInt64
    /// What a developer should know: for example a policy that cannot work, or a host that cannot
    /// be reached.
    public let problems: [String]

    init(_ report: HealthReport) {
        isEnabled = report.enabled
        journal = report.journal
        storage = report.storage
        accepted = report.accepted
        queued = report.queued
        dropped = report.dropped.byName
        destinations = report.destinations.map {
            DestinationHealth(
                name: $0.name, delivered: $0.delivered, dropped: $0.dropped.byName, paused: $0.paused,
                isPausedByApp: $0.pausedByApp)
        }
        lastError = report.lastError
        let notRemembered = TracedStores.all.pathsNotRemembered
        let counts = report.stores.map {
            ($0.name, StateCounts(
                mutations: $0.mutations, recorded: $0.recorded, actions: $0.actions, suppressed: $0.suppressed.byName,
                dropped: $0.dropped, ambiguous: $0.ambiguous, pathsNotRemembered: notRemembered[$0.name] ?? 0))
        }
        stores = Dictionary(counts, uniquingKeysWith: { $1 })
        capturesCrashes = report.capturesCrashes
        panics = report.panics
        failures = Recorder.failures.value
        closedCalls = report.closedCalls + Recorder.refused.value
        lostEarlyCalls = Recorder.lostEarly.value
        malformedCalls = report.malformedCalls
        unknownCalls = report.unknownCalls + TracedStores.all.refused.value
        problems = report.problems + (TracedStores.all.problem.map { [$0] } ?? [])
    }
}

extension [NamedCount] {
    fileprivate var byName: [String: UInt64] {
        Dictionary(map { ($0.name, $0.count) }, uniquingKeysWith: +)
    }
}
