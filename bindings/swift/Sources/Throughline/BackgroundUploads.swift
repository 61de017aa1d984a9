import Foundation
internal import ThroughlineFFI
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// Sends what Throughline has recorded over a background `URLSession`: the system sends it also
/// while the app is suspended, and after its end. An upload whose process has died is settled by
/// the next one, once. Set ``Configuration/pull``, and start it right after the client:
///
/// ```swift
/// configuration.pull = true
/// try Throughline.start(configuration, consent: .granted)
/// try BackgroundUploads.start(.ephemeral, directory: directory)
/// ```
///
/// On Apple's systems, `BackgroundUploads.start(identifier:)` makes the session.
///
/// An upload is known by its key, which another process of the app finds again: see
/// ``PendingUpload/key``. What is under way is not started again for an hour. An answer that the
/// client does not wait for is kept until it asks for that key, for at most 7 days.
public final class BackgroundUploads: @unchecked Sendable {
    /// How long an upload may be under way. The client waits for an answer for an hour, and sends
    /// nothing else to that destination meanwhile.
    static let mostSeconds: TimeInterval = 55 * 60
    /// After this an upload of which nothing was heard is started again.
    private static let lostAfter: TimeInterval = 60 * 60
    /// How long the outcome of an upload is waited for which the system no longer knows: it may
    /// have ended while the app did not run.
    private static let grace: TimeInterval = 10
    /// How long an answer is kept that the client has not asked for. Events are no older either.
    private static let keepFor: TimeInterval = 7 * 86_400
    /// How often the client is asked for what it has recorded, while the app runs.
    private static let interval: TimeInterval = 30
    /// How soon the client is asked again after an upload that was accepted. What it has recorded
    /// meanwhile goes together.
    private static let pause: TimeInterval = 5
    /// How long the client is not asked after the first upload of a row that was not accepted, and
    /// at most. Asking it ends its own waiting.
    private static let backoff: (first: TimeInterval, most: TimeInterval) = (30, 15 * 60)
    /// How long the system waits at most until the client has taken what it was started for.
    private static let eventsWithin: TimeInterval = 20

    private static let lock = NSLock()
    nonisolated(unsafe) private static var running: BackgroundUploads?
    /// The user does not want anything to be sent.
    nonisolated(unsafe) private static var isRefused = false

    private let queue = DispatchQueue(label: "throughline.background-uploads", qos: .utility)
    private let asking = DispatchQueue(label: "throughline.background-uploads.ask", qos: .utility)
    private let spool: BackgroundSpool
    private let grace: TimeInterval
    // The following belong to the queue.
    private var session: (any BackgroundSession)?
    private var timer: (any DispatchSourceTimer)?
    /// What is under way, by keys, and since when as far as this process knows.
    private var underWay: [String: Date] = [:]
    /// What has ended before it was known what is under way.
    private var endedEarly: Set<String> = []
    /// What may have ended while the app did not run.
    private var uncertain: Set<String> = []
    /// The uploads that the client waits for.
    private var waiting: [String: PendingUpload] = [:]
    /// What was under way when everything was erased.
    private var forgotten: Set<String> = []
    /// Uploads in a row that were not accepted.
    private var failures = 0
    private var notBefore = Date.distantPast
    private var isAsking = false
    private var isToAskAgain = false
    private var hasReportedAll = false
    private var completions: [Completion] = []
    private var counts = Counts()

    /// What has become of uploads in this process.
    struct Counts: Equatable {
        /// Handed over to the session.
        var started = 0
        /// Answers that the client has taken.
        var settled = 0
        /// Answers that the client did not wait for when they came.
        var kept = 0
        /// Answers that nobody has asked for, and bodies that belonged to nothing.
        var removed = 0
    }

    /// What the app is to call when the client has taken what the system has reported.
    private struct Completion: @unchecked Sendable {
        let call: () -> Void
    }

    init(directory: URL, grace: TimeInterval = BackgroundUploads.grace) throws {
        spool = try BackgroundSpool(directory)
        self.grace = grace
    }

    /// Begins to send over a session with this configuration. Call it once, after the start of the
    /// client: what has ended while the app did not run is settled then.
    ///
    /// - Parameters:
    ///   - configuration: Of the session. It is copied.
    ///   - directory: Where bodies and answers are kept, which must be the same in every process.
    ///     It must not be ``Configuration/dataDir``.
    /// - Throws: When the directory cannot be made.
    public static func start(_ configuration: URLSessionConfiguration, directory: URL) throws {
        let uploads = try BackgroundUploads(directory: directory)
        let isFirst = lock.withLock {
            defer { running = running ?? uploads }
            return running == nil
        }
        if !isFirst { return }
        let own = configuration.copy() as? URLSessionConfiguration ?? configuration
        own.timeoutIntervalForResource = min(own.timeoutIntervalForResource, mostSeconds)
        own.httpShouldSetCookies = false
        own.httpCookieAcceptPolicy = .never
        own.httpCookieStorage = nil
        own.urlCache = nil
        uploads.begin(URLSessionUploads(own, events: uploads))
    }

    /// Hands what was recorded to the system now, instead of within 30 seconds. Call it when the
    /// app goes to the background. Returns at once.
    public static func send() {
        guard let uploads = lock.withLock({ running }) else { return }
        uploads.queue.async { uploads.ask() }
    }

    /// For `application(_:handleEventsForBackgroundURLSession:completionHandler:)`: calls the
    /// handler, on the main queue, when the client has taken what has ended, or after 20 seconds.
    public static func handleEvents(completionHandler: @escaping () -> Void) {
        let completion = Completion(call: completionHandler)
        guard let uploads = lock.withLock({ running }) else { return DispatchQueue.main.async { completion.call() } }
        uploads.handleEvents(completion)
    }

    private func handleEvents(_ completion: Completion) {
        // The database may be closed, because the app was suspended.
        Throughline.resumeStorage(timeout: 0)
        queue.async { [self] in
            completions.append(completion)
            ask()
            queue.asyncAfter(deadline: .now() + Self.eventsWithin) { self.complete() }
        }
    }

    /// The user has consented, or not.
    static func consent(_ consent: Consent) {
        let uploads = lock.withLock {
            isRefused = consent == .denied
            return isRefused ? running : nil
        }
        uploads?.queue.async { uploads?.forget() }
    }

    /// Erases what waits to be sent, and what is under way.
    static func erase() {
        let uploads = lock.withLock { running }
        uploads?.queue.sync { uploads?.forget() }
    }

    private func forget() {
        forgotten.formUnion(underWay.keys)
        session?.cancelAll()
        spool.removeAll()
        (underWay, uncertain, endedEarly) = ([:], [], [])
        let unanswered = waiting.values
        waiting = [:]
        // What was erased is answered by nobody; what was recorded since comes again.
        for upload in unanswered { Throughline.uploadDone(upload, nil) }
    }

    private func complete() {
        let completions = self.completions
        self.completions = []
        if completions.isEmpty { return }
        // The system ends a suspended app that holds a lock on a file.
        if !throughline_process_is_in_front() { Throughline.suspendStorage() }
        DispatchQueue.main.async { for completion in completions { completion.call() } }
    }

    /// Begins with what earlier processes have left.
    func begin(_ session: any BackgroundSession) {
        Task { [self] in
            let keys = await session.underWay()
            queue.async { self.open(session, keys) }
        }
    }

    private func open(_ session: any BackgroundSession, _ keys: Set<String>) {
        self.session = session
        for key in keys.subtracting(endedEarly) { underWay[key] = Date() }
        endedEarly = []
        if Self.lock.withLock({ Self.isRefused }) { forget() }
        counts.removed += spool.removeOutcomes(before: Date(timeIntervalSinceNow: -Self.keepFor))
        uncertain = spool.keys(with: "body").subtracting(underWay.keys)
        queue.asyncAfter(deadline: .now() + grace) { self.giveUpUncertain() }
        let timer = DispatchSource.makeTimerSource(queue: queue)
        timer.schedule(deadline: .now(), repeating: Self.interval, leeway: .seconds(10))
        timer.setEventHandler { [weak self] in self?.ask() }
        timer.resume()
        self.timer = timer
    }

    /// Of what nothing was heard, nobody knows whether it was sent. The client sends it again.
    private func giveUpUncertain() {
        let lost = uncertain
        uncertain = []
        for key in lost {
            spool.remove(key)
            counts.removed += 1
            if let upload = waiting.removeValue(forKey: key) { take(upload) }
        }
    }

    /// Asks the client until it has nothing more.
    private func ask() {
        guard session != nil, Date() >= notBefore else { return }
        if isAsking {
            isToAskAgain = true
            return
        }
        isAsking = true
        asking.async { [self] in
            while let upload = Throughline.nextUpload(wait: 1) {
                // After a failure the client would give out the same again at once.
                let goesOn = queue.sync {
                    take(upload)
                    return Date() >= notBefore
                }
                if !goesOn { break }
            }
            queue.async { self.asked() }
        }
    }

    private func asked() {
        isAsking = false
        if isToAskAgain {
            isToAskAgain = false
            return ask()
        }
        if hasReportedAll && !completions.isEmpty {
            hasReportedAll = false
            complete()
        }
    }

    private func take(_ upload: PendingUpload) {
        let key = upload.key
        if let outcome = spool.outcome(of: key) {
            // When the client asks for the same key again, it is to be sent again.
            guard Throughline.uploadDone(upload, outcome.response) else { return }
            spool.remove(key)
            counts.settled += 1
            note(outcome.response)
            return
        }
        waiting[key] = upload
        let isLost = underWay[key].map { $0.timeIntervalSinceNow < -Self.lostAfter } ?? true
        if !isLost || uncertain.contains(key) { return }
        do {
            let file = try spool.keep(body: upload.request.body, of: key)
            try session?.start(upload.request, file: file, key: key)
            underWay[key] = Date()
            counts.started += 1
        } catch {
            // The disk may be full: the client would give out the same again at once.
            note(nil)
            end(key, nil)
        }
    }

    /// Notes how an upload has ended, for when the client is asked again.
    private func note(_ response: UploadResponse?) {
        if let response, (200..<300).contains(response.status) {
            (failures, notBefore) = (0, .distantPast)
            return
        }
        let wait = Self.backoff.first * pow(2, Double(min(failures, 10)))
        failures += 1
        notBefore = Date(timeIntervalSinceNow: min(wait, Self.backoff.most))
    }

    private func end(_ key: String, _ response: UploadResponse?) {
        if forgotten.remove(key) != nil { return }
        if session == nil { endedEarly.insert(key) }
        // Of something that nobody waits for it says nothing how the server is now.
        if underWay.removeValue(forKey: key) != nil { note(response) }
        uncertain.remove(key)
        if let response { spool.keep(BackgroundSpool.Outcome(response), of: key) } else { spool.remove(key) }
        if let upload = waiting.removeValue(forKey: key), Throughline.uploadDone(upload, response) {
            spool.remove(key)
            counts.settled += 1
        } else if response != nil {
            counts.kept += 1
        }
        queue.asyncAfter(deadline: .now() + Self.pause) { self.ask() }
    }

    /// What has become of uploads so far.
    func count() -> Counts { queue.sync { counts } }

    /// Whether the client waits for the outcome of an upload.
    func isAwaited(_ key: String) -> Bool { queue.sync { waiting[key] != nil } }

    /// Asks the client now.
    func askNow() { queue.async { self.ask() } }

    /// Makes these the app's uploads, or none.
    static func use(_ uploads: BackgroundUploads?) { lock.withLock { running = uploads } }

    /// Asks no more. What is under way goes on.
    func stop() { queue.sync { timer?.cancel() } }
}

extension BackgroundUploads: BackgroundSessionEvents {
    func ended(_ key: String, _ response: UploadResponse?) { queue.async { self.end(key, response) } }

    func reportedAll() {
        queue.async {
            self.hasReportedAll = true
            self.giveUpUncertain()
            self.ask()
        }
    }
}
