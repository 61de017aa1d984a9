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

    /// A transport with a session of its own. It follows no redirect, stores and sends no cookies,
    /// has no cache, and gives up after 30 seconds. The configuration is copied, and does not
    /// change.
    public init(configuration: URLSessionConfiguration = .ephemeral) {
        let own = configuration.copy() as? URLSessionConfiguration ?? .ephemeral
        own.timeoutIntervalForRequest = 30
        own.timeoutIntervalForResource = 30
        // The storages belong to the app, which may share them among its sessions.
        own.httpShouldSetCookies = false
        own.httpCookieAcceptPolicy = .never
        own.httpCookieStorage = nil
        own.urlCache = nil
        session = URLSession(configuration: own, delegate: NoRedirect(), delegateQueue: nil)
    }

    deinit { session.invalidateAndCancel() }

    public func send(_ request: UploadRequest) throws -> UploadResponse {
        guard let url = URL(string: request.url) else { throw URLError(.badURL) }
        var post = URLRequest(url: url)
        post.httpMethod = "POST"
        post.httpBody = request.body
        for (name, value) in request.headers { post.setValue(value, forHTTPHeaderField: name) }
        let answer = Answer()
        let task = session.dataTask(with: post) { data, response, error in
            answer.set(data, response as? HTTPURLResponse, error)
        }
        task.resume()
        guard answer.wait(seconds: 30) else {
            task.cancel()
            throw URLError(.timedOut)
        }
        return try answer.response()
    }

    private final class NoRedirect: NSObject, URLSessionTaskDelegate {
        func urlSession(
            _ session: URLSession, task: URLSessionTask, willPerformHTTPRedirection response: HTTPURLResponse,
            newRequest request: URLRequest, completionHandler: @escaping @Sendable (URLRequest?) -> Void
        ) { completionHandler(nil) }
    }

    /// What the sending thread waits for. It is set once, before the signal, and read after it.
    private final class Answer: @unchecked Sendable {
        private let signal = DispatchSemaphore(value: 0)
        private var outcome: (Data?, HTTPURLResponse?, (any Error)?) = (nil, nil, nil)

        func set(_ data: Data?, _ response: HTTPURLResponse?, _ error: (any Error)?) {
            outcome = (data, response, error)
            signal.signal()
        }

        func wait(seconds: TimeInterval) -> Bool { signal.wait(timeout: .now() + seconds) == .success }

        func response() throws -> UploadResponse {
            let (data, response, error) = outcome
            if let error { throw error }
            guard let response else { throw URLError(.badServerResponse) }
            var headers: [String: String] = [:]
            for (name, value) in response.allHeaderFields { headers["\(name)".lowercased()] = "\(value)" }
            let body = data?.prefix(Limit.responseBytes) ?? Data()
            return UploadResponse(status: response.statusCode, headers: headers, body: body)
        }
    }
}
