import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// What sends files for the app, also while the app does not run.
protocol BackgroundSession: AnyObject, Sendable {
    /// Starts to send a file. `key` is what the upload is called when it has ended, which may be in
    /// another process.
    func start(_ request: UploadRequest, file: URL, key: String) throws

    /// The keys of the uploads that are under way, those of earlier processes included.
    func underWay() async -> Set<String>

    /// Ends everything that is under way, without an answer.
    func cancelAll()
}

/// Hears how the uploads of a ``BackgroundSession`` end, on any thread.
protocol BackgroundSessionEvents: AnyObject, Sendable {
    /// An upload has ended; `nil`: without an answer.
    func ended(_ key: String, _ response: UploadResponse?)

    /// What has ended while the app did not run has been reported.
    func reportedAll()
}

/// Uploads over a `URLSession`. With a background configuration they go on while the app is
/// suspended, and after its end.
final class URLSessionUploads: NSObject, BackgroundSession, @unchecked Sendable {
    private let lock = NSLock()
    /// The bodies of the answers so far, by tasks.
    private var bodies: [Int: Data] = [:]
    /// Tasks of whose answers enough was read.
    private var full: Set<Int> = []
    private var session: URLSession?
    private weak var events: (any BackgroundSessionEvents)?

    /// Opens the session. What has ended meanwhile is reported from then on.
    init(_ configuration: URLSessionConfiguration, events: any BackgroundSessionEvents) {
        self.events = events
        super.init()
        let queue = OperationQueue()
        queue.maxConcurrentOperationCount = 1
        session = URLSession(configuration: configuration, delegate: self, delegateQueue: queue)
    }

    func start(_ request: UploadRequest, file: URL, key: String) throws {
        guard let url = URL(string: request.url), let session else { throw URLError(.badURL) }
        var post = URLRequest(url: url)
        post.httpMethod = "POST"
        for (name, value) in request.headers { post.setValue(value, forHTTPHeaderField: name) }
        let task = session.uploadTask(with: post, fromFile: file)
        task.taskDescription = key
        task.resume()
    }

    func underWay() async -> Set<String> {
        guard let session else { return [] }
        return await withCheckedContinuation { answer in
            session.getAllTasks { tasks in answer.resume(returning: Set(tasks.compactMap(\.taskDescription))) }
        }
    }

    func cancelAll() { session?.getAllTasks { tasks in tasks.forEach { $0.cancel() } } }

    private func end(_ task: URLSessionTask, _ error: (any Error)?) {
        let (body, isFull) = lock.withLock {
            (bodies.removeValue(forKey: task.taskIdentifier) ?? Data(), full.remove(task.taskIdentifier) != nil)
        }
        guard let key = task.taskDescription else { return }
        guard error == nil || isFull, let response = task.response as? HTTPURLResponse else { return report(key, nil) }
        var headers: [String: String] = [:]
        for (name, value) in response.allHeaderFields { headers["\(name)".lowercased()] = "\(value)" }
        report(key, UploadResponse(status: response.statusCode, headers: headers, body: body))
    }

    private func report(_ key: String, _ response: UploadResponse?) { events?.ended(key, response) }
}

extension URLSessionUploads: URLSessionDataDelegate {
    // A redirect is an answer. A background session follows it without asking.
    func urlSession(
        _ session: URLSession, task: URLSessionTask, willPerformHTTPRedirection response: HTTPURLResponse,
        newRequest request: URLRequest, completionHandler: @escaping @Sendable (URLRequest?) -> Void
    ) { completionHandler(nil) }

    func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
        let isFull = lock.withLock {
            var body = bodies[dataTask.taskIdentifier] ?? Data()
            body.append(data.prefix(Limit.responseBytes - body.count))
            bodies[dataTask.taskIdentifier] = body
            return body.count == Limit.responseBytes && full.insert(dataTask.taskIdentifier).inserted
        }
        // An answer without an end would hold the destination for as long as an upload may take.
        if isFull { dataTask.cancel() }
    }

    func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
        end(task, error)
    }

    #if canImport(Darwin)
    func urlSessionDidFinishEvents(forBackgroundURLSession session: URLSession) { events?.reportedAll() }
    #endif
}
