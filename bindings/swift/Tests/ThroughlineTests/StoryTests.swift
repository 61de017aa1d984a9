import Foundation
import XCTest
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif
@testable import Throughline

final class Profile {
    var displayName = ""
    var isLoading = false
    var visits = 0
    var tags: [String] = []
    let id = 7
}

private func traced(_ name: String, _ policy: StorePolicy = StorePolicy(transient: ["isLoading"])) -> Traced<Profile> {
    Traced(Profile(), as: name, policy: policy) {
        $0.path("displayName", \.displayName)
        $0.path("isLoading", \.isLoading)
        $0.path("visits", \.visits)
    }
}

private var eager: StorePolicy {
    var policy = StorePolicy()
    policy.coalesce = 0
    policy.maxActionsPerSecond = 100_000
    policy.capture("**", .full)
    return policy
}

final class StoryTests: XCTestCase {
    func testATracedModelRecordsWhatIsDeclared() throws {
        let app = try App().start()
        let profile = traced("Profile")
        for _ in 0..<1_000 { profile.isLoading.toggle() }
        profile.displayName = "Ada"
        profile.displayName = "Ada"
        profile.tags = ["not declared"]
        XCTAssertEqual(profile.model.tags, ["not declared"])
        XCTAssertEqual(profile.id, 7)
        let seen = try app.seen()
        XCTAssertEqual(seen.filter { $0.action == "Profile.displayName.Update" }.count, 1)
        XCTAssertFalse(seen.contains { $0.action.contains("isLoading") || $0.action.contains("tags") })
        let books = try XCTUnwrap(Throughline.health()?.stores["Profile"])
        XCTAssertEqual(books.mutations, 1_001)
        XCTAssertEqual(books.suppressed.values.reduce(0, +), 1_000)
        // With another policy, remembered decisions are not valid any more.
        profile.store.updatePolicy(StorePolicy(deny: ["displayName"]))
        profile.isLoading.toggle()
        profile.displayName = "Grace"
        XCTAssertEqual(try app.seen().filter { $0.action == "Profile.isLoading.Update" }.count, 1)
        let later = try XCTUnwrap(Throughline.health()?.stores["Profile"])
        XCTAssertEqual(later.mutations, later.recorded + later.suppressed.values.reduce(0, +) + later.dropped)
    }

    func testAStoreSaysWhatSurroundsItsMutations() throws {
        let app = try App().start()
        let items = Count()
        let store = TracedStore("Cart").context { $0.put("items", Int(items.add(1)) + 1) }
        store.path("note").set("", "a")
        // Both mutations make one action, so that the last context counts.
        store.path("note").set("a", "b")
        let seen = try app.seen()
        XCTAssertEqual(seen.first { $0.action == "Cart.note.Update" }?.attributes["items"], "2")
    }

    func testModelsOfManyScreensShareTheStoreOfTheirName() throws {
        let app = try App().start()
        for n in 0..<1_000 {
            let profile = traced("Screen")
            profile.isLoading = true
            profile.displayName = "name-\(n)"
        }
        _ = try app.seen()
        let books = try XCTUnwrap(Throughline.health()?.stores["Screen"])
        XCTAssertEqual(books.mutations, 2_000)
        XCTAssertEqual(books.mutations, books.recorded + books.suppressed.values.reduce(0, +) + books.dropped)
        XCTAssertFalse(Throughline.health()!.problems.contains { $0.contains("Screen") })
        // Another client has another policy: decisions of the first one are not valid any more.
        let profile = traced("Screen")
        profile.isLoading = true
        try Throughline.shutdown()
        profile.store.updatePolicy(StorePolicy(deny: ["displayName"]))
        try app.start()
        profile.isLoading = false
        XCTAssertEqual(try app.seen().filter { $0.action == "Screen.isLoading.Update" }.count, 1)
    }

    func testATracedPropertyRecordsItsAssignments() throws {
        let store = TracedStore("Cart", policy: StorePolicy(transient: ["isLoading"]))
        final class Cart {
            @TracedState<Bool> var isLoading: Bool
            @TracedState<String?> var coupon: String?
            init(_ store: TracedStore) {
                _isLoading = TracedState(wrappedValue: false, store.path("isLoading"))
                _coupon = TracedState(wrappedValue: nil, store.path("coupon"))
            }
        }
        let app = try App().start()
        let cart = Cart(store)
        cart.isLoading = true
        cart.coupon = "SPRING"
        cart.coupon = "SPRING"
        let seen = try app.seen()
        XCTAssertEqual(seen.filter { $0.action == "Cart.coupon.Update" }.count, 1)
        XCTAssertFalse(seen.contains { $0.action == "Cart.isLoading.Update" })
    }

    func testAPolicyThatCannotWorkIsTold() throws {
        let app = try App().start()
        let store = TracedStore("Broken", policy: StorePolicy(allow: ["items["]))
        store.record("items[0]", old: 1, new: 2)
        let problems = Throughline.health()!.problems
        XCTAssertTrue(problems.contains { $0.contains("Broken") && $0.contains("items[") }, "\(problems)")
        _ = app
    }

    /// A model on the main actor, as those of SwiftUI are.
    @MainActor
    final class Model {
        let profile = traced("MainActorProfile", eager)
        let session = TracedURLSession()
        let server: String
        var calls = 0

        init(_ server: String) { self.server = server }

        func rename(_ n: Int) async throws {
            try await Throughline.operation("Rename\(n)") { operation in
                calls += 1
                try await Task.sleep(nanoseconds: UInt64(n % 7) * 1_000_000)
                _ = try await session.data(from: URL(string: "\(server)/rename/\(n)")!)
                profile.displayName = "name-\(n)"
                operation.set(["n": n])
            }
        }
    }

    func testAHundredTasksOfAMainActorModelEachKeepTheirOperation() async throws {
        let server = Server()
        let app = try App()
        app.configuration.traceHosts = [TraceHost("localhost")]
        try app.start()
        let model = await Model(server.listed)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for n in 0..<100 { group.addTask { try await model.rename(n) } }
            try await group.waitForAll()
        }
        let seen = try app.seen()
        let updates = seen.filter { $0.action == "MainActorProfile.displayName.Update" }
        XCTAssertEqual(updates.count, 100)
        for n in 0..<100 {
            let operation = try XCTUnwrap(seen.first { $0.signal == "span" && $0.name == "Rename\(n)" })
            let parent = try XCTUnwrap(server.asked("/rename/\(n)")?.headers["traceparent"])
            XCTAssertEqual(parent.split(separator: "-")[1], Substring(operation.trace))
            let update = try XCTUnwrap(updates.first { $0.attributes["state.new"] == "name-\(n)" })
            XCTAssertEqual(update.trace, operation.trace)
            XCTAssertEqual(update.attributes["state.cause"], "operation")
        }
    }

    func testFiftyAnswersThatComeUnderTheIdsOfTheirQuestionsBelongToThem() throws {
        let app = try App().start()
        XCTAssertNil(TraceContext.take(for: "question 0"))
        let asked = (0..<50).map { n in
            let operation = Throughline.startOperation("Ask\(n)")
            XCTAssertTrue(operation.context.keep(for: "question \(n)"))
            return operation
        }
        XCTAssertFalse(asked[0].context.keep(for: String(repeating: "x", count: 129)))
        for n in (0..<50).reversed() {
            try XCTUnwrap(TraceContext.take(for: "question \(n)")).run { Throughline.log(.info, "answer \(n)") }
        }
        XCTAssertNil(TraceContext.take(for: "question 7"))
        asked.forEach { $0.succeed() }
        let seen = try app.seen()
        for n in 0..<50 {
            let question = try XCTUnwrap(seen.first { $0.name == "Ask\(n)" })
            XCTAssertEqual(question.trace, seen.first { $0.body == "answer \(n)" }?.trace)
        }
    }

    func testFiftyInterleavedMessagesOfAWebSocketEachKeepTheirTraceTwoSuspensionsLater() async throws {
        let traces = (1...50).map { String(format: "%032x", $0) }
        let server = Server(messages: traces.enumerated().map { "\($0) 00-\($1)-00000000000000ff-01" })
        let app = try App()
        app.configuration.traceHosts = [TraceHost("localhost")]
        try app.start()
        let store = TracedStore("Chat", policy: eager)
        let session = TracedURLSession()
        let socket = session.session.webSocketTask(with: URL(string: "ws://localhost:\(server.port)/chat")!)
        socket.resume()
        defer { socket.cancel(with: .goingAway, reason: nil) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in traces {
                guard case .string(let message) = try await socket.receive() else { return XCTFail("no text") }
                let parts = message.split(separator: " ").map(String.init)
                let n = try XCTUnwrap(Int(parts[0]))
                let context = TraceContext(headers: ["traceparent": parts[1]])
                group.addTask {
                    try await context.run {
                        try await Task.sleep(nanoseconds: UInt64(n % 11) * 1_000_000)
                        await Task.yield()
                        store.record("messages[\(n)]", new: n, kind: .insert)
                        try await Task {
                            _ = try await session.data(from: URL(string: "\(server.listed)/ack/\(n)")!)
                        }.value
                    }
                }
            }
            try await group.waitForAll()
        }
        let seen = try app.seen()
        for (n, trace) in traces.enumerated() {
            XCTAssertEqual(seen.first { $0.attributes["state.path"] == "messages[\(n)]" }?.trace, trace)
            XCTAssertEqual(server.asked("/ack/\(n)")?.headers["traceparent"]?.split(separator: "-")[1], Substring(trace))
        }
    }

    func testHeadersGoToListedHostsAloneAndNeverOnARedirectElsewhere() async throws {
        let own = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        let elsewhere = Server()
        let server = Server { asked in
            switch asked.path {
            case "/away": "302 Found\r\nlocation: \(elsewhere.unlisted)/landed"
            case "/stay": "302 Found\r\nlocation: /stayed"
            default: "200 OK"
            }
        }
        let app = try App()
        app.configuration.traceHosts = [TraceHost("localhost")]
        try app.start()
        let session = TracedURLSession()
        try await Throughline.operation("Flow") { _ in
            for path in ["listed", "away", "stay"] { _ = try await session.data(from: URL(string: "\(server.listed)/\(path)")!) }
            _ = try await session.data(from: URL(string: "\(server.unlisted)/unlisted")!)
            var request = URLRequest(url: URL(string: "\(server.listed)/own")!)
            request.setValue(own, forHTTPHeaderField: "traceparent")
            _ = try await session.data(for: request)
        }
        XCTAssertNotNil(server.asked("/listed")?.headers["traceparent"])
        XCTAssertNil(server.asked("/unlisted")?.headers["traceparent"])
        XCTAssertNotNil(server.asked("/stayed")?.headers["traceparent"])
        let landed = try XCTUnwrap(elsewhere.asked("/landed"))
        XCTAssertFalse(landed.headers.keys.contains { TraceHeaders.names.contains($0) }, "\(landed)")
        XCTAssertEqual(server.asked("/own")?.headers["traceparent"], own)
        let seen = try app.seen()
        let operation = try XCTUnwrap(seen.first { $0.name == "Flow" })
        let requests = seen.filter { $0.signal == "span" && $0.attributes["url.full"] != nil }
        XCTAssertEqual(requests.count, 5)
        XCTAssertEqual(requests.filter { $0.parent == operation.span }.count, 4)
    }

    func testARequestSaysWhatItsTimeWentInto() throws {
        struct Measured: TransactionMetrics {
            var networkProtocolName: String? = "h2"
            var domainLookupStartDate, domainLookupEndDate, connectStartDate, connectEndDate: Date?
            var secureConnectionStartDate, secureConnectionEndDate, requestStartDate, responseStartDate, responseEndDate: Date?
        }
        let app = try App().start()
        let url = URL(string: "https://api.example.com/")!
        let now = Date()
        let after = { (milliseconds: Double) in now.addingTimeInterval(milliseconds / 1_000) }
        for (path, isReused) in [("new", false), ("reused", true)] {
            let request = TracedRequest(URLRequest(url: url.appendingPathComponent(path)))
            var metrics = Measured(requestStartDate: after(40), responseStartDate: after(90), responseEndDate: after(95))
            if !isReused {
                (metrics.domainLookupStartDate, metrics.domainLookupEndDate) = (after(1), after(5))
                (metrics.connectStartDate, metrics.connectEndDate) = (after(5), after(40))
                (metrics.secureConnectionStartDate, metrics.secureConnectionEndDate) = (after(10), after(40))
            }
            request.measured(metrics)
            // Times that make no sense, and more phases than there is room for, do no harm.
            request.measured(.dns, from: after(9e12), to: now)
            request.measured(.dns, from: nil, to: now)
            request.end(nil, bytes: nil)
        }
        let seen = try app.seen()
        let new = try XCTUnwrap(seen.first { $0.attributes["url.full"]?.hasSuffix("new") == true })
        XCTAssertEqual(new.attributes["network.protocol.version"], "2")
        let order = [
            "domainLookupStart", "domainLookupEnd", "connectStart", "secureConnectionStart", "connectEnd", "requestStart",
            "responseStart", "responseEnd",
        ]
        XCTAssertEqual(Set(new.moments.keys), Set(order))
        let times = try order.map { try XCTUnwrap(new.moments[$0]) }
        XCTAssertEqual(times, times.sorted())
        XCTAssertEqual(Double(times[6] - times[5]), 50e6, accuracy: 1e4)
        let reused = try XCTUnwrap(seen.first { $0.attributes["url.full"]?.hasSuffix("reused") == true })
        XCTAssertEqual(Set(reused.moments.keys), Set(order.suffix(3) + order.prefix(2)))
    }

    func testContextGoesWhereItIsBoundAndNowhereElse() async throws {
        let app = try App().start()
        let queue = DispatchQueue(label: "test")
        let done = expectation(description: "queue")
        await Throughline.operation("Bound") { _ in
            Throughline.log(.info, "inside")
            queue.async(execute: Throughline.bind { Throughline.log(.info, "bound") })
            queue.async {
                Throughline.log(.info, "unbound")
                done.fulfill()
            }
            await Task.detached(operation: Throughline.bind { Throughline.log(.info, "detached") }).value
            await Task { Throughline.log(.info, "inherited") }.value
        }
        await fulfillment(of: [done], timeout: 10)
        let seen = try app.seen()
        let trace = try XCTUnwrap(seen.first { $0.name == "Bound" }?.trace)
        for body in ["inside", "bound", "detached", "inherited"] {
            XCTAssertEqual(seen.first { $0.body == body }?.trace, trace, body)
        }
        XCTAssertNotEqual(seen.first { $0.body == "unbound" }?.trace, trace)
    }
}
