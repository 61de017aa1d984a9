import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// Sends Throughline's requests over `URLSession`, with the system's trust store and proxies.
///
/// ```swift
/// configuration.transport = URLSessionTransport()
/// ```
public final class URLSessionTransport: HostTransport {
    private let session: URLSession
    private let answers = Answers()

    /// A transport with a session of its own. It follows no redirect, stores and sends no cookies,
    /// has no cache, reads 64 KiB of an answer, and gives up after 30 seconds. The configuration is
    /// copied, and does not change.
    public init(configuration: URLSessionConfiguration = .ephemeral) {
        let own = configuration.copy() as? URLSessionConfiguration ?? .ephemeral
        own.timeoutIntervalForRequest = 30
        own.timeoutIntervalForResource = 30
        // The storages belong to the app, which may share them among its sessions.
        own.httpShouldSetCookies = false
        own.httpCookieAcceptPolicy = .never
        own.httpCookieStorage = nil
        own.urlCache = nil
        session = URLSession(configuration: own, delegate: answers, delegateQueue: nil)
    }

    deinit { session.invalidateAndCancel() }

    public func send(_ request: UploadRequest) throws -> UploadResponse {
        guard let url = URL(string: request.url) else { throw URLError(.badURL) }
        var post = URLRequest(url: url)
        post.httpMethod = "POST"
        post.httpBody = request.body
        for (name, value) in request.headers { post.setValue(value, forHTTPHeaderField: name) }
        let task = session.dataTask(with: post)
        let answer = answers.expect(task)
        defer { answers.forget(task) }
        task.resume()
        guard answer.wait(seconds: 30) else {
            task.cancel()
            throw URLError(.timedOut)
        }
        return try answer.response()
    }

    /// What the answers to the tasks are so far. A session has one delegate for all of its tasks.
    private final class Answers: NSObject, URLSessionDataDelegate, @unchecked Sendable {
        private let lock = NSLock()
        private var all: [Int: Answer] = [:]

        func expect(_ task: URLSessionTask) -> Answer {
            let answer = Answer()
            lock.withLock { all[task.taskIdentifier] = answer }
            return answer
        }

        func forget(_ task: URLSessionTask) { lock.withLock { all[task.taskIdentifier] = nil } }

        private func answer(_ task: URLSessionTask) -> Answer? { lock.withLock { all[task.taskIdentifier] } }

        // A redirect is an answer.
        func urlSession(
            _ session: URLSession, task: URLSessionTask, willPerformHTTPRedirection response: HTTPURLResponse,
            newRequest request: URLRequest, completionHandler: @escaping @Sendable (URLRequest?) -> Void
        ) { completionHandler(nil) }

        func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
            guard let answer = answer(dataTask), answer.add(data) else { return }
            // The rest of a long answer is not wanted.
            answer.end(dataTask.response, nil)
            dataTask.cancel()
        }

        func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
            answer(task)?.end(task.response, error)
        }
    }

    /// What the sending thread waits for. It ends once, before the signal, and is read after it.
    private final class Answer: @unchecked Sendable {
        private let signal = DispatchSemaphore(value: 0)
        private let lock = NSLock()
        private var body = Data()
        private var outcome: (response: HTTPURLResponse?, error: (any Error)?)?

        /// Adds a part of the body. True when there is as much as is read.
        func add(_ data: Data) -> Bool {
            lock.withLock {
                body.append(data.prefix(Limit.responseBytes - body.count))
                return body.count >= Limit.responseBytes
            }
        }

        func end(_ response: URLResponse?, _ error: (any Error)?) {
            let isFirst = lock.withLock {
                defer { outcome = outcome ?? (response as? HTTPURLResponse, error) }
                return outcome == nil
            }
            if isFirst { signal.signal() }
        }

        func wait(seconds: TimeInterval) -> Bool { signal.wait(timeout: .now() + seconds) == .success }

        func response() throws -> UploadResponse {
            let (outcome, body) = lock.withLock { (self.outcome, self.body) }
            if let error = outcome?.error { throw error }
            guard let response = outcome?.response else { throw URLError(.badServerResponse) }
            var headers: [String: String] = [:]
            for (name, value) in response.allHeaderFields { headers["\(name)".lowercased()] = "\(value)" }
            return UploadResponse(status: response.statusCode, headers: headers, body: body)
        }
    }
}
