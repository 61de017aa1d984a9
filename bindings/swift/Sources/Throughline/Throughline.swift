import Foundation

/// Telemetry of the app. There is one client in a process.
///
/// ```swift
/// let configuration = Configuration(serviceName: "shop", endpoint: "https://otlp.example.com")
/// try Throughline.start(configuration, consent: .granted)
/// Throughline.action("checkout", ["items": 3])
/// ```
///
/// Every function may be called from every thread. Recording never throws and never waits. When a
/// call returns, what it recorded survives the death of the process. What cannot be kept is
/// counted, and ``health()`` shows the counts.
///
/// Calls before the start wait in memory, the latest 100, and are recorded at the start with the
/// times at which they were made. Only ``start(_:consent:)``, ``flush(timeout:)`` and
/// ``shutdown(timeout:)`` throw.
public enum Throughline {
    /// Starts the client. Returns at once: a thread of Throughline's opens the database.
    ///
    /// - Throws: ``ThroughlineError/invalidConfiguration(_:)`` for a value that cannot work,
    ///   ``ThroughlineError/storage(_:)`` when the data directory cannot be used,
    ///   ``ThroughlineError/closed(_:)`` when the client runs already, and
    ///   ``ThroughlineError/library(_:)`` when the app is linked with another version of the native
    ///   library.
    public static func start(_ configuration: Configuration, consent: Consent) throws(ThroughlineError) {
        try Running.shared.start(configuration, consent: consent)
        BackgroundUploads.consent(consent)
    }

    /// Ends the client: writes what was recorded to the database, and closes it. What was not sent
    /// waits for the next start. Later calls are only counted. The client may be started again.
    ///
    /// - Parameter timeout: How long it waits at most, in seconds.
    /// - Returns: False when that took longer.
    /// - Throws: ``ThroughlineError/closed(_:)`` when the client does not run.
    @discardableResult
    public static func shutdown(timeout: TimeInterval = 5) throws(ThroughlineError) -> Bool {
        try Running.shared.shutdown(timeout: timeout)
    }

    /// Sends everything that was recorded, as far as the conditions and the destinations allow it.
    /// It waits: call it off the main thread.
    ///
    /// Coalescing windows end. Views, operations and an action that still collects stay open; they
    /// are sent when they end.
    ///
    /// - Parameter timeout: How long it waits at most, in seconds.
    /// - Throws: ``ThroughlineError/closed(_:)`` when the client does not run.
    @discardableResult
    public static func flush(timeout: TimeInterval = 10) throws(ThroughlineError) -> FlushOutcome {
        try Running.shared.flush(timeout: timeout)
    }

    /// Whether the client was started and not shut down since.
    public static var isRunning: Bool { Running.shared.core != nil }

    /// The client's own condition. `nil` while it does not run.
    public static func health() -> Health? {
        TracedStores.all.report()
        return Running.shared.core.map { Health($0.health()) }
    }

    /// Says in plain words what keeps data from arriving, or explains what is missing. First it sends
    /// what waits; with a timeout of zero it only looks. It may be called in any state, also when the
    /// start has failed. It waits: call it off the main thread, and print the answer while the app is
    /// built.
    ///
    /// - Parameter timeout: How long it waits at most, in seconds.
    public static func diagnose(timeout: TimeInterval = 5) -> Diagnosis {
        Running.shared.diagnose(timeout: timeout)
    }

    /// The id of the session. `nil` while the client does not run.
    public static var sessionId: String? { Running.shared.core?.sessionId() }

    /// The id of the installation, for `app.installation.id`. `nil` while the client does not run,
    /// and when ``Configuration/installationId`` is false.
    public static var installationId: String? { Running.shared.core?.installationId() }

    /// Erases everything that was recorded and not sent.
    ///
    /// - Parameter timeout: How long it waits at most, in seconds.
    /// - Returns: False when that took longer, when the client does not run, or when another process of
    ///   the app has a part of it. That part is erased before anything of it is sent.
    @discardableResult
    public static func erase(timeout: TimeInterval = 5) -> Bool {
        let isErased = Running.shared.core?.erase(timeout: timeout) ?? false
        BackgroundUploads.erase()
        return isErased
    }

    /// Closes the database and releases every lock, before the app is suspended. Until
    /// ``resumeStorage(timeout:)``, calls are kept in the journal.
    ///
    /// - Parameter timeout: How long it waits at most, in seconds.
    /// - Returns: False when that took longer, or when the client does not run.
    @discardableResult
    public static func suspendStorage(timeout: TimeInterval = 1) -> Bool {
        Running.shared.core?.suspend(timeout: timeout) ?? false
    }

    /// Opens the database again.
    ///
    /// - Parameter timeout: How long it waits at most, in seconds.
    /// - Returns: False when that took longer, or when the client does not run.
    @discardableResult
    public static func resumeStorage(timeout: TimeInterval = 1) -> Bool {
        Running.shared.core?.resume(timeout: timeout) ?? false
    }

    /// Waits until everything that was recorded is in the database.
    ///
    /// - Parameter timeout: How long it waits at most, in seconds.
    /// - Returns: False when that took longer, or when the client does not run.
    @discardableResult
    public static func drain(timeout: TimeInterval = 5) -> Bool {
        Running.shared.core?.drain(timeout: timeout) ?? false
    }
}
