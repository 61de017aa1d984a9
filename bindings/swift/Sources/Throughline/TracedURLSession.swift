import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// A `URLSession` whose requests are traced. Each becomes a resource with its status, size and
/// time, in the context that is current where it is made.
///
/// To hosts that ``Configuration/traceHosts`` lists it carries trace headers, which are written
/// before the task exists. Nothing is swizzled. On Apple's systems a request also has its protocol,
/// and what its time was spent on: DNS, connecting, TLS, the first byte and the rest.
///
/// ```swift
/// let session = TracedURLSession()
/// let (data, response) = try await session.data(for: request)
/// ```
public final class TracedURLSession: Sendable {
    /// The session, for what is not to be traced.
    public let session: URLSession
    private let check: RedirectCheck

    /// Makes a session. The delegate is asked as always, but a redirect to a host that may not
    /// receive trace headers loses them first.
    public init(
        configuration: URLSessionConfiguration = .default, delegate: (any URLSessionTaskDelegate)? = nil,
        delegateQueue: OperationQueue? = nil
    ) {
        check = RedirectCheck(delegate)
        session = URLSession(configuration: configuration, delegate: check, delegateQueue: delegateQueue)
    }

    deinit { session.finishTasksAndInvalidate() }

    /// Does what `URLSession.data(for:)` does.
    public func data(for request: URLRequest) async throws -> (Data, URLResponse) {
        let traced = TracedRequest(request)
        do {
            let (data, response) = try await session.data(for: traced.request, delegate: measuring(traced))
            traced.end(response, bytes: data.count)
            return (data, response)
        } catch {
            traced.fail(error)
            throw error
        }
    }

    /// Does what `URLSession.data(from:)` does.
    public func data(from url: URL) async throws -> (Data, URLResponse) { try await data(for: URLRequest(url: url)) }

    /// Does what `URLSession.upload(for:from:)` does.
    public func upload(for request: URLRequest, from body: Data) async throws -> (Data, URLResponse) {
        let traced = TracedRequest(request)
        do {
            let delegate = measuring(traced)
            let (data, response) = try await session.upload(for: traced.request, from: body, delegate: delegate)
            traced.end(response, bytes: data.count)
            return (data, response)
        } catch {
            traced.fail(error)
            throw error
        }
    }

    /// Does what `URLSession.dataTask(with:completionHandler:)` does. The handler runs in the
    /// context of the caller.
    public func dataTask(
        with request: URLRequest, completionHandler: @escaping @Sendable (Data?, URLResponse?, (any Error)?) -> Void
    ) -> URLSessionDataTask {
        let traced = TracedRequest(request)
        let context = TraceContext.current
        let task = session.dataTask(with: traced.request) { data, response, error in
            if let error { traced.fail(error) } else { traced.end(response, bytes: data?.count) }
            context.run { completionHandler(data, response, error) }
        }
        #if canImport(Darwin)
        task.delegate = measuring(traced)
        #endif
        return task
    }

    /// The delegate of one task, which receives what the system measures.
    private func measuring(_ traced: TracedRequest) -> (any URLSessionTaskDelegate)? {
        #if canImport(Darwin)
        return MeasuringDelegate(traced, check.inner)
        #else
        return nil
        #endif
    }
}

#if canImport(Darwin)
/// The delegate of one task. It hands what the system has measured to the request before that ends.
private final class MeasuringDelegate: RedirectCheck, @unchecked Sendable {
    private let traced: TracedRequest

    init(_ traced: TracedRequest, _ inner: (any URLSessionTaskDelegate)?) {
        self.traced = traced
        super.init(inner)
    }

    // Named by its selector, because for a class that inherits its protocol the compiler does not
    // look for one.
    @objc(URLSession:task:didFinishCollectingMetrics:)
    func urlSession(_ session: URLSession, task: URLSessionTask, didFinishCollecting metrics: URLSessionTaskMetrics) {
        traced.measured(metrics)
        inner?.urlSession?(session, task: task, didFinishCollecting: metrics)
    }
}
#endif

/// Removes trace headers from a request that is redirected to where they must not go, then asks the
/// app's delegate.
///
/// For sessions of the app's own: let your delegate inherit from this class, or call
/// ``safe(_:from:)``.
open class RedirectCheck: NSObject, URLSessionTaskDelegate, @unchecked Sendable {
    fileprivate let inner: (any URLSessionTaskDelegate)?

    /// A check before a delegate of the app's.
    public init(_ inner: (any URLSessionTaskDelegate)? = nil) { self.inner = inner }

    open func urlSession(
        _ session: URLSession, task: URLSessionTask, willPerformHTTPRedirection response: HTTPURLResponse,
        newRequest request: URLRequest, completionHandler: @escaping @Sendable (URLRequest?) -> Void
    ) {
        let safe = Self.safe(request, from: task.originalRequest)
        #if canImport(Darwin)
        let method: Void? = inner?.urlSession?(
            session, task: task, willPerformHTTPRedirection: response, newRequest: safe,
            completionHandler: completionHandler)
        if method == nil { completionHandler(safe) }
        #else
        guard let inner else { return completionHandler(safe) }
        inner.urlSession(
            session, task: task, willPerformHTTPRedirection: response, newRequest: safe,
            completionHandler: completionHandler)
        #endif
    }

    #if canImport(Darwin)
    // Everything else goes to the app's delegate.
    override public func responds(to selector: Selector!) -> Bool {
        super.responds(to: selector) || inner?.responds(to: selector) == true
    }

    override public func forwardingTarget(for selector: Selector!) -> Any? {
        inner?.responds(to: selector) == true ? inner : super.forwardingTarget(for: selector)
    }
    #endif

    /// The request that a redirect leads to, without trace headers unless its host may receive
    /// them.
    public static func safe(_ request: URLRequest, from original: URLRequest?) -> URLRequest {
        let from = original?.url?.absoluteString ?? ""
        let to = request.url?.absoluteString ?? ""
        if from == to || TraceHeaders.survive(from: from, to: to) { return request }
        var safe = request
        for name in TraceHeaders.names { safe.setValue(nil, forHTTPHeaderField: name) }
        return safe
    }
}
