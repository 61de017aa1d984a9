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
/// A request that nobody ends is recorded as cancelled when it is released.
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

    private static let maxPhases = 5

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
            $0.text(url, limit: Limit.urlBytes)
        }
        var traced = request
        let headers = TraceHeaders.of(url, slot: slot, existing: request.allHTTPHeaderFields ?? [:])
        for (name, value) in headers { traced.setValue(value, forHTTPHeaderField: name) }
        self.request = traced
    }

    deinit { end(status: 0, bytes: nil, errorType: "cancelled") }

    /// Says which protocol the request was sent over: `h2`, `http/1.1`. Call it before the request
    /// ends.
    public func measured(protocol name: String) { lock.withLock { protocolName = name } }

    /// Says when a part of the request's time began and ended. Call it before the request ends, at
    /// most five times. It does nothing when one of the dates is `nil`.
    public func measured(_ phase: Phase, from start: Date?, to end: Date?) {
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

    /// Ends the request: it was not answered.
    public func fail(_ error: any Error) {
        let isCancelled = error is CancellationError || (error as? URLError)?.code == .cancelled
        let code = (error as? URLError).map { "URLError.\($0.code.rawValue)" } ?? String(reflecting: type(of: error))
        end(status: 0, bytes: nil, errorType: isCancelled ? "cancelled" : code)
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
                $0.u8(phase.code)
                $0.u64(start)
                $0.u64(duration)
            }
            $0.attributes([:])
        }
    }
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
