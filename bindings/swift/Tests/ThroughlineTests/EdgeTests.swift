import Foundation
import XCTest
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif
@testable import Throughline

/// What apps and servers do that nobody had in mind.
final class EdgeTests: XCTestCase {
    private struct Wrapped: Error, CustomNSError, @unchecked Sendable {
        static let errorDomain = "Api"
        let errorUserInfo: [String: Any]
    }

    // MARK: Before the start

    func testADenialAfterAHundredOtherDecisionsBeforeTheStartHolds() throws {
        let app = try App()
        for _ in 0..<150 { Throughline.setConsent(.granted) }
        Throughline.setConsent(.denied)
        try app.start()
        XCTAssertEqual(Throughline.health()?.isEnabled, false)
        try Throughline.shutdown()
        // A switch is not lost among many calls of another kind.
        Throughline.setEnabled(false)
        for _ in 0..<150 { Throughline.setTraceSampleRate(0.5) }
        try app.start()
        XCTAssertEqual(Throughline.health()?.isEnabled, false)
        Throughline.setEnabled(true)
    }

    func testIgnoredMutationsAreNotLostWithACallThatWaitedForTheStart() throws {
        let app = try App().start()
        let store = TracedStore("Waiting", policy: StorePolicy(deny: ["**"]))
        // So long that it has no count of its own.
        let ignored = store.path(String(repeating: "x", count: 2_000))
        for n in 0..<5 { ignored.set(n, n + 1) }
        try Throughline.shutdown()
        for n in 0..<5 { ignored.set(n, n + 1) }
        Recorder.expectStart()
        store.record("recorded")
        for _ in 0..<150 { Throughline.event("filler") }
        try app.start()
        let counts = try XCTUnwrap(Throughline.health()?.stores["Waiting"])
        XCTAssertEqual(counts.suppressed.values.reduce(0, +), 5)
    }

    // MARK: State

    func testAStoreWhoseContextChangesTheStoreDoesNotEndTheApp() throws {
        let app = try App().start()
        var policy = StorePolicy()
        policy.coalesce = 0
        let store = TracedStore("Turning", policy: policy)
        let reads = Count()
        store.context {
            // As a property does that notes when it was read.
            let before = Int(reads.add(1))
            store.path("reads").set(before, before + 1)
            $0.put("n", before)
        }
        store.path("value").set(0, 1)
        store.path("value").set(1, 2)
        let seen = try app.seen()
        let values = seen.filter { $0.action == "Turning.value.Update" }
        XCTAssertEqual(values.compactMap { $0.attributes["n"] }.sorted(), ["0", "1"])
        XCTAssertEqual(seen.filter { $0.action == "Turning.reads.Update" }.count, 2)
    }

    /// Says how often it was described.
    private struct Item: Equatable, CustomStringConvertible {
        static let described = Count()
        let n: Int
        var description: String {
            Self.described.add(1)
            return "item \(n)"
        }
    }

    func testAListOfManyThousandItemsIsNotDescribedOnTheThreadOfItsMutation() throws {
        let app = try App().start()
        let store = TracedStore("Long")
        let before = (0..<50_000).map(Item.init)
        store.path("items").set(before, Array(before.dropLast()))
        store.path("byId").set(Dictionary(uniqueKeysWithValues: before.map { ($0.n, $0) }), [:])
        let described = Item.described.value
        XCTAssertLessThanOrEqual(described, 2_000)
        var policy = StorePolicy()
        policy.capture("**", .full)
        TracedStore("Short", policy: policy).path("items").set([Item](), [Item(n: 1), Item(n: 2)])
        let short = try app.seen().first { $0.action == "Short.items.Update" }
        let new = try XCTUnwrap(short?.attributes["state.new"])
        XCTAssertTrue(new.contains("item 1") && new.contains("item 2"), new)
    }

    // MARK: Contexts and outcomes

    func testATraceIsFoundAmongAnyNumberOfHeaders() throws {
        let app = try App().start()
        let trace = "0af7651916cd43dd8448eb211c80319c"
        for round in 0..<20 {
            var headers = ["TraceParent": "00-\(trace)-b7ad6b7169203331-01"]
            for n in 0..<200 { headers["x-header-\(round)-\(n)"] = "\(n)" }
            XCTAssertEqual(TraceContext(headers: headers).traceId, trace)
        }
        _ = app
    }

    func testErrorsOfObjectiveCSayWhichTheyAre() throws {
        let app = try App().start()
        Throughline.error(NSError(domain: "Payments", code: 7))
        Throughline.startOperation("Pay").fail(NSError(domain: "Payments", code: 8))
        let request = TracedRequest(URLRequest(url: URL(string: "http://127.0.0.1:9/bridged")!))
        request.fail(NSError(domain: NSURLErrorDomain, code: URLError.cannotConnectToHost.rawValue))
        let seen = try app.seen()
        XCTAssertEqual(seen.compactMap { $0.attributes["exception.type"] }.sorted(), ["Payments.7", "Payments.8"])
        let bridged = seen.first { $0.attributes["url.full"]?.hasSuffix("/bridged") == true }
        XCTAssertEqual(bridged?.attributes["error.type"], "URLError.-1004")
    }

    func testAnErrorOfAPrivateTypeHasTheSameNameInEveryProcess() {
        struct Local: Error {}
        XCTAssertEqual(Wrapped(errorUserInfo: [:]).kindName, "ThroughlineTests.EdgeTests.Wrapped")
        let local = Local().kindName
        XCTAssertFalse(local.contains("$"), local)
        XCTAssertTrue(local.hasSuffix("Local"), local)
        XCTAssertEqual(CancellationError().kindName, "Swift.CancellationError")
    }

    func testACancellationInsideOfAnotherErrorIsACancellation() throws {
        let app = try App().start()
        let wrapped = Wrapped(errorUserInfo: [NSUnderlyingErrorKey: URLError(.cancelled)])
        let twice = NSError(domain: "App", code: 1, userInfo: [NSUnderlyingErrorKey: wrapped as NSError])
        for error in [wrapped as any Error, twice] {
            XCTAssertThrowsError(try Throughline.operation("Wrapped") { _ in throw error })
        }
        let request = TracedRequest(URLRequest(url: URL(string: "http://127.0.0.1:9/wrapped")!))
        request.fail(Wrapped(errorUserInfo: [NSUnderlyingErrorKey: URLError(.timedOut)]))
        let seen = try app.seen()
        let outcomes = seen.filter { $0.name == "Wrapped" && $0.signal == "span" }
            .map { $0.attributes["operation.outcome"] }
        XCTAssertEqual(outcomes, ["cancelled", "cancelled"])
        let late = seen.first { $0.attributes["url.full"]?.hasSuffix("/wrapped") == true }
        XCTAssertEqual(late?.attributes["error.type"], "timeout")
    }

    func testAnOperationOutlivesTwentyThousandOfItsSpans() throws {
        let app = try App().start()
        let operation = Throughline.startOperation("Sync")
        for _ in 0..<20_000 { operation.child("item").succeed() }
        operation.succeed()
        let sync = try app.seen().first { $0.name == "Sync" && $0.signal == "span" }
        XCTAssertEqual(sync?.attributes["operation.outcome"], "succeeded")
    }

    // MARK: Network

    func testAnEndlessAnswerToAnUploadIsNotReadToItsEnd() throws {
        let server = Server { _ in
            "200 OK\r\ncontent-length: 1000000000\r\n\r\n" + String(repeating: "x", count: 300_000)
        }
        let answer = try URLSessionTransport().send(
            UploadRequest(url: server.listed + "/v1/logs", headers: [:], body: Data("{}".utf8)))
        XCTAssertEqual(answer.status, 200)
        XCTAssertEqual(answer.body.count, Limit.responseBytes)
    }

    func testHeadersOfTheAppStayOnItsRedirectsWhileNoClientRuns() throws {
        XCTAssertFalse(Throughline.isRunning)
        var request = URLRequest(url: URL(string: "https://api.example.com/new")!)
        request.setValue("abc", forHTTPHeaderField: "x-correlation-id")
        func left(from url: String) -> String? {
            RedirectCheck.safe(request, from: URLRequest(url: URL(string: url)!))
                .value(forHTTPHeaderField: "x-correlation-id")
        }
        XCTAssertEqual(left(from: "https://API.example.com/old"), "abc")
        // They may be those of a client that has ended meanwhile.
        XCTAssertNil(left(from: "https://example.com/old"))
        XCTAssertNil(left(from: "http://api.example.com/old"))
    }

    func testATracedRequestIsTheRequestOfTheApp() throws {
        let app = try App().start()
        var request = URLRequest(url: URL(string: "http://127.0.0.1:9/kept")!)
        request.httpMethod = "PUT"
        request.httpBody = Data("body".utf8)
        request.timeoutInterval = 7
        request.cachePolicy = .reloadIgnoringLocalCacheData
        request.allowsCellularAccess = false
        request.httpShouldHandleCookies = false
        request.setValue("1", forHTTPHeaderField: "x-app")
        let traced = TracedRequest(request).request
        XCTAssertEqual(traced.httpMethod, "PUT")
        XCTAssertEqual(traced.httpBody, Data("body".utf8))
        XCTAssertEqual(traced.timeoutInterval, 7)
        XCTAssertEqual(traced.cachePolicy, .reloadIgnoringLocalCacheData)
        XCTAssertFalse(traced.allowsCellularAccess)
        XCTAssertFalse(traced.httpShouldHandleCookies)
        XCTAssertEqual(traced.value(forHTTPHeaderField: "x-app"), "1")
        request.httpBody = nil
        request.httpBodyStream = InputStream(data: Data("stream".utf8))
        XCTAssertNotNil(TracedRequest(request).request.httpBodyStream)
        _ = app
    }
}
