import Foundation
internal import ThroughlineFFIGenerated

/// What the user has said about data being collected.
public enum Consent: Sendable {
    /// Recorded and sent.
    case granted
    /// Recorded and kept apart on the device until the user has decided.
    case pending
    /// Nothing is recorded, and everything that was is erased.
    case denied
}

/// Where the app runs.
public enum Environment: Sendable { case development, test, staging, production }

/// What goes over a metered network.
public enum MeteredUploads: Sendable {
    /// Everything.
    case all
    /// Crashes, errors and events; logs, metrics and spans wait.
    case noBulk
    /// Crashes alone.
    case crashesOnly
}

/// A trace header format.
public enum TraceFormat: Sendable { case traceContext, baggage, datadog, b3, b3Multi, correlation }

/// A backend that takes OTLP over HTTP; `/v1/logs` and the like are appended to its URL.
public struct Endpoint: Sendable {
    public var url: String
    /// A name of its own, for the books. Default: `default`.
    public var name = "default"
    /// Headers of every request.
    public var headers: [String: String] = [:]
    /// JSON instead of protobuf.
    public var json = false
    /// Sums and histograms as deltas instead of cumulative.
    public var delta = false

    public init(_ url: String, name: String = "default", headers: [String: String] = [:], json: Bool = false) {
        (self.url, self.name, self.headers, self.json) = (url, name, headers, json)
    }
}

/// A host and its sub-domains that may see trace headers.
public struct TraceHost: Sendable {
    /// The host alone, without scheme and port.
    public var host: String
    public var formats: [TraceFormat] = [.traceContext, .baggage]
    /// True: headers also go with traces that are not sampled.
    public var injectAll = false
    /// Baggage keys that may go besides `session.id`.
    public var baggageKeys: [String] = []

    public init(_ host: String, formats: [TraceFormat] = [.traceContext, .baggage]) {
        (self.host, self.formats) = (host, formats)
    }
}

/// What must not leave the device. Secrets are known by their keys, personal data in free text by its form.
public struct RedactionRules: Sendable {
    /// Further secret keys: `salary`, `home address`.
    public var denyKeys: [String] = []
    /// Keys that are not secret whatever the list says.
    public var allowKeys: [String] = []
    public var emails = true
    public var cards = true
    public var tokens = true
    /// Also searches the texts of attributes.
    public var searchAttributes = false
    /// Keeps queries of URLs; secret parameters lose their values all the same.
    public var keepQueries = false

    public init() {}
}

/// When a session that is not sampled is sent after all.
public struct KeepErrors: Sendable {
    /// How far back, minutes, 1 to 60.
    public var minutes = 5
    /// Bytes that are kept, 64 KiB to 8 MiB.
    public var bytes = 2 * 1_024 * 1_024
    /// Every session, also sampled ones.
    public var allSessions = false
    /// A handled error is reason enough.
    public var onError = true
    /// An operation that takes this long is reason enough, seconds. 0: none is.
    public var slowOperation: TimeInterval = 0

    public init() {}
}

/// The configuration of ``Throughline/start(_:consent:)``. Values that cannot work make it throw.
public struct Configuration: Sendable {
    /// `service.name`.
    public var serviceName: String
    /// A directory of ours alone. Default: `Throughline` in Application Support; it is excluded from backups.
    public var directory: URL?
    /// `service.version`. Default: the bundle's.
    public var serviceVersion = Bundle.main.infoDictionary?["CFBundleShortVersionString"] as? String ?? ""
    /// A random id for `app.installation.id`, kept in the directory alone: a new one after an erasure.
    public var installationId = true
    /// What tells this device from others: `UIDevice.current.identifierForVendor?.uuidString`. Never sent; a hash of it is kept,
    /// so that a restored or cloned backup is noticed and gets an installation and a session of its own.
    public var deviceTag: String?
    /// Where the app runs. Sets the defaults of ``traceSampleRate`` and ``flushInterval``.
    public var environment = Environment.production
    public var endpoints: [Endpoint] = []
    /// Hosts that may see trace headers. Default: none.
    public var traceHosts: [TraceHost] = []
    /// Further attributes of the resource. The system and the device are there already.
    public var resource: [String: String] = [:]
    /// False: no thread, no file, a call costs a branch.
    public var enabled = true
    /// Share of sessions that is recorded, 0.0 to 1.0. Errors and crashes always are.
    public var sessionSampleRate = 1.0
    /// Share of traces that is recorded. Default: 1.0 in development and test, else 0.1.
    public var traceSampleRate: Double?
    /// How long an event may wait for company, seconds. Default: 2 in development and test, else 30.
    public var flushInterval: TimeInterval?
    /// Events that are sent without waiting. Default: 100.
    public var flushEvents: Int?
    public var metered = MeteredUploads.all
    /// Compressed bytes a day, crashes excepted. Default: no cap.
    public var dailyBytes: Int?
    /// Bytes of the queue, 1 MiB to 4 GiB. Default: 64 MiB.
    public var queueBytes: Int?
    /// Age at which an event is dropped and counted, seconds. Default: 7 days.
    public var maxAge: TimeInterval?
    /// Spreads the first upload after a start over 10 s.
    public var startJitter = true
    /// Records the core's own condition as events.
    public var selfReport = true
    public var redaction = RedactionRules()
    /// Keeps sessions that are not sampled on the device, and sends them if something happens. Default: no.
    public var keepErrors: KeepErrors?
    /// Requests are handed out by ``Throughline/nextUpload(wait:)`` instead of being sent.
    public var pull = false
    /// Writes what the core does to standard error.
    public var debug = false
    /// Sends requests instead of the built-in client: see ``URLSessionTransport``.
    public var transport: (any HostTransport)?
    /// Gives headers that authorize uploads; asked again after a 401. Called on a thread of ours.
    public var authHeaders: (@Sendable (_ refresh: Bool) throws -> [String: String])?

    public init(serviceName: String, endpoint: String? = nil) {
        self.serviceName = serviceName
        if let endpoint { endpoints = [Endpoint(endpoint)] }
    }

    func generated() throws -> TelemetryConfig {
        TelemetryConfig(
            serviceName: serviceName,
            dataDir: try directory?.path ?? Self.defaultDirectory().path,
            sdkLanguage: "swift",
            installationId: installationId,
            deviceTag: deviceTag,
            serviceVersion: serviceVersion,
            environment: environment.generated,
            backends: endpoints.map {
                Backend(
                    name: $0.name, endpoint: $0.url, headers: $0.headers.fields, json: $0.json, delta: $0.delta)
            },
            resource: Self.system.merging(resource) { $1 }.fields,
            traceHosts: traceHosts.map {
                ThroughlineFFIGenerated.TraceHost(
                    host: $0.host, formats: $0.formats.map(\.generated), injectAll: $0.injectAll,
                    baggageKeys: $0.baggageKeys)
            },
            enabled: enabled,
            sessionSampleRate: sessionSampleRate,
            traceSampleRate: traceSampleRate,
            flushIntervalMs: flushInterval.map(\.milliseconds),
            flushEvents: flushEvents.map { UInt64(clamping: $0) },
            metered: metered.generated,
            dailyBytes: dailyBytes.map { UInt64(clamping: $0) },
            queueBytes: queueBytes.map { UInt64(clamping: $0) },
            maxAgeMs: maxAge.map(\.milliseconds),
            startJitter: startJitter,
            selfReport: selfReport,
            redaction: Redaction(
                denyKeys: redaction.denyKeys, allowKeys: redaction.allowKeys, emails: redaction.emails,
                cards: redaction.cards, tokens: redaction.tokens, searchAttributes: redaction.searchAttributes,
                keepQueries: redaction.keepQueries),
            keepErrors: keepErrors?.generated,
            pull: pull,
            debug: debug)
    }

    /// What the app runs on.
    private static var system: [String: String] {
        let version = ProcessInfo.processInfo.operatingSystemVersion
        var system = ["os.version": "\(version.majorVersion).\(version.minorVersion).\(version.patchVersion)"]
        #if os(iOS)
        system["os.name"] = "iOS"
        #elseif os(macOS)
        system["os.name"] = "macOS"
        #elseif os(Linux)
        system["os.name"] = "Linux"
        #endif
        #if canImport(Darwin)
        var name = utsname()
        if uname(&name) == 0 {
            let machine = withUnsafeBytes(of: name.machine) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            system["device.model.identifier"] = machine
            system["device.manufacturer"] = "Apple"
        }
        #endif
        return system
    }

    private static func defaultDirectory() throws -> URL {
        let support = try FileManager.default.url(
            for: .applicationSupportDirectory, in: .userDomainMask, appropriateFor: nil, create: true)
        var directory = support.appendingPathComponent("Throughline", isDirectory: true)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        #if canImport(Darwin)
        var values = URLResourceValues()
        values.isExcludedFromBackup = true
        try? directory.setResourceValues(values)
        try? FileManager.default.setAttributes(
            [.protectionKey: FileProtectionType.completeUntilFirstUserAuthentication], ofItemAtPath: directory.path)
        #endif
        return directory
    }
}

extension TimeInterval {
    /// Whole milliseconds, at least 0.
    var milliseconds: UInt64 { isNaN ? 0 : UInt64(Swift.min(Swift.max(0, self * 1_000), 1e15)) }
    /// Whole nanoseconds, at least 0.
    var nanoseconds: UInt64 { isNaN ? 0 : UInt64(Swift.min(Swift.max(0, self * 1e9), 1e18)) }
}

extension [String: String] {
    var fields: [HeaderField] { map { HeaderField(name: $0.key, value: $0.value) } }
}

extension [HeaderField] {
    var dictionary: [String: String] { Dictionary(map { ($0.name, $0.value) }, uniquingKeysWith: { $1 }) }
}

extension Consent {
    var generated: ThroughlineFFIGenerated.Consent {
        switch self {
        case .granted: .granted
        case .pending: .pending
        case .denied: .denied
        }
    }
}

extension Environment {
    fileprivate var generated: AppEnvironment {
        switch self {
        case .development: .development
        case .test: .test
        case .staging: .staging
        case .production: .production
        }
    }
}

extension MeteredUploads {
    fileprivate var generated: ThroughlineFFIGenerated.MeteredUploads {
        switch self {
        case .all: .all
        case .noBulk: .noBulk
        case .crashesOnly: .crashesOnly
        }
    }
}

extension TraceFormat {
    fileprivate var generated: HeaderFormat {
        switch self {
        case .traceContext: .traceContext
        case .baggage: .baggage
        case .datadog: .datadog
        case .b3: .b3
        case .b3Multi: .b3Multi
        case .correlation: .correlation
        }
    }
}

extension KeepErrors {
    var generated: ThroughlineFFIGenerated.KeepErrors {
        ThroughlineFFIGenerated.KeepErrors(
            minutes: UInt32(clamping: minutes), bytes: UInt64(clamping: bytes), allSessions: allSessions,
            onError: onError, slowOperationMs: slowOperation.milliseconds)
    }
}
