import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// A request with its trace headers, which is recorded when it ends. For network stacks of the
/// app's own.
///
/// ```swift
/// let traced = TracedRequest(request)
/// let (data, response) = try await send(traced.request)
/// traced.end(response, bytes: data.count)
/// ```
///
/// A request that nobody ends is recorded as cancelled when it is released. A request that is traced
/// while it runs already, because another layer of the app does so too, is recorded once.
public final class TracedRequest: @unchecked Sendable {
    /// What a part of a request's time is spent on.
    public enum Phase: Sendable {
        /// Looking up the host's address.
        case dns
        /// Connecting, ``tls`` included.
        case connect
        /// The TLS handshake.
        case tls
        /// From sending the request to the first byte of the answer.
        case firstByte
        /// From the first to the last byte of the answer.
        case download
    }

    /// The request to send.
    public let request: URLRequest
    private let slot: UInt64
    private let ended = Count()
    private let begun = Date()
    private let lock = NSLock()
    private var protocolName = ""
    private var phases: [(phase: Phase, start: UInt64, duration: UInt64)] = []

    /// The one that has traced the request before, and runs.
    private let outer: TracedRequest?
    /// By which others find this one.
    private var marks: [String] = []

    private static let maxPhases = 5
    private static let running = RunningRequests()

    /// Begins a request in the current context.
    public init(_ request: URLRequest) {
        outer = Self.running.find(request)
        if outer != nil {
            (self.request, slot) = (request, 0)
            ended.value = 1
            return
        }
        let url = request.url?.absoluteString ?? ""
        let slot = Recorder.nextSlot()
        self.slot = slot
        guard !Recorder.isClosed else {
            self.request = request
            ended.value = 1
            return
        }
        let isOpen = Recorder.isOpen
        let answer = Recorder.record(.startRequest) {
            $0.u64(slot)
            $0.text(request.httpMethod ?? "GET")
            $0.text(url, limit: Limit.urlBytes)
        }
        // Not a request of the app's: the client is off, or this is an upload of Throughline's.
        if isOpen, answer == Answer.notKept {
            self.request = request
            ended.value = 1
            return
        }
        var traced = request
        let headers = TraceHeaders.of(url, slot: slot, existing: request.allHTTPHeaderFields ?? [:])
        for (name, value) in headers { traced.setValue(value, forHTTPHeaderField: name) }
        self.request = RunningRequests.marked(traced, slot)
        // Without headers of the app's own, which several of its requests may have.
        let added = Dictionary(headers.map { ($0.key.lowercased(), $0.value) }, uniquingKeysWith: { $1 })
        marks = RunningRequests.marks(of: self.request) { added[$0] }
        Self.running.add(self, marks)
    }

    deinit { end(status: 0, bytes: nil, errorType: "cancelled") }

    /// Says which protocol the request was sent over: `h2`, `http/1.1`. Call it before the request
    /// ends.
    public func measured(protocol name: String) {
        if let outer { return outer.measured(protocol: name) }
        lock.withLock { protocolName = name }
    }

    /// Says when a part of the request's time began and ended. Call it before the request ends, at
    /// most five times. It does nothing when one of the dates is `nil`.
    public func measured(_ phase: Phase, from start: Date?, to end: Date?) {
        if let outer { return outer.measured(phase, from: start, to: end) }
        guard let start, let end else { return }
        let nanoseconds = { (seconds: TimeInterval) in UInt64(max(0, min(seconds, 86_400)) * 1e9) }
        let (after, duration) = (nanoseconds(start.timeIntervalSince(begun)), nanoseconds(end.timeIntervalSince(start)))
        lock.withLock { if phases.count < Self.maxPhases { phases.append((phase, after, duration)) } }
    }

    /// Ends the request: it was answered. `bytes` are those of the answer's body, `nil` when
    /// unknown.
    public func end(_ response: URLResponse?, bytes: Int?) {
        end(status: (response as? HTTPURLResponse)?.statusCode ?? 0, bytes: bytes, errorType: "")
    }

    /// Ends the request: it was not answered. What was cancelled is recorded as `cancelled`, and
    /// what took too long as `timeout`.
    public func fail(_ error: any Error) {
        let kind = error.isCancellation ? "cancelled" : error.isTimeout ? "timeout" : error.kindName
        end(status: 0, bytes: nil, errorType: kind)
    }

    private func end(status: Int, bytes: Int?, errorType: String) {
        if ended.add(1) > 0 { return }
        Self.running.remove(marks)
        let (protocolName, phases) = lock.withLock { (self.protocolName, self.phases) }
        Recorder.record(.endRequest, context: 0) {
            $0.u64(slot)
            $0.u16(UInt16(clamping: status))
            $0.i64(Int64(bytes ?? -1))
            $0.text(protocolName)
            $0.text(errorType)
            $0.u8(UInt8(phases.count))
            for (phase, start, duration) in phases {
                $0.u8(phase.code)
                $0.u64(start)
                $0.u64(duration)
            }
            $0.attributes([:])
        }
    }
}

/// The requests that run, by what marks them: a request that two layers of an app trace is one
/// request.
///
/// A mark is a trace header that names the request's own span, or a property of the request, which
/// is for hosts that get no headers. FoundationNetworking on Linux keeps no properties.
private final class RunningRequests: @unchecked Sendable {
    private static let property = "dev.throughline.request"
    private static let headers = ["traceparent", "b3", "x-b3-spanid", "x-datadog-parent-id"]
    private let lock = NSLock()
    private var all: [String: Weak] = [:]

    private struct Weak {
        weak var request: TracedRequest?
    }

    static func marked(_ request: URLRequest, _ slot: UInt64) -> URLRequest {
        guard let copy = (request as NSURLRequest).mutableCopy() as? NSMutableURLRequest else { return request }
        URLProtocol.setProperty(NSNumber(value: slot), forKey: property, in: copy)
        return copy as URLRequest
    }

    static func marks(of request: URLRequest, header: (String) -> String?) -> [String] {
        let slot = URLProtocol.property(forKey: property, in: request) as? NSNumber
        let headers = headers.compactMap { name in header(name).map { "\(name) \($0)" } }
        return headers + (slot.map { ["\(property) \($0)"] } ?? [])
    }

    func find(_ request: URLRequest) -> TracedRequest? {
        let marks = Self.marks(of: request) { request.value(forHTTPHeaderField: $0) }
        if marks.isEmpty { return nil }
        // All of them are held until the lock is free: the end of a request takes it.
        let found = lock.withLock { marks.compactMap { all[$0]?.request } }
        return found.first
    }

    func add(_ request: TracedRequest, _ marks: [String]) {
        lock.withLock { for mark in marks { all[mark] = Weak(request: request) } }
    }

    func remove(_ marks: [String]) { lock.withLock { for mark in marks { all[mark] = nil } } }
}

/// What the system measures of a request, by the names of `URLSessionTaskTransactionMetrics`, which
/// only Apple's systems have.
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
    func measured(_ metrics: some TransactionMetrics) {
        measured(protocol: metrics.networkProtocolName ?? "")
        measured(.dns, from: metrics.domainLookupStartDate, to: metrics.domainLookupEndDate)
        measured(.connect, from: metrics.connectStartDate, to: metrics.connectEndDate)
        measured(.tls, from: metrics.secureConnectionStartDate, to: metrics.secureConnectionEndDate)
        measured(.firstByte, from: metrics.requestStartDate, to: metrics.responseStartDate)
        measured(.download, from: metrics.responseStartDate, to: metrics.responseEndDate)
    }
}

#if canImport(Darwin)
extension URLSessionTaskTransactionMetrics: TransactionMetrics {}

extension TracedRequest {
    /// Takes what the system has measured: the protocol, and what the time was spent on. Of several
    /// redirects the last counts. Call it before the request ends.
    public func measured(_ metrics: URLSessionTaskMetrics) {
        if let last = metrics.transactionMetrics.last { measured(last) }
    }
}
#endif
