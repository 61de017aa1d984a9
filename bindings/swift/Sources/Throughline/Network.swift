import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// A `URLSession` whose requests are traced: each becomes a resource with its status, size and time, in the context that is
/// current where it is made; to hosts that the configuration lists it carries trace headers, which are written before the task
/// exists. No host is listed by default. Nothing is swizzled. On Apple's systems a request also says its protocol, and what its
/// time went into: DNS, connecting, TLS, the first byte and the rest.
///
/// ```swift
/// let session = TracedURLSession()
/// let (data, response) = try await session.data(for: request)
/// ```
public final class TracedURLSession: Sendable {
    /// The session, for what is not to be traced.
    public let session: URLSession
    private let check: RedirectCheck

    /// Makes a session. The delegate is asked as before; redirects to hosts that are not listed lose our headers first.
    public init(
        configuration: URLSessionConfiguration = .default, delegate: (any URLSessionTaskDelegate)? = nil,
        delegateQueue: OperationQueue? = nil
    ) {
        check = RedirectCheck(delegate)
        session = URLSession(configuration: configuration, delegate: check, delegateQueue: delegateQueue)
    }

    deinit { session.finishTasksAndInvalidate() }

    /// As `URLSession.data(for:)`.
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

    /// As `URLSession.data(from:)`.
    public func data(from url: URL) async throws -> (Data, URLResponse) { try await data(for: URLRequest(url: url)) }

    /// As `URLSession.upload(for:from:)`.
    public func upload(for request: URLRequest, from body: Data) async throws -> (Data, URLResponse) {
        let traced = TracedRequest(request)
        do {
            let (data, response) = try await session.upload(for: traced.request, from: body, delegate: measuring(traced))
            traced.end(response, bytes: data.count)
            return (data, response)
        } catch {
            traced.fail(error)
            throw error
        }
    }

    /// As `URLSession.dataTask(with:completionHandler:)`. The handler runs in the context of the caller.
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

    /// Who sees what the system measures of a request.
    private func measuring(_ traced: TracedRequest) -> (any URLSessionTaskDelegate)? {
        #if canImport(Darwin)
        return Measured(traced, check.inner)
        #else
        return nil
        #endif
    }
}

#if canImport(Darwin)
/// The delegate of one task: keeps what the system measured for when it ends.
private final class Measured: RedirectCheck, @unchecked Sendable {
    private let traced: TracedRequest

    init(_ traced: TracedRequest, _ inner: (any URLSessionTaskDelegate)?) {
        self.traced = traced
        super.init(inner)
    }

    // By its selector: of a class that inherits its protocol the compiler does not look for one.
    @objc(URLSession:task:didFinishCollectingMetrics:)
    func urlSession(_ session: URLSession, task: URLSessionTask, didFinishCollecting metrics: URLSessionTaskMetrics) {
        traced.see(metrics)
        inner?.urlSession?(session, task: task, didFinishCollecting: metrics)
    }
}

extension URLSessionTaskTransactionMetrics: TransactionMetrics {}

extension TracedRequest {
    /// What the system measured: the protocol, and what the time went into. Of several hops the last counts. Before it ends.
    public func see(_ metrics: URLSessionTaskMetrics) {
        if let last = metrics.transactionMetrics.last { see(last) }
    }
}
#endif

/// What the system says of a request, by the names of `URLSessionTaskTransactionMetrics`, which only Apple's systems have.
protocol TransactionMetrics {
    var networkProtocolName: String? { get }
    var domainLookupStartDate: Date? { get }
    var domainLookupEndDate: Date? { get }
    var connectStartDate: Date? { get }
    var connectEndDate: Date? { get }
    var secureConnectionStartDate: Date? { get }
    var secureConnectionEndDate: Date? { get }
    var requestStartDate: Date? { get }
    var responseStartDate: Date? { get }
    var responseEndDate: Date? { get }
}

extension TracedRequest {
    func see(_ metrics: some TransactionMetrics) {
        see(protocol: metrics.networkProtocolName ?? "")
        see(.dns, from: metrics.domainLookupStartDate, to: metrics.domainLookupEndDate)
        see(.connect, from: metrics.connectStartDate, to: metrics.connectEndDate)
        see(.tls, from: metrics.secureConnectionStartDate, to: metrics.secureConnectionEndDate)
        see(.firstByte, from: metrics.requestStartDate, to: metrics.responseStartDate)
        see(.download, from: metrics.responseStartDate, to: metrics.responseEndDate)
    }
}

/// A request with its headers, which is recorded once it ends. For network stacks of the app's own.
public final class TracedRequest: @unchecked Sendable {
    /// The request to send.
    public let request: URLRequest
    private let slot: UInt64
    private let ended = Count()
    private let begun = Date()
    private let lock = NSLock()
    private var protocolName = ""
    private var phases: [(phase: Phase, start: UInt64, duration: UInt64)] = []

    /// Begins a request in the current context.
    public init(_ request: URLRequest) {
        let url = request.url?.absoluteString ?? ""
        let slot = Recorder.nextSlot()
        self.slot = slot
        guard !Recorder.isClosed else {
            self.request = request
            ended.value = 1
            return
        }
        Recorder.record(.startRequest) {
            $0.u64(slot)
            $0.text(request.httpMethod ?? "GET")
            $0.text(url, limit: Draft.urlBytes)
        }
        var traced = request
        let headers = Throughline.traceHeaders(url, slot: slot, existing: request.allHTTPHeaderFields ?? [:])
        for (name, value) in headers { traced.setValue(value, forHTTPHeaderField: name) }
        self.request = traced
    }

    /// It is given up when nobody ends it.
    deinit { end(status: 0, bytes: nil, errorType: "cancelled") }

    /// It was answered.
    public func end(_ response: URLResponse?, bytes: Int?) {
        end(status: (response as? HTTPURLResponse)?.statusCode ?? 0, bytes: bytes, errorType: "")
    }

    /// It was not answered.
    public func fail(_ error: any Error) {
        let isCancelled = error is CancellationError || (error as? URLError)?.code == .cancelled
        let code = (error as? URLError).map { "URLError.\($0.code.rawValue)" } ?? String(reflecting: type(of: error))
        end(status: 0, bytes: nil, errorType: isCancelled ? "cancelled" : code)
    }

    /// Which protocol it went over: `h2`, `http/1.1`. Before it ends.
    public func see(protocol name: String) { lock.withLock { protocolName = name } }

    /// What a part of a request's time goes into.
    public enum Phase: UInt8, Sendable {
        /// Looking up the host's address.
        case dns = 1
        /// Connecting, with ``tls``.
        case connect
        /// The TLS handshake.
        case tls
        /// From sending the request to the first byte of the answer.
        case firstByte
        /// From the first to the last byte of the answer.
        case download
    }

    /// When a part of its time was: at most five. Nothing when one of the dates is not known. Before it ends.
    public func see(_ phase: Phase, from start: Date?, to end: Date?) {
        guard let start, let end else { return }
        let nanoseconds = { (seconds: TimeInterval) in UInt64(max(0, min(seconds, 86_400)) * 1e9) }
        let (after, duration) = (nanoseconds(start.timeIntervalSince(begun)), nanoseconds(end.timeIntervalSince(start)))
        lock.withLock { if phases.count < 5 { phases.append((phase, after, duration)) } }
    }

    private func end(status: Int, bytes: Int?, errorType: String) {
        if ended.add(1) > 0 { return }
        let (protocolName, phases) = lock.withLock { (self.protocolName, self.phases) }
        Recorder.record(.endRequest, context: 0) {
            $0.u64(slot)
            $0.u16(UInt16(clamping: status))
            $0.i64(Int64(bytes ?? -1))
            $0.text(protocolName)
            $0.text(errorType)
            $0.u8(UInt8(phases.count))
            for (phase, start, duration) in phases {
                $0.u8(phase.rawValue)
                $0.u64(start)
                $0.u64(duration)
            }
            $0.attributes([:])
        }
    }
}

/// Takes our headers off a request that is redirected to where they must not go, then asks the app's delegate.
///
/// For sessions of the app's own: let your delegate inherit from it, or call ``safe(_:from:)``.
open class RedirectCheck: NSObject, URLSessionTaskDelegate, @unchecked Sendable {
    fileprivate let inner: (any URLSessionTaskDelegate)?

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
    // What is not for us goes to the app's delegate.
    override public func responds(to selector: Selector!) -> Bool {
        super.responds(to: selector) || inner?.responds(to: selector) == true
    }

    override public func forwardingTarget(for selector: Selector!) -> Any? {
        inner?.responds(to: selector) == true ? inner : super.forwardingTarget(for: selector)
    }
    #endif

    /// The request without trace headers, unless they may go to its host.
    public static func safe(_ request: URLRequest, from original: URLRequest?) -> URLRequest {
        let from = original?.url?.absoluteString ?? ""
        let to = request.url?.absoluteString ?? ""
        if from == to || Throughline.survivesRedirect(from: from, to: to) { return request }
        var safe = request
        for name in propagationHeaders { safe.setValue(nil, forHTTPHeaderField: name) }
        return safe
    }
}

/// Names of every header that Throughline may add to a request.
let propagationHeaders = [
    "traceparent", "tracestate", "baggage", "x-datadog-trace-id", "x-datadog-parent-id", "x-datadog-sampling-priority",
    "x-datadog-origin", "x-datadog-tags", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled",
    "x-b3-flags", "x-correlation-id",
]

/// Sends Throughline's requests over `URLSession`: the system's trust store and proxies.
public final class URLSessionTransport: HostTransport {
    private let session: URLSession

    /// A transport with a session of its own, which follows no redirect.
    public init(configuration: URLSessionConfiguration = .ephemeral) {
        configuration.timeoutIntervalForRequest = 30
        configuration.timeoutIntervalForResource = 30
        configuration.httpShouldSetCookies = false
        session = URLSession(configuration: configuration, delegate: NoRedirect(), delegateQueue: nil)
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
            answer.give(data, response as? HTTPURLResponse, error)
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

    /// What a thread waits for. Given once, before the signal; read after it.
    private final class Answer: @unchecked Sendable {
        private let signal = DispatchSemaphore(value: 0)
        private var given: (Data?, HTTPURLResponse?, (any Error)?) = (nil, nil, nil)

        func give(_ data: Data?, _ response: HTTPURLResponse?, _ error: (any Error)?) {
            given = (data, response, error)
            signal.signal()
        }

        func wait(seconds: TimeInterval) -> Bool { signal.wait(timeout: .now() + seconds) == .success }

        func response() throws -> UploadResponse {
            if let error = given.2 { throw error }
            guard let response = given.1 else { throw URLError(.badServerResponse) }
            var headers: [String: String] = [:]
            for (name, value) in response.allHeaderFields { headers["\(name)".lowercased()] = "\(value)" }
            return UploadResponse(status: response.statusCode, headers: headers, body: given.0?.prefix(65_537) ?? Data())
        }
    }
}
