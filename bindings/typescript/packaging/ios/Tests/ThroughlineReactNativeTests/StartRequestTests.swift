import Foundation
import Throughline
import XCTest
@testable import ThroughlineReactNative

/// A file of the shared vectors, which Kotlin's tests read as well.
func vector(_ name: String) throws -> String {
    let here = URL(fileURLWithPath: #filePath)
    let packaging = here.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    return try String(contentsOf: packaging.appendingPathComponent("vectors/\(name).json"), encoding: .utf8)
}

/// What a configuration holds, as text. Sets and dictionaries have one element each, or are sorted.
private func text(_ configuration: Configuration) -> [String: String] {
    var fields: [String: String] = [:]
    for case (let label?, let value) in Mirror(reflecting: configuration).children {
        fields[label] = "\(value)"
    }
    return fields
}

final class StartRequestTests: XCTestCase {
    /// The configuration of the shared vector, as an app in Swift writes it.
    private var written: Configuration {
        var written = Configuration(serviceName: "shop", endpoint: "https://otlp.example.com")
        written.serviceVersion = "2.1"
        written.dataDir = URL(fileURLWithPath: "/tmp/throughline-vector", isDirectory: true)
        written.installationId = false
        written.deviceTag = "tag"
        written.environment = .staging
        written.enabled = false
        written.sessionSampleRate = 0.5
        written.traceSampleRate = 0.25
        written.flushInterval = 1.5
        written.flushEvents = 7
        written.meteredUploads = .noBulk
        written.dailyBytes = 1_048_576
        written.queueBytes = 2_097_152
        written.maxAge = 86_400
        written.startJitter = false
        written.selfReport = false
        written.captureCrashes = false
        written.captureUncaughtExceptions = false
        written.debug = true
        written.resource = ["team": "checkout"]
        var second = Destination(
            endpoint: "https://otlp.example.net", name: "second", headers: ["api-key": "key"], encoding: .json,
            temporality: .delta)
        second.signals = [.logs, .traces]
        second.signalEndpoints = [.logs: "https://logs.example.net/v1/logs"]
        second.lanes = [.crash, .error, .event]
        second.kinds = [.error, .longTask, .span]
        second.maxAge = 7_200
        written.destinations.append(second)
        written.destinations += [
            .datadog(
                clientToken: "pub1", applicationID: "00000000-0000-4000-8000-000000000000", site: "eu1",
                source: "react-native", operations: true, name: "datadog"),
            .sentry(dsn: "https://key@sentry.example.com/42", name: "sentry"),
            .connect(endpoint: "https://own.example.com", json: true, name: "own"),
            .fluentd(endpoint: "https://logs.example.com", tag: "shop.app", name: "logs"),
        ]
        var host = TraceHost("b.example.com", formats: [.traceContext, .b3Multi])
        host.injection = .all
        host.baggageKeys = ["tenant"]
        written.traceHosts = [TraceHost("api.example.com"), host]
        written.redact.denyKeys = ["salary"]
        written.redact.allowKeys = ["token"]
        written.redact.keepQueries = true
        written.redact.patterns.email = false
        written.redact.patterns.card = false
        written.redact.patterns.jwt = false
        written.redact.patterns.bearer = false
        written.redact.patterns.attributes = false
        var tail = TailSampling()
        tail.window = 120
        tail.bytes = 131_072
        tail.allSessions = true
        tail.onError = false
        tail.slowOperation = 3
        written.tailSampling = tail
        return written
    }

    func testNoFieldOfJavaScriptIsLostOrExchanged() throws {
        var request = try StartRequest(json: vector("configuration"))
        XCTAssertEqual(request.consent, .pending)
        var written = written
        // The order of a set differs from run to run, and even between equal ones.
        for at in written.destinations.indices {
            XCTAssertEqual(request.configuration.destinations[at].signals, written.destinations[at].signals)
            XCTAssertEqual(request.configuration.destinations[at].lanes, written.destinations[at].lanes)
            XCTAssertEqual(request.configuration.destinations[at].kinds, written.destinations[at].kinds)
            request.configuration.destinations[at].signals = []
            written.destinations[at].signals = []
            request.configuration.destinations[at].lanes = []
            written.destinations[at].lanes = []
            request.configuration.destinations[at].kinds = []
            written.destinations[at].kinds = []
        }
        XCTAssertEqual(text(request.configuration), text(written))
    }

    func testTwoDestinationsOfOneFormatWithoutANameDoNotFailTheStart() throws {
        let sentry = #"{"endpoint": "https://key@sentry.example.com/42", "format": {"type": "sentry"}}"#
        let empty = #"{"name": "", "endpoint": "https://key@sentry.example.com/43", "format": {"type": "sentry"}}"#
        let named = #"{"name": "sentry-2", "endpoint": "https://otlp.example.com"}"#
        let json = #"{"serviceName": "shop", "consent": "granted", "destinations": [\#(sentry), \#(empty), \#(named)]}"#
        let names = try StartRequest(json: json).configuration.destinations.map(\.name)
        XCTAssertEqual(names, ["sentry", "sentry-3", "sentry-2"], "an empty name is none, and the URL has a key")
    }

    func testNoFieldOfSwiftIsMissingInJavaScript() throws {
        let set = text(try StartRequest(json: vector("configuration")).configuration)
        let unset = text(Configuration(serviceName: ""))
        // What only native code can give, and what JavaScript has no switch for.
        let native: Set = ["pull", "transport", "authHeaders", "reportMetricKit"]
        XCTAssertGreaterThan(set.count, 20)
        for (field, value) in set where !native.contains(field) { XCTAssertNotEqual(unset[field], value, field) }
    }

    func testWhatJavaScriptDoesNotSetStaysAsThePlatformHasIt() throws {
        let request = try StartRequest(json: #"{"consent":"granted","serviceName":"shop"}"#)
        XCTAssertEqual(text(request.configuration), text(Configuration(serviceName: "shop")))
    }

    func testAWrongOrMisspeltFieldIsNamed() throws {
        struct Case: Decodable { let config, reason: String }
        let cases = try JSONDecoder().decode([Case].self, from: Data(vector("refused").utf8))
        XCTAssertGreaterThan(cases.count, 20)
        for refused in cases {
            XCTAssertThrowsError(try StartRequest(json: refused.config), refused.config) { error in
                XCTAssertEqual((error as? InvalidField)?.message, refused.reason, refused.config)
            }
        }
    }
}
