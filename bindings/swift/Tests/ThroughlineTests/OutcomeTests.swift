import Foundation
import XCTest
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif
@testable import Throughline

/// What nobody wants any more has not failed, and what was not answered in time has one word.
final class OutcomeTests: XCTestCase {
    private struct Refused: Error {}

    private func outcome(_ name: String, in seen: [Seen]) throws -> String {
        try XCTUnwrap(seen.first { $0.signal == "span" && $0.name == name }?.attributes["operation.outcome"], name)
    }

    func testACancelledOperationHasNotFailed() async throws {
        let app = try App().start()
        let cancellations: [any Error] = [
            CancellationError(), URLError(.cancelled), CocoaError(.userCancelled), POSIXError(.ECANCELED),
            NSError(domain: NSURLErrorDomain, code: -999),
        ]
        for (n, error) in cancellations.enumerated() {
            XCTAssertThrowsError(try Throughline.operation("Sync\(n)") { _ in throw error })
            do {
                try await Throughline.operation("Async\(n)") { _ in
                    await Task.yield()
                    throw error
                }
                XCTFail("\(error)")
            } catch {}
            // As an app does that ends its operations itself.
            Throughline.startOperation("Own\(n)").fail(error)
        }
        Throughline.startOperation("Given up").abandon()
        Throughline.startOperation("Cancelled").cancel()
        let span = Throughline.startOperation("With a child")
        span.child("decode").cancel()
        span.succeed()
        XCTAssertThrowsError(try Throughline.operation("Refused") { _ in throw Refused() })
        let seen = try app.seen()
        for n in cancellations.indices {
            for name in ["Sync\(n)", "Async\(n)", "Own\(n)"] { XCTAssertEqual(try outcome(name, in: seen), "cancelled") }
        }
        XCTAssertEqual(try outcome("Given up", in: seen), "abandoned")
        XCTAssertEqual(try outcome("Cancelled", in: seen), "cancelled")
        XCTAssertEqual(try outcome("With a child", in: seen), "succeeded")
        XCTAssertEqual(try outcome("Refused", in: seen), "failed")
        let errors = seen.filter { $0.attributes["exception.type"] != nil }
        XCTAssertEqual(errors.map { $0.attributes["exception.type"]?.contains("Refused") }, [true])
    }

    func testAnOperationWhoseRequestTimesOutFailsAndOneThatIsTimedOutSaysSo() async throws {
        let app = try App().start()
        XCTAssertThrowsError(try Throughline.operation("Slow request") { _ in throw URLError(.timedOut) })
        // An app that gives its work a time says what happened. What is thrown later counts no more.
        try? Throughline.operation("Out of time") { operation in
            operation.timeOut()
            throw CancellationError()
        }
        let seen = try app.seen()
        XCTAssertEqual(try outcome("Slow request", in: seen), "failed")
        XCTAssertEqual(try outcome("Out of time", in: seen), "timed_out")
        XCTAssertEqual(seen.first { $0.name == "Out of time" }?.attributes["error.type"], "timeout")
        XCTAssertEqual(seen.filter { $0.attributes["exception.type"] != nil }.count, 1)
    }

    func testAParentThatIsCancelledWhileItsChildRunsEndsBothAsCancelled() async throws {
        let app = try App().start()
        let (isInside, inside) = AsyncStream<Void>.makeStream()
        let task = Task {
            try await Throughline.operation("Parent") { _ in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        try await Throughline.operation("Child") { _ in
                            inside.finish()
                            try await Task.sleep(nanoseconds: 600_000_000_000)
                        }
                    }
                    try await group.waitForAll()
                }
            }
        }
        for await _ in isInside {}
        task.cancel()
        _ = await task.result
        let seen = try app.seen()
        XCTAssertEqual(try outcome("Child", in: seen), "cancelled")
        XCTAssertEqual(try outcome("Parent", in: seen), "cancelled")
        XCTAssertFalse(seen.contains { $0.attributes["exception.type"] != nil })
    }

    // MARK: Requests

    /// A server that does not answer until it is told to.
    private final class Silent: @unchecked Sendable {
        let heard = DispatchSemaphore(value: 0)
        let end = DispatchSemaphore(value: 0)
        lazy var server = Server { [heard, end] _ in
            heard.signal()
            end.wait()
            return "200 OK"
        }

        /// Ends the threads that still wait.
        func finish() { for _ in 0..<16 { end.signal() } }
    }

    private func errorType(_ path: String, in seen: [Seen]) throws -> String? {
        let spans = seen.filter { $0.signal == "span" && $0.attributes["url.full"]?.hasSuffix("/\(path)") == true }
        XCTAssertEqual(spans.count, 1, path)
        return spans.first?.attributes["error.type"]
    }

    func testARequestThatIsCancelledIsNoFailureHoweverItIsCancelled() async throws {
        let app = try App().start()
        let silent = Silent()
        let server = silent.server
        defer { silent.finish() }
        let url = { @Sendable (path: String) in URL(string: "\(server.listed)/\(path)")! }
        // Before it is resumed.
        let session = TracedURLSession()
        var early: URLSessionDataTask? = session.dataTask(with: URLRequest(url: url("early"))) { _, _, _ in }
        early?.cancel()
        early = nil
        // Never resumed, and released.
        var unused: TracedURLSession? = TracedURLSession()
        _ = unused?.dataTask(with: URLRequest(url: url("unused"))) { _, _, _ in }
        unused?.session.invalidateAndCancel()
        unused = nil
        // While it runs.
        let running = expectation(description: "running")
        let task = session.dataTask(with: URLRequest(url: url("running"))) { _, _, _ in running.fulfill() }
        task.resume()
        await Self.wait(silent.heard)
        task.cancel()
        // By its session.
        let invalidated = expectation(description: "invalidated")
        let other = TracedURLSession()
        let last = other.dataTask(with: URLRequest(url: url("invalidated"))) { _, _, _ in invalidated.fulfill() }
        last.resume()
        await Self.wait(silent.heard)
        other.session.invalidateAndCancel()
        // By the task that waits for it, and by one that was cancelled before.
        let waiting = Task { try await session.data(from: url("task")) }
        await Self.wait(silent.heard)
        waiting.cancel()
        _ = await waiting.result
        let late = Task {
            while !Task.isCancelled { await Task.yield() }
            _ = try await Throughline.operation("Late") { _ in try await session.data(from: url("late")) }
        }
        late.cancel()
        _ = await late.result
        await fulfillment(of: [running, invalidated], timeout: 20)
        var seen = try app.seen()
        let paths = ["early", "unused", "running", "invalidated", "task", "late"]
        // A task that is released ends when its session lets it go, on a queue of Foundation's.
        let deadline = Date(timeIntervalSinceNow: 10)
        func missing() -> [String] {
            paths.filter { path in !seen.contains { $0.attributes["url.full"]?.hasSuffix("/\(path)") == true } }
        }
        while !missing().isEmpty, Date() < deadline { seen = try app.seen() }
        XCTAssertEqual(missing(), [])
        for path in paths { XCTAssertEqual(try errorType(path, in: seen), "cancelled", path) }
        XCTAssertEqual(try outcome("Late", in: seen), "cancelled")
        XCTAssertFalse(seen.contains { $0.attributes["exception.type"] != nil })
    }

    func testARequestThatIsNotAnsweredInTimeIsATimeout() async throws {
        let app = try App().start()
        let silent = Silent()
        let server = silent.server
        defer { silent.finish() }
        let configuration = URLSessionConfiguration.ephemeral
        configuration.timeoutIntervalForRequest = 1
        do {
            let session = TracedURLSession(configuration: configuration)
            _ = try await session.data(from: URL(string: "\(server.listed)/slow")!)
            XCTFail("the server has not answered")
        } catch {}
        let own = TracedRequest(URLRequest(url: URL(string: "\(server.listed)/own")!))
        own.fail(POSIXError(.ETIMEDOUT))
        let refused = TracedRequest(URLRequest(url: URL(string: "\(server.listed)/refused")!))
        refused.fail(URLError(.cannotConnectToHost))
        let seen = try app.seen()
        XCTAssertEqual(try errorType("slow", in: seen), "timeout")
        XCTAssertEqual(try errorType("own", in: seen), "timeout")
        XCTAssertEqual(try errorType("refused", in: seen), "URLError.-1004")
    }

    /// Waits on a thread of its own, so that no thread of the tasks is blocked.
    private static func wait(_ semaphore: DispatchSemaphore) async {
        await withCheckedContinuation { done in
            Thread.detachNewThread {
                semaphore.wait()
                done.resume()
            }
        }
    }

    // MARK: Once

    func testARequestThatTwoLayersTraceIsRecordedOnce() async throws {
        let app = try App()
        let server = Server()
        app.configuration.traceHosts = [TraceHost("localhost")]
        try app.start()
        let session = TracedURLSession(delegate: RedirectCheck(RedirectCheck()))
        let request = URLRequest(url: URL(string: "\(server.listed)/twice")!)
        try await Throughline.operation("Twice") { _ in
            let outer = TracedRequest(request)
            let inner = TracedRequest(outer.request)
            inner.measured(protocol: "h2")
            let (data, response) = try await session.data(for: inner.request)
            inner.end(response, bytes: data.count)
            outer.end(response, bytes: data.count)
            // The same request again, once the first is over, is another one.
            _ = try await session.data(for: outer.request)
        }
        let seen = try app.seen()
        let spans = seen.filter { $0.signal == "span" && $0.attributes["url.full"]?.hasSuffix("/twice") == true }
        XCTAssertEqual(spans.count, 2)
        XCTAssertEqual(spans.filter { $0.attributes["network.protocol.version"] == "2" }.count, 1)
        let asked = server.asked.filter { $0.path == "/twice" }
        XCTAssertEqual(asked.count, 2)
        for one in asked {
            let parent = try XCTUnwrap(one.headers["traceparent"]).split(separator: "-").map(String.init)
            XCTAssertEqual(parent.count, 4)
            XCTAssertEqual(parent[1], seen.first { $0.name == "Twice" }?.trace)
        }
        XCTAssertEqual(asked[0].headers["traceparent"]?.split(separator: "-")[2], spans.first.map { Substring($0.span) })
    }

    func testRequestsThatShareAHeaderOfTheAppsOwnAreRequestsOfTheirOwn() throws {
        let app = try App()
        app.configuration.traceHosts = [TraceHost("localhost")]
        try app.start()
        var request = URLRequest(url: URL(string: "http://localhost/shared")!)
        request.setValue("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", forHTTPHeaderField: "traceparent")
        let both = [TracedRequest(request), TracedRequest(request)]
        for one in both { one.end(nil, bytes: nil) }
        XCTAssertEqual(try app.seen().filter { $0.attributes["url.full"]?.hasSuffix("/shared") == true }.count, 2)
    }

    func testATransportThatTracesItsRequestsDoesNotRecordOurUploads() throws {
        final class Traced: HostTransport, @unchecked Sendable {
            let session = TracedURLSession()
            let headers = Count()

            func send(_ request: UploadRequest) throws -> UploadResponse {
                var post = URLRequest(url: URL(string: request.url)!)
                post.httpMethod = "POST"
                post.httpBody = request.body
                for (name, value) in request.headers { post.setValue(value, forHTTPHeaderField: name) }
                let done = DispatchSemaphore(value: 0)
                let status = Count()
                session.dataTask(with: post) { _, response, _ in
                    status.value = UInt64((response as? HTTPURLResponse)?.statusCode ?? 500)
                    done.signal()
                }.resume()
                done.wait()
                return UploadResponse(status: Int(status.value))
            }
        }
        let app = try App()
        app.configuration.traceHosts = [TraceHost("127.0.0.1")]
        app.configuration.transport = Traced()
        try app.start()
        Throughline.event("one")
        _ = try app.seen()
        Throughline.event("two")
        XCTAssertFalse(try app.seen().contains { $0.attributes["url.full"] != nil })
        XCTAssertEqual(Throughline.health()?.unknownCalls, 0)
    }

    func testATransportLeavesTheConfigurationAndTheCookiesOfTheAppAlone() throws {
        let server = Server { _ in "200 OK\r\nset-cookie: collector=1; path=/" }
        let storage = HTTPCookieStorage.shared
        let configuration = URLSessionConfiguration.default
        configuration.httpCookieStorage = storage
        configuration.httpShouldSetCookies = true
        configuration.timeoutIntervalForRequest = 7
        configuration.timeoutIntervalForResource = 8
        configuration.httpAdditionalHeaders = ["x-app": "1"]
        let policy = configuration.httpCookieAcceptPolicy
        let transport = URLSessionTransport(configuration: configuration)
        XCTAssertTrue(configuration.httpShouldSetCookies)
        XCTAssertEqual(configuration.timeoutIntervalForRequest, 7)
        XCTAssertEqual(configuration.timeoutIntervalForResource, 8)
        XCTAssertEqual(configuration.httpCookieAcceptPolicy, policy)
        XCTAssertTrue(configuration.httpCookieStorage === storage)
        let answer = try transport.send(UploadRequest(url: server.listed + "/v1/logs", headers: [:], body: Data("{}".utf8)))
        XCTAssertEqual(answer.status, 200)
        XCTAssertEqual(server.asked("/v1/logs")?.headers["x-app"], "1")
        XCTAssertFalse(storage.cookies?.contains { $0.name == "collector" } ?? false)
        _ = TracedURLSession(configuration: configuration)
        XCTAssertEqual(configuration.timeoutIntervalForRequest, 7)
    }
}
