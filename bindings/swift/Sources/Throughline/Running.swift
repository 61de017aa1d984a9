import Foundation
internal import ThroughlineFFI
internal import ThroughlineFFIGenerated

/// The client while it runs, how it starts and how it ends.
final class Running: @unchecked Sendable {
    static let shared = Running()

    /// What a call that waits for the start decides. The latest decision of each kind is kept: of
    /// destinations, the latest for each name.
    enum Decision: Equatable {
        case consent, enabled, sessionSampleRate, traceSampleRate, tailSampling, conditions, mainThread
        case destination(String)
    }

    /// How many calls wait for the start. The others are counted.
    private static let maxWaiting = 100

    private let lock = NSLock()
    private var started: TelemetryCore?
    /// Takes the main thread's signs of life, also while it starts and while it ends.
    private var watched: TelemetryCore?
    private var isStarting = false
    /// Calls to the core that were made before the start.
    private var waiting: [(decision: Decision, call: @Sendable (TelemetryCore) -> Void)] = []
    /// What the app has said about itself and the device. Each client has to hear it.
    private var conditions: DeviceConditions?
    /// Why the last start has failed.
    private var failure: ThroughlineError?
    private let libraryVersion: UInt64

    init(libraryVersion: UInt64 = throughline_version()) { self.libraryVersion = libraryVersion }

    /// The core, while the client runs.
    var core: TelemetryCore? { lock.withLock { started } }

    /// What takes the main thread's signs of life.
    var watching: TelemetryCore? { lock.withLock { watched } }

    func setWatching(_ core: TelemetryCore?) { lock.withLock { watched = core } }

    func start(_ configuration: Configuration, consent: Consent) throws(ThroughlineError) {
        do { try open(configuration, consent: consent) } catch {
            lock.withLock { failure = error }
            throw error
        }
        lock.withLock { failure = nil }
    }

    private func open(_ configuration: Configuration, consent: Consent) throws(ThroughlineError) {
        try LibraryVersion.check(libraryVersion)
        guard claim() else { throw .closed("Throughline runs already") }
        let core: TelemetryCore
        do {
            core = try ThroughlineError.translating {
                try TelemetryCore.start(
                    config: try configuration.generated(), consent: consent.generated,
                    transport: configuration.transport.map(GeneratedTransport.init),
                    auth: configuration.authHeaders.map(GeneratedAuthHeaders.init), log: hostLog())
            }
        } catch {
            lock.withLock { isStarting = false }
            throw error
        }
        Recorder.expectStart()
        if let conditions = lock.withLock({ conditions }) { core.setConditions(conditions: conditions) }
        // The calls are made without the lock, because an erasure may take seconds.
        while let calls = takeWaiting(orOpen: core) { for call in calls { call(core) } }
        UncaughtExceptions.record(configuration.captureUncaughtExceptions)
        MetricKitReporter.report(configuration.reportMetricKit)
    }

    func shutdown(timeout: TimeInterval) throws(ThroughlineError) -> Bool {
        TracedStores.all.report()
        guard let core = take() else { throw .closed("Throughline does not run") }
        defer { setWatching(nil) }
        return try ThroughlineError.translating { try core.shutdown(timeout: timeout) }
    }

    func flush(timeout: TimeInterval) throws(ThroughlineError) -> FlushOutcome {
        guard let core else { throw .closed("Throughline does not run") }
        TracedStores.all.report()
        return FlushOutcome(try ThroughlineError.translating { try core.flush(timeout: timeout) })
    }

    func diagnose(timeout: TimeInterval) -> Diagnosis {
        guard let core else { return Diagnosis(withoutClient: lock.withLock { failure }) }
        TracedStores.all.report()
        return Diagnosis(core.diagnose(timeout: timeout))
    }

    /// Makes a call to the core now, or at the start.
    func whenStarted(_ decision: Decision, _ call: @escaping @Sendable (TelemetryCore) -> Void) {
        lock.lock()
        let core = started
        if core == nil {
            waiting.append((decision, call))
            if waiting.count > Self.maxWaiting { removeOneThatWaits() }
        }
        lock.unlock()
        if let core { call(core) }
    }

    /// Says what the app knows about itself and the device, to this client and to later ones.
    func setConditions(_ new: DeviceConditions) {
        lock.lock()
        conditions = new
        let core = started
        let isStarting = isStarting
        lock.unlock()
        if let core { return core.setConditions(conditions: new) }
        if isStarting { whenStarted(.conditions) { $0.setConditions(conditions: new) } }
    }

    /// Removes the first call that a later one of its kind follows. Where none does, the calls are
    /// for more destinations than there may be, and the last one, for a name that the core would
    /// not know, is not kept.
    private func removeOneThatWaits() {
        let old = waiting.indices.first { at in
            waiting[(at + 1)...].contains { $0.decision == waiting[at].decision }
        }
        let unknown = waiting.lastIndex { if case .destination = $0.decision { true } else { false } }
        guard let removed = old ?? unknown else { return }
        waiting.remove(at: removed)
        Recorder.lostEarly.add(1)
    }

    /// Whether this start is the only one.
    private func claim() -> Bool {
        lock.lock()
        defer { lock.unlock() }
        if started != nil || isStarting { return false }
        isStarting = true
        return true
    }

    /// The calls that wait. When there are none, opens the door and returns `nil`.
    private func takeWaiting(orOpen core: TelemetryCore) -> [@Sendable (TelemetryCore) -> Void]? {
        lock.lock()
        defer { lock.unlock() }
        if !waiting.isEmpty {
            defer { waiting.removeAll() }
            return waiting.map(\.call)
        }
        let door = core.door()
        TracedStores.all.open(door)
        started = core
        isStarting = false
        return nil
    }

    /// Takes the core of a client that ends, and closes the door.
    private func take() -> TelemetryCore? {
        lock.lock()
        defer { lock.unlock() }
        guard let core = started else { return nil }
        TracedStores.all.close()
        started = nil
        return core
    }
}

extension Throughline {
    /// Records a tap through the generated code alone. For the benchmark.
    static func recordTapPlainly(_ name: String, _ attributes: [(String, String)]) -> Bool {
        let fields = attributes.map { HeaderField(name: $0.0, value: $0.1) }
        return Running.shared.core?.recordTap(name: name, attributes: fields) ?? false
    }
}
