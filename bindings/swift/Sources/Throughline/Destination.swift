import Foundation
internal import ThroughlineFFIGenerated

/// A backend: one that takes OTLP over HTTP, or another.
///
/// ```swift
/// configuration.destinations = [
///     Destination(endpoint: "https://otlp.example.com", headers: ["api-key": key]),
///     Destination(endpoint: "https://otlp.example.net", name: "second", encoding: .json),
///     .datadog(clientToken: key, applicationID: "3b2c1a40-5d6e-4f70-8a9b-0c1d2e3f4a5b", site: "eu1"),
///     .sentry(dsn: "https://0123456789abcdef@o1.ingest.sentry.io/42"),
/// ]
/// ```
public struct Destination: Sendable {
    /// The form in which OTLP is sent.
    public enum Encoding: Sendable {
        /// `application/x-protobuf`.
        case protobuf
        /// `application/json`.
        case json
    }

    /// How sums and histograms are sent.
    public enum Temporality: Sendable {
        /// Each point covers the time since the start of the process.
        case cumulative
        /// Each point covers the time since the point before it. Backends like Prometheus drop such
        /// points without a word.
        case delta
    }

    /// A signal of OTLP.
    public enum Signal: Sendable, CaseIterable {
        /// Log records, which carry most events.
        case logs
        /// Spans: requests, and the spans that are recorded as such.
        case traces
        /// Metrics.
        case metrics
    }

    /// How an event is kept and sent.
    public enum Lane: Sendable, CaseIterable {
        /// Crashes, hangs that ended the app, and ends for want of memory.
        case crash
        /// Handled errors, and logs of severity `error` or above.
        case error
        /// Sessions, views, actions, requests, long tasks, vitals and custom events.
        case event
        /// Logs, metrics and spans.
        case bulk
    }

    /// A kind of event.
    public enum Kind: Sendable, CaseIterable {
        /// A session started or ended.
        case session
        /// A view.
        case view
        /// Something that the user did, or a mutation of traced state.
        case action
        /// A network request of the app.
        case resource
        /// An error or a crash.
        case error
        /// A time in which the main thread was busy.
        case longTask
        /// A measured value of the app's performance.
        case vital
        /// An event whose name and meaning are the app's own.
        case custom
        /// A log record.
        case log
        /// A metric.
        case metric
        /// A span.
        case span
    }

    /// Names the destination in ``Health/destinations``, and its position in the queue: keep the
    /// name when the endpoint changes. No other destination may have it.
    public var name: String
    /// The base URL. `/v1/logs`, `/v1/traces` and `/v1/metrics` are appended. Empty when every
    /// signal has a URL of its own.
    public var endpoint: String
    /// The signals of OTLP that the backend takes. Events of the others are not sent to it. Other
    /// formats have none: name ``kinds`` instead.
    public var signals = Set(Signal.allCases)
    /// Full URLs of signals that are not below the base URL.
    public var signalEndpoints: [Signal: String] = [:]
    /// Headers of every request. Datadog and Sentry take none.
    public var headers: [String: String]
    /// Protobuf or JSON.
    public var encoding: Encoding
    /// How sums and histograms are sent.
    public var temporality: Temporality
    /// The lanes whose events are meant for the destination, whatever its format. What no
    /// destination takes is counted as `no_destination`. Crashes that no destination takes go to
    /// those that take errors.
    public var lanes = Set(Lane.allCases)
    /// The kinds of events that are meant for it: an event has to be of the lanes and of the kinds.
    public var kinds = Set(Kind.allCases)
    /// How old an event may be that is sent to it, 1 minute to 366 days; crashes are sent all the
    /// same. `nil`: as old as ``Configuration/maxAge`` and the format allow.
    public var maxAge: TimeInterval?
    /// Another format than OTLP.
    var format: BackendFormat?

    /// A destination at a base URL.
    public init(
        endpoint: String, name: String = "default", headers: [String: String] = [:], encoding: Encoding = .protobuf,
        temporality: Temporality = .cumulative
    ) {
        (self.name, self.endpoint, self.headers) = (name, endpoint, headers)
        (self.encoding, self.temporality) = (encoding, temporality)
    }

    /// Datadog's intakes for RUM, logs and spans.
    ///
    /// `site` is the short name of the site, `us1`, `us3`, `us5`, `eu1`, `ap1`, `ap2`, or its
    /// domain. It is not used if `endpoint` is the base URL of a proxy that has the intakes' paths.
    /// `source` is the platform that events are shown under, if it is not that of the device. With
    /// `operations`, operations and spans go to RUM as vitals, in place of the intake for spans.
    public static func datadog(
        clientToken: String, applicationID: String, site: String = "us1", source: String = "",
        operations: Bool = false, endpoint: String = "", name: String = "datadog"
    ) -> Destination {
        var destination = Destination(endpoint: endpoint, name: name)
        destination.format = .datadog(
            site: site, clientToken: clientToken, applicationId: applicationID, source: source, operations: operations)
        return destination
    }

    /// Sentry, for errors, release health and logs.
    public static func sentry(dsn: String, name: String = "sentry") -> Destination {
        var destination = Destination(endpoint: dsn, name: name)
        destination.format = .sentry
        return destination
    }

    /// A service of your own by the Connect protocol at a base URL, whose messages are protobuf or
    /// JSON.
    public static func connect(
        endpoint: String, json: Bool = false, headers: [String: String] = [:], name: String = "connect"
    ) -> Destination {
        var destination = Destination(endpoint: endpoint, name: name, headers: headers)
        destination.format = .connect(json: json)
        return destination
    }

    /// The HTTP input of Fluentd or Fluent Bit at a base URL. Fluentd routes by the tag, which has
    /// small letters, digits, `_`, and `.` in between.
    public static func fluentd(
        endpoint: String, tag: String, headers: [String: String] = [:], name: String = "fluentd"
    ) -> Destination {
        var destination = Destination(endpoint: endpoint, name: name, headers: headers)
        destination.format = .fluentd(tag: tag)
        return destination
    }

    var generated: ThroughlineFFIGenerated.Destination {
        ThroughlineFFIGenerated.Destination(
            name: name, endpoint: endpoint, headers: headers.fields,
            encoding: encoding == .json ? .json : .protobuf,
            temporality: temporality == .delta ? .delta : .cumulative,
            signals: signals.map(\.generated),
            signalEndpoints: signalEndpoints.map { SignalEndpoint(signal: $0.key.generated, url: $0.value) },
            format: format, lanes: lanes.map(\.generated), kinds: kinds.map(\.generated), maxAge: maxAge)
    }
}

extension Destination.Lane {
    fileprivate var generated: EventLane {
        switch self {
        case .crash: .crash
        case .error: .error
        case .event: .event
        case .bulk: .bulk
        }
    }
}

extension Destination.Kind {
    fileprivate var generated: EventKind {
        switch self {
        case .session: .session
        case .view: .view
        case .action: .action
        case .resource: .resource
        case .error: .error
        case .longTask: .longTask
        case .vital: .vital
        case .custom: .custom
        case .log: .log
        case .metric: .metric
        case .span: .span
        }
    }
}

extension Destination.Signal {
    fileprivate var generated: OtlpSignal {
        switch self {
        case .logs: .logs
        case .traces: .traces
        case .metrics: .metrics
        }
    }
}

/// A host that may receive trace headers. Its sub-domains may, too.
///
/// ```swift
/// configuration.traceHosts = [TraceHost("api.example.com", formats: [.traceContext, .datadog])]
/// ```
public struct TraceHost: Sendable {
    /// A format of trace headers.
    public enum Format: Sendable {
        /// W3C `traceparent` and `tracestate`.
        case traceContext
        /// W3C `baggage`.
        case baggage
        /// Datadog's `x-datadog-*`.
        case datadog
        /// Zipkin's single header, `b3`.
        case b3
        /// Zipkin's several headers, `X-B3-*`.
        case b3Multi
        /// `X-Correlation-ID`.
        case correlation
    }

    /// When trace headers are written.
    public enum Injection: Sendable {
        /// Only for traces that are sampled.
        case sampled
        /// For every trace. The headers say whether it is sampled.
        case all
    }

    /// The host alone, without scheme and port.
    public var host: String
    /// The formats of the headers.
    public var formats: [Format]
    /// When headers are written.
    public var injection = Injection.sampled
    /// Baggage keys that may be sent besides `session.id`.
    public var baggageKeys: [String] = []

    /// A host and its sub-domains.
    public init(_ host: String, formats: [Format] = [.traceContext, .baggage]) {
        (self.host, self.formats) = (host, formats)
    }

    var generated: ThroughlineFFIGenerated.TraceHost {
        ThroughlineFFIGenerated.TraceHost(
            host: host, formats: formats.map(\.generated), injection: injection == .all ? .all : .sampled,
            baggageKeys: baggageKeys)
    }
}

extension TraceHost.Format {
    fileprivate var generated: TraceFormat {
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

extension [String: String] {
    var fields: [HeaderField] { map { HeaderField(name: $0.key, value: $0.value) } }
}

extension [HeaderField] {
    var dictionary: [String: String] { Dictionary(map { ($0.name, $0.value) }, uniquingKeysWith: { $1 }) }
}
