import Foundation
internal import ThroughlineFFI
internal import ThroughlineFFIGenerated

/// What the user did.
public enum ActionType: UInt8, Sendable { case tap = 1, scroll, swipe, back, custom }

/// A log's level.
public enum Level: UInt8, Sendable { case trace = 1, debug = 5, info = 9, warn = 13, error = 17, fatal = 21 }

/// What an error was.
public enum ErrorKind: UInt8, Sendable { case handled = 1, crash, hang, anr, outOfMemory }

/// A metric's instrument.
public enum Instrument: UInt8, Sendable { case counter = 1, upDownCounter, gauge, histogram }

/// Telemetry of the app. One per process.
///
/// ```swift
/// try Throughline.start(Configuration(serviceName: "shop", endpoint: "https://otlp.example.com"), consent: .granted)
/// Throughline.action("checkout", ["items": 3])
/// ```
///
/// Recording never throws and never waits; when a call returns, what it told survives the death of the process. What cannot be
/// kept is counted and shows in ``health()``. Calls before the start wait in a ring of 100 and are replayed with their own
/// times. Every function may be called from every thread. Only `start`, `flush` and `shutdown` throw.
public enum Throughline {
    private static let running = Running()

    // MARK: Start and end

    /// Starts. Returns at once: the database is opened by a thread of Throughline's.
    public static func start(_ configuration: Configuration, consent: Consent) throws(ThroughlineError) {
        try running.start(configuration, consent: consent)
    }

    /// Ends: writes what it has to the database and closes. What was not sent waits for the next start. False when it took
    /// longer. Later calls are counted and do nothing; it may be started again.
    @discardableResult
    public static func shutdown(timeout: TimeInterval = 5) throws(ThroughlineError) -> Bool {
        TracedStores.all.report()
        guard let core = running.take() else { throw .closed("Throughline does not run") }
        return try translating { try core.shutdown(timeoutMs: timeout.milliseconds) }
    }

    /// Sends everything that was recorded, as far as conditions and backends allow. Waits; call it off the main thread.
    /// Coalescing windows end; views, operations and an action that still collects stay open and are sent when they end.
    @discardableResult
    public static func flush(timeout: TimeInterval = 10) throws(ThroughlineError) -> FlushOutcome {
        guard let core = running.core else { throw .closed("Throughline does not run") }
        TracedStores.all.report()
        let result = try translating { try core.flush(timeoutMs: timeout.milliseconds) }
        return FlushOutcome(
            isComplete: result.complete, delivered: result.delivered, waiting: result.waiting, reason: result.reason)
    }

    /// Whether it has been started and not shut down.
    public static var isRunning: Bool { running.core != nil }

    /// What Throughline says about itself; `nil` while it does not run.
    public static func health() -> Health? {
        TracedStores.all.report()
        return running.core.map { Health($0.health()) }
    }

    // MARK: Views and actions

    /// Shows a view: the one before it ends, events from now on belong to it.
    public static func startView(_ name: String) { Recorder.record(.startView) { $0.text(name) } }

    /// Shows a view over the one that is shown: a sheet, an alert.
    public static func pushView(_ name: String) { Recorder.record(.pushView) { $0.text(name) } }

    /// Ends the view that is shown.
    public static func stopView() { Recorder.record(.stopView) { _ in } }

    /// The view that is shown is complete and can be used: its loading time is the time until now.
    public static func markInteractive() { Recorder.record(.markInteractive) { _ in } }

    /// Records something the user did.
    @inline(never)
    public static func action(_ name: String, _ attributes: Attributes = [:], type: ActionType = .custom) {
        Recorder.record(.action) {
            $0.u8(type.rawValue)
            $0.text(name)
            $0.attributes(attributes)
        }
    }

    /// As ``action(_:_:type:)``, for places that are called often: the attributes are written where they belong, nothing is
    /// allocated.
    ///
    /// ```swift
    /// Throughline.action("scroll") { $0.put("row", row) }
    /// ```
    public static func action(_ name: String, type: ActionType = .custom, _ attributes: (inout Draft) -> Void) {
        Recorder.record(.action) {
            $0.u8(type.rawValue)
            $0.text(name)
            $0.beginAttributes()
            attributes(&$0)
            $0.endAttributes()
        }
    }

    /// Begins an action that collects the requests, errors and state mutations which follow, until nothing has happened for
    /// 100 ms, at most 5 s. What it causes is in one trace. Three taps within a second make a rage tap.
    public static func startAction(_ name: String, _ attributes: Attributes = [:], type: ActionType = .tap) {
        Recorder.record(.startAction) {
            $0.u8(type.rawValue)
            $0.text(name)
            $0.attributes(attributes)
        }
    }

    /// Begins a tap: see ``startAction(_:_:type:)``.
    public static func tap(_ target: String) { startAction(target) }

    /// Records an event that only the app understands.
    public static func event(_ name: String, _ attributes: Attributes = [:]) {
        Recorder.record(.custom) {
            $0.text(name)
            $0.attributes(attributes)
        }
    }

    /// As ``event(_:_:)``, for places that are called often.
    public static func event(_ name: String, _ attributes: (inout Draft) -> Void) {
        Recorder.record(.custom) {
            $0.text(name)
            $0.beginAttributes()
            attributes(&$0)
            $0.endAttributes()
        }
    }

    // MARK: Errors, logs, metrics

    /// Records an error that was handled.
    public static func error(_ error: any Error, _ attributes: Attributes = [:]) {
        self.error(type: String(reflecting: Swift.type(of: error)), message: "\(error)", attributes)
    }

    /// Records an error that has no value.
    public static func error(
        type: String, message: String, stack: String = "", kind: ErrorKind = .handled, _ attributes: Attributes = [:]
    ) {
        Recorder.record(.error) {
            $0.u8(kind.rawValue)
            $0.u8(1)
            $0.text(type)
            $0.text(message, limit: Draft.messageBytes)
            $0.text(stack, limit: Draft.stackBytes)
            $0.attributes(attributes)
        }
    }

    /// Records a log.
    public static func log(_ level: Level, _ message: String, logger: String = "", _ attributes: Attributes = [:]) {
        Recorder.record(.log) {
            $0.u8(level.rawValue)
            $0.text(message, limit: Draft.messageBytes)
            $0.text(logger)
            $0.attributes(attributes)
        }
    }

    /// Adds to a metric, or sets it. Aggregated on the device. At most 100 sets of attributes per metric.
    public static func measure(
        _ name: String, _ value: Double, _ instrument: Instrument = .histogram, unit: String = "",
        _ attributes: Attributes = [:]
    ) {
        Recorder.record(.measurement) {
            $0.u8(instrument.rawValue)
            $0.text(name)
            $0.text(unit)
            $0.f64(value)
            $0.attributes(attributes)
        }
    }

    /// Records a vital of the app's own.
    public static func vital(_ name: String, _ value: Double, unit: String = "", _ attributes: Attributes = [:]) {
        Recorder.record(.vital) {
            $0.text(name)
            $0.f64(value)
            $0.text(unit)
            $0.attributes(attributes)
        }
    }

    // MARK: Feeds

    /// Records that the main thread was busy for long, seconds.
    public static func longTask(_ duration: TimeInterval, frozenFrame: Bool = false) {
        Recorder.record(.longTask) {
            $0.u64(duration.nanoseconds)
            $0.flag(frozenFrame)
            $0.attributes([:])
        }
    }

    /// Counts frames that were drawn since the last call.
    public static func frames(_ count: Int) { Recorder.record(.frames) { $0.u64(UInt64(clamping: count)) } }

    /// Records a frame that took too long; from 700 ms it is frozen.
    public static func slowFrame(_ duration: TimeInterval) {
        Recorder.record(.slowFrame) { $0.u64(duration.nanoseconds) }
    }

    /// A sample of the process's memory.
    public static func memory(bytes: UInt64) { Recorder.record(.memory) { $0.u64(bytes) } }

    /// Processor time that the process used since the last call.
    public static func processorTime(_ used: TimeInterval) {
        Recorder.record(.processorTime) { $0.u64(used.nanoseconds) }
    }

    /// How long the process took to start: `cold`, `warm` or `hot`.
    public static func processStart(_ type: String, _ duration: TimeInterval) {
        Recorder.record(.processStart) {
            $0.text(type)
            $0.u64(duration.nanoseconds)
        }
    }

    /// How long it took until the first frame was shown.
    public static func initialDisplay(_ duration: TimeInterval) {
        Recorder.record(.initialDisplay) { $0.u64(duration.nanoseconds) }
    }

    /// Records that the *app's own* synchronization failed.
    public static func recordSyncFailure(rpc: String, code: String, retries: Int, offline: Bool) {
        Recorder.record(.syncFailure) {
            $0.text(rpc)
            $0.text(code)
            $0.u32(UInt32(clamping: retries))
            $0.flag(offline)
        }
    }

    /// Records that the *app's own* queue was flushed: how many entries it held, and whether that went well.
    public static func recordQueueFlush(depth: Int, ok: Bool) {
        Recorder.record(.queueFlush) {
            $0.u64(UInt64(clamping: depth))
            $0.flag(ok)
        }
    }

    /// The user, or the app, says that something is wrong: what was kept aside is sent.
    public static func reportProblem(_ message: String) {
        Recorder.record(.reportProblem) { $0.text(message, limit: Draft.messageBytes) }
    }

    // MARK: Who and what

    /// Says who uses the app, on every event from now on. Give pseudonyms where you can.
    public static func setUser(id: String, name: String? = nil, email: String? = nil, _ attributes: Attributes = [:]) {
        var all: Attributes = ["id": id]
        if let name { all["name"] = name }
        if let email { all["email"] = email }
        all.pairs += attributes.pairs
        Recorder.record(.user) { $0.attributes(all) }
    }

    /// Nobody uses the app any more.
    public static func clearUser() { Recorder.record(.user) { $0.attributes([:]) } }

    /// Sets an attribute of every event from now on; `nil` removes it. At most 112.
    public static func setGlobalAttribute(_ key: String, _ value: (any AttributeValue)?) {
        Recorder.record(.globalAttribute) {
            $0.text(key, limit: Draft.keyBytes)
            $0.held(value)
        }
    }

    /// Says what a feature flag was evaluated to, on every event from now on; `nil`: it is not used any more.
    public static func setFeatureFlag(_ name: String, _ value: (any AttributeValue)?) {
        Recorder.record(.featureFlag) {
            $0.text(name, limit: Draft.keyBytes)
            $0.held(value)
        }
    }

    /// The session's id; `nil` while it does not run.
    public static var sessionId: String? { running.core?.sessionId() }

    /// The installation's id, for `app.installation.id`; `nil` while it does not run.
    public static var installationId: String? { running.core?.installationId() }

    /// Ends the session and begins another: when another user signs in.
    public static func renewSession() { Recorder.record(.renewSession) { _ in } }

    // MARK: Switches

    /// Tells what the user has said. After ``Consent/denied`` nothing is recorded, and everything that was is erased by a
    /// thread of Throughline's.
    public static func setConsent(_ consent: Consent) { running.tell { _ = $0.setConsent(consent: consent.generated) } }

    /// Switches recording on or off, and remembers it for the next start. Off holds at once; a thread of Throughline's closes
    /// what is open, and an on that follows meanwhile holds when that is done: see ``Health/isEnabled``.
    public static func setEnabled(_ enabled: Bool) { running.tell { _ = $0.setEnabled(enabled: enabled) } }

    /// Changes the share of sessions that is recorded, and remembers it.
    public static func setSessionSampleRate(_ rate: Double) {
        running.tell { _ = $0.setSessionSampleRate(rate: rate) }
    }

    /// Changes the share of traces that is recorded, and remembers it.
    public static func setTraceSampleRate(_ rate: Double) { running.tell { _ = $0.setTraceSampleRate(rate: rate) } }

    /// Changes what is kept of sessions that are not sampled; `nil`: nothing.
    public static func setKeepErrors(_ rule: KeepErrors?) {
        running.tell { _ = $0.setKeepErrors(rule: rule?.generated) }
    }

    /// Tells what the host knows about app and device.
    public static func setConditions(_ conditions: Conditions) {
        let network: ThroughlineFFIGenerated.NetworkKind =
            switch conditions.network {
            case .unknown: .unknown
            case .offline: .offline
            case .unmetered: .unmetered
            case .metered: .metered
            }
        let generated = DeviceConditions(
            foreground: conditions.foreground, network: network,
            batteryPercent: conditions.batteryPercent.map { UInt8(clamping: $0) }, charging: conditions.charging,
            lowPower: conditions.lowPower)
        running.tell { $0.setConditions(conditions: generated) }
    }

    /// Erases everything that was recorded and not sent. False when it took longer, or does not run.
    @discardableResult
    public static func erase(timeout: TimeInterval = 5) -> Bool {
        running.core?.erase(timeoutMs: timeout.milliseconds) ?? false
    }

    /// Closes the database and releases every lock, before the app is suspended. Calls are kept in the journal meanwhile.
    @discardableResult
    public static func suspendStorage(timeout: TimeInterval = 1) -> Bool {
        running.core?.suspend(timeoutMs: timeout.milliseconds) ?? false
    }

    /// Opens the database again.
    @discardableResult
    public static func resumeStorage(timeout: TimeInterval = 1) -> Bool {
        running.core?.resume(timeoutMs: timeout.milliseconds) ?? false
    }

    /// Waits until everything that was recorded is in the database.
    @discardableResult
    public static func drain(timeout: TimeInterval = 5) -> Bool {
        running.core?.drain(timeoutMs: timeout.milliseconds) ?? false
    }

    // MARK: Network

    /// The headers for a request to `url` in the current context; `existing` are the app's own. Empty for hosts not listed, and
    /// where nothing runs.
    public static func traceHeaders(_ url: URL, existing: [String: String] = [:]) -> [String: String] {
        traceHeaders(url.absoluteString, slot: Recorder.slot, existing: existing)
    }

    static func traceHeaders(_ url: String, slot: UInt64, existing: [String: String]) -> [String: String] {
        running.core?.traceHeaders(url: url, slot: slot, existing: existing.fields).dictionary ?? [:]
    }

    static func survivesRedirect(from: String, to: String) -> Bool {
        running.core?.survivesRedirect(from: from, to: to) ?? false
    }

    static func traceId(_ slot: UInt64) -> String? { running.core?.traceId(slot: slot) }

    /// The plain way over the generated code, for the bench.
    static func recordTapPlainly(_ name: String, _ attributes: [(String, String)]) -> Bool {
        running.core?.recordTap(name: name, attributes: attributes.map { HeaderField(name: $0.0, value: $0.1) }) ?? false
    }

    /// The next request to send, with ``Configuration/pull``: for background `URLSession`s. Waits for one at most `wait`;
    /// `nil` when nothing is to be sent. Tell the outcome by ``uploadDone(_:_:)``.
    public static func nextUpload(wait: TimeInterval = 5) -> PendingUpload? {
        running.core?.nextUpload(waitMs: wait.milliseconds).map {
            PendingUpload(id: $0.id, request: UploadRequest($0.request))
        }
    }

    /// Tells what became of a request: the answer, or `nil` when there was none.
    @discardableResult
    public static func uploadDone(_ upload: PendingUpload, _ response: UploadResponse?) -> Bool {
        running.core?.uploadDone(id: upload.id, response: response?.generated) ?? false
    }
}

private func translating<T>(_ work: () throws -> T) throws(ThroughlineError) -> T {
    do { return try work() } catch let error as TelemetryError {
        switch error {
        case .InvalidConfig(let reason): throw .invalidConfiguration(reason)
        case .Storage(let reason): throw .storage(reason)
        case .Closed(let reason): throw .closed(reason)
        }
    } catch {
        throw .storage("\(error)")
    }
}

/// The client that runs, if one does.
private final class Running: @unchecked Sendable {
    private static let earlyOptions = 100
    private let lock = NSLock()
    private var started: TelemetryCore?
    private var isStarting = false
    private var early: [@Sendable (TelemetryCore) -> Void] = []

    var core: TelemetryCore? {
        lock.lock()
        defer { lock.unlock() }
        return started
    }

    func start(_ configuration: Configuration, consent: Consent) throws(ThroughlineError) {
        guard claim() else { throw .closed("Throughline runs already") }
        let core: TelemetryCore
        do {
            core = try translating {
                try TelemetryCore.start(
                    config: try configuration.generated(), consent: consent.generated,
                    transport: configuration.transport.map(Hosted.init),
                    auth: configuration.authHeaders.map(Authorization.init))
            }
        } catch {
            lock.lock()
            isStarting = false
            lock.unlock()
            throw error
        }
        Recorder.await()
        // Run without the lock: an erasure may take seconds.
        while let options = open(core) { for tell in options { tell(core) } }
    }

    private func claim() -> Bool {
        lock.lock()
        defer { lock.unlock() }
        if started != nil || isStarting { return false }
        isStarting = true
        return true
    }

    /// What was said before the start, if anything was; else opens the door.
    private func open(_ core: TelemetryCore) -> [@Sendable (TelemetryCore) -> Void]? {
        lock.lock()
        defer { lock.unlock() }
        if !early.isEmpty {
            defer { early.removeAll() }
            return early
        }
        let door = core.door()
        TracedStores.all.declare(to: door)
        Recorder.open(door)
        started = core
        isStarting = false
        return nil
    }

    func take() -> TelemetryCore? {
        lock.lock()
        defer { lock.unlock() }
        guard let core = started else { return nil }
        Recorder.close()
        started = nil
        return core
    }

    /// Does it now, or after the start.
    func tell(_ tell: @escaping @Sendable (TelemetryCore) -> Void) {
        lock.lock()
        let core = started
        if core == nil {
            if early.count < Self.earlyOptions { early.append(tell) } else { Recorder.lostEarly.add(1) }
        }
        lock.unlock()
        if let core { tell(core) }
    }
}
