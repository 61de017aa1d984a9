import Foundation
internal import ThroughlineFFIGenerated

/// What the user has decided about the collection of data.
public enum Consent: Sendable {
    /// Events are recorded and sent.
    case granted
    /// Events are recorded and kept apart on the device, at most 8 MiB, until the user has decided.
    case pending
    /// Nothing is recorded, and everything that was recorded is erased.
    case denied
}

/// Where the app runs.
public enum DeploymentEnvironment: Sendable {
    /// A developer's machine.
    case development
    /// An automated test.
    case test
    /// A stage before the release.
    case staging
    /// Users' devices.
    case production
}

/// What is sent over a metered network.
public enum MeteredUploads: Sendable {
    /// Everything.
    case all
    /// Crashes, errors and events. Logs, metrics and spans wait for an unmetered network.
    case noBulk
    /// Crashes alone.
    case crashesOnly
}

/// The configuration of ``Throughline/start(_:consent:)``, which throws
/// ``ThroughlineError/invalidConfiguration(_:)`` for a value that cannot work.
///
/// ```swift
/// var configuration = Configuration(serviceName: "shop", endpoint: "https://otlp.example.com")
/// configuration.traceHosts = [TraceHost("api.example.com")]
/// try Throughline.start(configuration, consent: .granted)
/// ```
public struct Configuration: Sendable {
    /// The app's name, for `service.name`. At most 255 bytes.
    public var serviceName: String
    /// A directory that only Throughline uses. Default: `Throughline` in Application Support, which
    /// is then excluded from backups.
    public var dataDir: URL?
    /// The app's version, for `service.version`. Default: the bundle's.
    public var serviceVersion = Bundle.main.infoDictionary?["CFBundleShortVersionString"] as? String ?? ""
    /// Whether this installation gets a random id, for `app.installation.id`. The id is kept only
    /// in ``dataDir``, so that an erasure replaces it.
    public var installationId = true
    /// A text that differs between devices, such as
    /// `UIDevice.current.identifierForVendor?.uuidString`. It is never sent. A hash of it is kept,
    /// by which a restored or cloned backup is noticed: the copy then gets an installation and a
    /// session of its own.
    public var deviceTag: String?
    /// Where the app runs. Sets the defaults of ``traceSampleRate`` and ``flushInterval``.
    public var environment = DeploymentEnvironment.production
    /// The backends that events are sent to, at most 8. Without one, events stay on the device
    /// within ``queueBytes``.
    public var destinations: [Destination] = []
    /// The hosts that may receive trace headers. Default: none.
    public var traceHosts: [TraceHost] = []
    /// Further attributes of the resource, at most 112. Those of the system and the device are set
    /// already.
    public var resource: [String: String] = [:]
    /// Whether Throughline works at all. False: no thread is started and no file is written.
    public var enabled = true
    /// The share of sessions that is recorded, 0.0 to 1.0. Errors and crashes are always recorded.
    public var sessionSampleRate = 1.0
    /// The share of traces that is recorded, 0.0 to 1.0. Default: 1.0 in development and test, else
    /// 0.1.
    public var traceSampleRate: Double?
    /// How long an event may wait until others are sent with it, 0.1 to 86,400 seconds. Default: 2
    /// s in development and test, else 30 s.
    public var flushInterval: TimeInterval?
    /// How many waiting events are sent without waiting for ``flushInterval``. Default: 100.
    public var flushEvents: Int?
    /// What is sent over a metered network. Default: everything.
    public var meteredUploads = MeteredUploads.all
    /// How many compressed bytes are sent a day, crashes excepted. Default: no limit.
    public var dailyBytes: Int?
    /// How many bytes the queue on the disk may have, 1 MiB to 4 GiB. Default: 64 MiB.
    public var queueBytes: Int?
    /// The age at which an event is dropped and counted, 60 seconds to 366 days. Default: 7 days.
    public var maxAge: TimeInterval?
    /// Spreads the first upload after a start over 10 s, so that the devices of all users do not
    /// arrive at once.
    public var startJitter = true
    /// Records Throughline's own condition as events: drops, failed uploads, time offline.
    public var selfReport = true
    /// Records crashes by signals, those of Swift's own traps included, and reports them at the next
    /// launch. Signal handlers that stand before are called too. On Apple's systems nothing is
    /// recorded yet when a signal ends the process: see ``reportMetricKit``.
    public var captureCrashes = true
    /// Records exceptions of Objective-C that nobody has caught, on Apple's systems. The handler that
    /// stands before is called too.
    public var captureUncaughtExceptions = true
    /// Reports the crashes, hangs and ends for want of memory that iOS has seen, by MetricKit: iOS
    /// delivers them at a later launch. It is how a signal that ends an app is seen on iOS.
    public var reportMetricKit = true
    /// What must not leave the device.
    public var redact = RedactRules()
    /// Keeps sessions that are not sampled on the device, and sends them when something happens.
    /// Default: they are not kept.
    public var tailSampling: TailSampling?
    /// Hands requests out by ``Throughline/nextUpload(wait:)`` instead of sending them.
    public var pull = false
    /// Writes what Throughline does to the system's log, at most 20 lines a second; on Linux, to
    /// standard error.
    public var debug = false
    /// Sends requests instead of the built-in client, for example a ``URLSessionTransport``.
    public var transport: (any HostTransport)?
    /// Returns headers that authorize uploads to the destination with a name, whatever its format;
    /// none, if the app has none for it. It is called on a thread of Throughline's and may wait for
    /// at most 20 seconds. The result is kept, and sent to that destination alone, until it answers
    /// 401; then this is called again with `refresh`, and the request is sent once more.
    public var authHeaders: (@Sendable (_ destination: String, _ refresh: Bool) throws -> [String: String])?

    /// A configuration with its defaults.
    ///
    /// - Parameters:
    ///   - serviceName: The app's name, for `service.name`.
    ///   - endpoint: The base URL of a first destination, which is called `default`.
    public init(serviceName: String, endpoint: String? = nil) {
        self.serviceName = serviceName
        if let endpoint { destinations = [Destination(endpoint: endpoint)] }
    }

    func generated() throws -> TelemetryConfig {
        TelemetryConfig(
            serviceName: serviceName,
            dataDir: try dataDir?.path ?? Self.defaultDataDir().path,
            sdkLanguage: "swift",
            installationId: installationId,
            deviceTag: deviceTag,
            serviceVersion: serviceVersion,
            environment: environment.generated,
            destinations: destinations.map(\.generated),
            resource: Self.system.merging(resource) { $1 }.fields,
            traceHosts: traceHosts.map(\.generated),
            enabled: enabled,
            sessionSampleRate: sessionSampleRate,
            traceSampleRate: traceSampleRate,
            flushInterval: flushInterval,
            flushEvents: flushEvents.map { UInt64(clamping: $0) },
            meteredUploads: meteredUploads.generated,
            dailyBytes: dailyBytes.map { UInt64(clamping: $0) },
            queueBytes: queueBytes.map { UInt64(clamping: $0) },
            maxAge: maxAge,
            startJitter: startJitter,
            selfReport: selfReport,
            captureCrashes: captureCrashes,
            redact: redact.generated,
            tailSampling: tailSampling?.generated,
            pull: pull,
            debug: debug)
    }

    /// Attributes of the resource that say what the app runs on.
    private static var system: [String: String] {
        let version = ProcessInfo.processInfo.operatingSystemVersion
        var system = ["os.version": "\(version.majorVersion).\(version.minorVersion).\(version.patchVersion)"]
        #if os(iOS)
        system["os.name"] = "iOS"
        #elseif os(macOS)
        system["os.name"] = "macOS"
        #elseif os(tvOS)
        system["os.name"] = "tvOS"
        #elseif os(visionOS)
        system["os.name"] = "visionOS"
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

    private static func defaultDataDir() throws -> URL {
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

extension Consent {
    var generated: ThroughlineFFIGenerated.Consent {
        switch self {
        case .granted: .granted
        case .pending: .pending
        case .denied: .denied
        }
    }
}

extension DeploymentEnvironment {
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
