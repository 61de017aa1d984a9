import Foundation
internal import ThroughlineFFIGenerated

/// A request of Throughline's own: a POST.
public struct UploadRequest: Sendable {
    /// Absolute URL.
    public let url: String
    /// Headers, names in lower case.
    public let headers: [String: String]
    /// The body as it goes over the wire.
    public let body: Data
}

/// What came back.
public struct UploadResponse: Sendable {
    public var status: Int
    public var headers: [String: String]
    /// At most 64 KiB of the body.
    public var body: Data

    public init(status: Int, headers: [String: String] = [:], body: Data = Data()) {
        (self.status, self.headers, self.body) = (status, headers, body)
    }
}

/// A request that the host sends by itself: see ``Throughline/nextUpload(wait:)``.
public struct PendingUpload: Sendable {
    let id: UInt64
    public let request: UploadRequest
}

/// Sends Throughline's requests with the app's own network stack: its trust store, its proxies, its certificates.
///
/// Called on a thread of Throughline's that may wait. Must not follow redirects, must not retry, must end within 30 seconds. What
/// is thrown is a failed request, which is tried again later.
public protocol HostTransport: Sendable {
    func send(_ request: UploadRequest) throws -> UploadResponse
}

/// Starting, flushing or ending failed. Nothing else throws.
public enum ThroughlineError: Error, Equatable {
    /// A field of the configuration has a value that cannot work; nothing was started.
    case invalidConfiguration(String)
    /// The data directory or the database could not be used.
    case storage(String)
    /// The client is shut down, was never started, or runs already.
    case closed(String)
}

/// How a flush ended.
public struct FlushOutcome: Sendable, Equatable {
    /// Whether everything that had been recorded was delivered, or given up and booked.
    public let isComplete: Bool
    /// Events delivered meanwhile.
    public let delivered: UInt64
    /// Events that still wait.
    public let waiting: UInt64
    /// Why the rest was not delivered.
    public let reason: String?
}

/// The network, as the host sees it.
public enum NetworkKind: Sendable { case unknown, offline, unmetered, metered }

/// What the host knows about app and device.
public struct Conditions: Sendable, Equatable {
    public var foreground = true
    public var network = NetworkKind.unknown
    /// 0 to 100; `nil` when it is not known.
    public var batteryPercent: Int?
    public var charging = false
    public var lowPower = false

    public init() {}
}

/// A traced store's books: `mutations = recorded + suppressed + dropped`.
public struct StoreBooks: Sendable, Equatable {
    public let mutations: UInt64
    /// Mutations that actions stand for.
    public let recorded: UInt64
    public let actions: UInt64
    /// Mutations that were suppressed, by reason.
    public let suppressed: [String: UInt64]
    /// Mutations whose action was not kept.
    public let dropped: UInt64
    /// Recorded mutations whose cause was ambiguous.
    public let ambiguous: UInt64
}

/// What Throughline says about itself. For each backend, `accepted = delivered + queued + dropped`.
public struct Health: Sendable, Equatable {
    /// Whether calls record anything.
    public let isEnabled: Bool
    /// `starting`, `mapped`, `heap`, `lost`, or `off`.
    public let journal: String
    /// `off`, `starting`, `open`, `locked`, `full`, `suspended`, `closed`.
    public let storage: String
    /// Events accepted since the queue exists.
    public let accepted: UInt64
    /// Events in the queue.
    public let queued: UInt64
    /// Events dropped before they were queued, by reason.
    public let dropped: [String: UInt64]
    /// Events delivered, by backend.
    public let delivered: [String: UInt64]
    /// Why the last upload failed, if it did.
    public let lastError: String?
    /// The traced stores, by name.
    public let stores: [String: StoreBooks]
    /// Panics of the core that were caught.
    public let panics: UInt64
    /// Errors of the app's own code that were thrown into ours.
    public let failures: UInt64
    /// Calls after the shutdown.
    public let closedCalls: UInt64
    /// Calls before the start that fell out of the ring of 100.
    public let lostEarlyCalls: UInt64
    /// Calls that the core could not read: a bug of ours.
    public let malformedCalls: UInt64
    /// Calls that named a span or store which is not there any more.
    public let unknownCalls: UInt64
    /// What a developer should read.
    public let problems: [String]

    init(_ report: HealthReport) {
        func byName(_ counts: [NamedCount]) -> [String: UInt64] {
            Dictionary(counts.map { ($0.name, $0.count) }, uniquingKeysWith: +)
        }
        isEnabled = report.enabled
        journal = report.journal
        storage = report.storage
        accepted = report.accepted
        queued = report.queued
        dropped = byName(report.dropped)
        delivered = Dictionary(report.backends.map { ($0.name, $0.delivered) }, uniquingKeysWith: +)
        lastError = report.lastError
        stores = Dictionary(
            report.stores.map {
                ($0.name, StoreBooks(
                    mutations: $0.mutations, recorded: $0.recorded, actions: $0.actions,
                    suppressed: byName($0.suppressed), dropped: $0.dropped, ambiguous: $0.ambiguous))
            }, uniquingKeysWith: { $1 })
        panics = report.panics
        failures = Recorder.failures.value
        closedCalls = report.closedCalls + Recorder.refused.value
        lostEarlyCalls = Recorder.lostEarly.value
        malformedCalls = report.malformedCalls
        unknownCalls = report.unknownCalls
        problems = report.problems
    }
}

/// The host's transport, as the generated code wants it.
final class Hosted: ThroughlineFFIGenerated.HostTransport {
    private let host: any HostTransport

    init(_ host: any HostTransport) { self.host = host }

    func send(request: HttpRequest) throws -> HttpResponse {
        do { return try host.send(UploadRequest(request)).generated } catch {
            throw HostError.Failed(reason: "\(error)")
        }
    }
}

/// The host's authorization, as the generated code wants it.
final class Authorization: AuthHeaders {
    private let ask: @Sendable (Bool) throws -> [String: String]

    init(_ ask: @escaping @Sendable (Bool) throws -> [String: String]) { self.ask = ask }

    func headers(refresh: Bool) throws -> [HeaderField] {
        do { return try ask(refresh).fields } catch { throw HostError.Failed(reason: "\(error)") }
    }
}

extension UploadRequest {
    init(_ request: HttpRequest) {
        self.init(url: request.url, headers: request.headers.dictionary, body: request.body)
    }
}

extension UploadResponse {
    var generated: HttpResponse {
        HttpResponse(status: UInt16(clamping: status), headers: headers.fields, body: body.prefix(65_537))
    }
}
