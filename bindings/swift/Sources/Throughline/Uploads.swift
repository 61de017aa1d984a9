import Foundation
internal import ThroughlineFFIGenerated

/// A request of Throughline's own: a POST.
public struct UploadRequest: Sendable {
    /// The absolute URL.
    public let url: String
    /// The headers, with names in lower case.
    public let headers: [String: String]
    /// The body, as it is sent.
    public let body: Data

    init(url: String, headers: [String: String], body: Data) {
        (self.url, self.headers, self.body) = (url, headers, body)
    }

    init(_ request: HttpRequest) {
        self.init(url: request.url, headers: request.headers.dictionary, body: request.body)
    }
}

/// The answer to an ``UploadRequest``.
public struct UploadResponse: Sendable {
    /// The HTTP status.
    public var status: Int
    /// The headers. The case of their names does not matter.
    public var headers: [String: String]
    /// The body. Only its first 64 KiB are read.
    public var body: Data

    /// An answer.
    public init(status: Int, headers: [String: String] = [:], body: Data = Data()) {
        (self.status, self.headers, self.body) = (status, headers, body)
    }

    fileprivate var generated: HttpResponse {
        HttpResponse(
            status: UInt16(clamping: status), headers: headers.fields, body: body.prefix(Limit.responseBytes))
    }
}

/// A request that the app sends itself. ``Throughline/nextUpload(wait:)`` returns it.
public struct PendingUpload: Sendable {
    /// The number by which the core knows the request.
    fileprivate let id: UInt64
    /// What the request is known by across processes: 32 hexadecimal digits. A retry has the same
    /// key, also one that a later process makes. Another body, or another destination, has another
    /// one. An app whose uploads outlive its process gives a key that is under way no second
    /// upload, and the answer that has come to it.
    public let key: String
    /// The request to send.
    public let request: UploadRequest
}

/// Sends Throughline's requests with the app's own network stack: its trust store, its proxies, its
/// certificates.
///
/// `send` is called on a thread of Throughline's that may wait. It must not follow redirects, must
/// not retry, and must end within 30 seconds. A request for which it throws is tried again later.
public protocol HostTransport: Sendable {
    /// Sends one request, and returns the answer.
    func send(_ request: UploadRequest) throws -> UploadResponse
}

extension Throughline {
    /// The next request to send, when ``Configuration/pull`` is set. ``BackgroundUploads`` calls it
    /// for an app whose uploads go over a background `URLSession`.
    ///
    /// Give its outcome to ``uploadDone(_:_:)``.
    ///
    /// - Parameter wait: How long it waits at most until there is a request, in seconds.
    /// - Returns: `nil` when there is nothing to send, or when the client does not run.
    public static func nextUpload(wait: TimeInterval = 5) -> PendingUpload? {
        Running.shared.core?.nextUpload(wait: wait).map {
            PendingUpload(id: $0.id, key: $0.key, request: UploadRequest($0.request))
        }
    }

    /// Takes the outcome of a request: the response, or `nil` when there was no answer.
    ///
    /// - Returns: False when the request is not known, or not any more.
    @discardableResult
    public static func uploadDone(_ upload: PendingUpload, _ response: UploadResponse?) -> Bool {
        Running.shared.core?.uploadDone(id: upload.id, response: response?.generated) ?? false
    }
}

/// The app's transport, as the generated code calls it.
final class GeneratedTransport: ThroughlineFFIGenerated.HostTransport {
    private let host: any HostTransport

    init(_ host: any HostTransport) { self.host = host }

    func send(request: HttpRequest) throws -> HttpResponse {
        do { return try host.send(UploadRequest(request)).generated } catch {
            throw HostError.Failed(reason: "\(error)")
        }
    }
}

/// The app's authorization, as the generated code calls it.
final class GeneratedAuthHeaders: AuthHeaders {
    private let ask: @Sendable (String, Bool) throws -> [String: String]

    init(_ ask: @escaping @Sendable (String, Bool) throws -> [String: String]) { self.ask = ask }

    func headers(destination: String, refresh: Bool) throws -> [HeaderField] {
        do { return try ask(destination, refresh).fields } catch { throw HostError.Failed(reason: "\(error)") }
    }
}
