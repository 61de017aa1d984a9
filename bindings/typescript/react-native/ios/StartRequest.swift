import Foundation
import Throughline

/// What JavaScript asks for with `start`: a `Configuration` of the package, read. Values
/// that have the right type but cannot work are refused by the core, as in Swift.
struct StartRequest {
    let consent: Consent
    var configuration: Configuration

    /// Reads a configuration in JSON. Throws ``InvalidField``.
    init(json: String) throws {
        self = try Fields.read(json) { fields in
            let consents: KeyValuePairs<String, Consent> = ["granted": .granted, "pending": .pending, "denied": .denied]
            guard let consent = try fields.choice("consent", consents) else {
                throw InvalidField(message: "consent is missing")
            }
            return StartRequest(consent: consent, configuration: try Configuration(fields))
        }
    }

    private init(consent: Consent, configuration: Configuration) {
        (self.consent, self.configuration) = (consent, configuration)
    }
}

/// Sets a value, unless it is `nil`: then JavaScript has not set it, and the default stays.
private func set<T>(_ field: inout T, _ value: T?) {
    if let value { field = value }
}

extension Configuration {
    fileprivate init(_ fields: Fields) throws {
        let environments: KeyValuePairs<String, DeploymentEnvironment> = [
            "development": .development, "test": .test, "staging": .staging, "production": .production,
        ]
        let uploads: KeyValuePairs<String, MeteredUploads> = [
            "all": .all, "noBulk": .noBulk, "crashesOnly": .crashesOnly,
        ]
        self.init(serviceName: try fields.text("serviceName") ?? "", endpoint: try fields.text("endpoint"))
        set(&serviceVersion, try fields.text("serviceVersion"))
        dataDir = try fields.text("dataDir").map { URL(fileURLWithPath: $0, isDirectory: true) }
        set(&installationId, try fields.flag("installationId"))
        deviceTag = try fields.text("deviceTag")
        set(&environment, try fields.choice("environment", environments))
        set(&enabled, try fields.flag("enabled"))
        set(&sessionSampleRate, try fields.number("sessionSampleRate"))
        traceSampleRate = try fields.number("traceSampleRate")
        flushInterval = try fields.time("flushIntervalMs")
        flushEvents = try fields.count("flushEvents")
        set(&meteredUploads, try fields.choice("meteredUploads", uploads))
        dailyBytes = try fields.count("dailyBytes")
        queueBytes = try fields.count("queueBytes")
        maxAge = try fields.time("maxAgeMs")
        set(&startJitter, try fields.flag("startJitter"))
        set(&selfReport, try fields.flag("selfReport"))
        set(&captureCrashes, try fields.flag("captureCrashes"))
        set(&captureUncaughtExceptions, try fields.flag("captureUncaughtExceptions"))
        set(&debug, try fields.flag("debug"))
        set(&resource, try fields.pairs("resource"))
        let read = try fields.elements("destinations", Destination.read) ?? []
        var taken = Set(read.compactMap { $0.givenName } + destinations.map(\.name))
        for (destination, givenName) in read {
            // As in Kotlin: the first one is called `default`, others without a name by their URL. Those of a
            // format have its name, with a number from the second on: the URL of Sentry has a key in it.
            var destination = destination
            if destination.name.isEmpty {
                destination.name = destinations.isEmpty ? "default" : destination.endpoint
            } else if givenName == nil {
                let format = destination.name
                var number = 1
                while !taken.insert(destination.name).inserted {
                    number += 1
                    destination.name = "\(format)-\(number)"
                }
            }
            destinations.append(destination)
        }
        set(&traceHosts, try fields.elements("traceHosts", text: { TraceHost($0) }, TraceHost.init))
        set(&redact, try fields.inner("redact", RedactRules.init))
        tailSampling = try fields.inner("tailSampling", TailSampling.init)
    }
}

extension Destination {
    /// A destination, and the name that JavaScript has given it. An empty one is none.
    fileprivate static func read(_ fields: Fields) throws -> (destination: Destination, givenName: String?) {
        let name = try fields.text("name")
        let givenName = name == "" ? nil : name
        return (try Destination(fields, givenName), givenName)
    }

    private init(_ fields: Fields, _ name: String?) throws {
        let encodings: KeyValuePairs<String, Encoding> = ["protobuf": .protobuf, "json": .json]
        let temporalities: KeyValuePairs<String, Temporality> = ["cumulative": .cumulative, "delta": .delta]
        let signalsByName: KeyValuePairs<String, Signal> = ["logs": .logs, "traces": .traces, "metrics": .metrics]
        let endpoint = try fields.text("endpoint") ?? ""
        let other = try fields.inner("format") { try Self.inFormat($0, endpoint, name) }
        self = other ?? Destination(endpoint: endpoint, name: name ?? "")
        set(&headers, try fields.pairs("headers"))
        set(&encoding, try fields.choice("encoding", encodings))
        set(&temporality, try fields.choice("temporality", temporalities))
        set(&signals, try fields.choices("signals", signalsByName).map(Set.init))
        let lanesByName: KeyValuePairs<String, Lane> = [
            "crash": .crash, "error": .error, "event": .event, "bulk": .bulk,
        ]
        let kindsByName: KeyValuePairs<String, Kind> = [
            "session": .session, "view": .view, "action": .action, "resource": .resource, "error": .error,
            "longTask": .longTask, "vital": .vital, "custom": .custom, "log": .log, "metric": .metric, "span": .span,
        ]
        set(&lanes, try fields.choices("lanes", lanesByName).map(Set.init))
        set(&kinds, try fields.choices("kinds", kindsByName).map(Set.init))
        maxAge = try fields.time("maxAgeMs")
        _ = try fields.inner("signalEndpoints") { inner in
            for (name, signal) in signalsByName { signalEndpoints[signal] = try inner.text(name) }
        }
    }
}

extension Destination {
    private enum Backend { case datadog, sentry, connect, fluentd }

    /// Each format has fields of its own: those of another one are not known.
    private static func inFormat(_ fields: Fields, _ endpoint: String, _ name: String?) throws -> Destination {
        let known: KeyValuePairs<String, Backend> = [
            "datadog": .datadog, "sentry": .sentry, "connect": .connect, "fluentd": .fluentd,
        ]
        switch try fields.choice("type", known) {
        case .datadog:
            return .datadog(
                clientToken: try fields.text("clientToken") ?? "", applicationID: try fields.text("applicationId") ?? "",
                site: try fields.text("site") ?? "us1", source: "react-native",
                operations: try fields.flag("operations") ?? false, endpoint: endpoint, name: name ?? "datadog")
        case .sentry: return .sentry(dsn: endpoint, name: name ?? "sentry")
        case .connect:
            let json = try fields.flag("json") ?? false
            return .connect(endpoint: endpoint, json: json, name: name ?? "connect")
        case .fluentd:
            return .fluentd(endpoint: endpoint, tag: try fields.text("tag") ?? "", name: name ?? "fluentd")
        case nil: throw InvalidField(message: "the type of a format is missing")
        }
    }
}

extension TraceHost {
    fileprivate init(_ fields: Fields) throws {
        let known: KeyValuePairs<String, Format> = [
            "traceContext": .traceContext, "baggage": .baggage, "datadog": .datadog, "b3": .b3, "b3Multi": .b3Multi,
            "correlation": .correlation,
        ]
        self.init(try fields.text("host") ?? "")
        set(&formats, try fields.choices("formats", known))
        set(&injection, try fields.choice("injection", ["sampled": .sampled, "all": .all]))
        set(&baggageKeys, try fields.texts("baggageKeys"))
    }
}

extension RedactRules {
    fileprivate init(_ fields: Fields) throws {
        self.init()
        set(&denyKeys, try fields.texts("denyKeys"))
        set(&allowKeys, try fields.texts("allowKeys"))
        set(&keepQueries, try fields.flag("keepQueries"))
        _ = try fields.inner("patterns") { inner in
            set(&patterns.email, try inner.flag("email"))
            set(&patterns.card, try inner.flag("card"))
            set(&patterns.jwt, try inner.flag("jwt"))
            set(&patterns.bearer, try inner.flag("bearer"))
            set(&patterns.attributes, try inner.flag("attributes"))
        }
    }
}

extension TailSampling {
    fileprivate init(_ fields: Fields) throws {
        self.init()
        set(&window, try fields.time("windowMs"))
        set(&bytes, try fields.count("bytes"))
        set(&allSessions, try fields.flag("allSessions"))
        set(&onError, try fields.flag("onError"))
        slowOperation = try fields.time("slowOperationMs")
    }
}
