import Foundation
import XCTest
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif
@testable import Throughline

final class FacadeTests: XCTestCase {
    func testCallsBeforeTheStartAreReplayedWithTheirOwnTimes() throws {
        let app = try App()
        // Earlier tests of this process have shut the client down. Calls are kept only when a start
        // is expected.
        Recorder.expectStart()
        Throughline.setUser(id: "u-1", ["plan": "gold"])
        Throughline.log(.info, "early bird", ["n": 7])
        let operation = Throughline.startOperation("EarlyOperation")
        operation.context.run { Throughline.log(.warn, "inside") }
        operation.succeed()
        let request = TracedRequest(URLRequest(url: URL(string: "http://127.0.0.1:9/early")!))
        let before = Int64(Date().timeIntervalSince1970 * 1_000)
        // The calls age, so that they would be noticed if they had the time of the start.
        Thread.sleep(forTimeInterval: 0.3)
        try app.start()
        request.measured(protocol: "h2")
        request.end(nil, bytes: 3)
        let seen = try app.seen()
        let bird = try XCTUnwrap(seen.first { $0.body == "early bird" })
        XCTAssertLessThan(bird.timeNs / 1_000_000, before + 100)
        XCTAssertEqual(bird.attributes["n"], "7")
        let span = try XCTUnwrap(seen.first { $0.name == "EarlyOperation" })
        XCTAssertEqual(span.trace, seen.first { $0.body == "inside" }?.trace)
        let early = try XCTUnwrap(seen.first { $0.attributes["url.full"]?.hasSuffix("/early") == true })
        XCTAssertLessThan(early.timeNs / 1_000_000, before + 100)
        XCTAssertEqual(early.attributes["network.protocol.version"], "2")
        Recorder.lostEarly.value = 0
        try Throughline.shutdown()
        Recorder.expectStart()
        for _ in 0..<150 { Throughline.event("filler") }
        XCTAssertEqual(Recorder.lostEarly.value, 50)
    }

    func testWhoUsesTheAppAndWhatItSaysOfItselfGoesWithEveryEventUntilItIsTakenBack() throws {
        let app = try App().start()
        Throughline.setUser(id: "u-1", ["plan": "gold"])
        Throughline.setGlobalAttribute("tenant", "acme")
        Throughline.setFeatureFlag("new-cart", true)
        Throughline.log(.info, "somebody's")
        Throughline.clearUser()
        Throughline.setGlobalAttribute("tenant", nil)
        Throughline.setFeatureFlag("new-cart", nil)
        Throughline.log(.info, "nobody's")
        let seen = try app.seen()
        let known = [
            "user.id": "u-1", "user.plan": "gold", "tenant": "acme", "throughline.feature_flag.new-cart": "1",
        ]
        let somebody = try XCTUnwrap(seen.first { $0.body == "somebody's" })
        XCTAssertEqual(somebody.attributes.filter { known.keys.contains($0.key) }, known)
        let nobody = try XCTUnwrap(seen.first { $0.body == "nobody's" })
        XCTAssertEqual(nobody.attributes.keys.filter(known.keys.contains), [])
        XCTAssertEqual(nobody.resource, somebody.resource)
        XCTAssertNotNil(nobody.resource["service.name"])
    }

    func testANilIsNoAttributeAndNumbersAreOfAnySize() throws {
        let app = try App().start()
        let coupon: String? = nil
        Throughline.setGlobalAttribute("plan", "gold")
        Throughline.setGlobalAttribute("plan", coupon)
        Throughline.event("bought", ["coupon": coupon, "sku": "A-17", "n": UInt64.max, "small": Int8(-1), "cart": ["gift": coupon, "note": Optional("hi")]])
        let bought = try XCTUnwrap(app.seen().first { $0.name == "bought" }).attributes
        XCTAssertEqual(bought["sku"], "A-17")
        XCTAssertEqual(bought["n"], "9223372036854775807")
        XCTAssertEqual(bought["small"], "-1")
        XCTAssertNil(bought["coupon"])
        XCTAssertNil(bought["plan"])
        XCTAssertTrue(bought["cart"]?.contains("hi") == true && bought["cart"]?.contains("gift") == false, bought["cart"] ?? "")
    }

    func testTheResourceSaysWhatTheAppRunsOnAndTheAppHasTheLastWord() throws {
        var configuration = Configuration(serviceName: "shop")
        configuration.dataDir = FileManager.default.temporaryDirectory
        configuration.resource = ["os.name": "ours"]
        let resource = try configuration.generated().resource.dictionary
        XCTAssertEqual(resource["os.name"], "ours")
        XCTAssertEqual(resource["os.version"]?.split(separator: ".").count, 3)
    }

    func testTheLatestViewThatAppearedIsShownUntilItGoes() async throws {
        let app = try App().start()
        await MainActor.run {
            let screen = Appearances()
            let (list, sheet, detail) = (UUID(), UUID(), UUID())
            screen.appeared(list, as: "List")
            Throughline.log(.info, "listed")
            screen.appeared(sheet, as: "Sheet")
            Throughline.log(.info, "over it")
            screen.disappeared(sheet)
            Throughline.log(.info, "back")
            // In a push, the new view appears before the old one disappears.
            screen.appeared(detail, as: "Detail")
            screen.disappeared(list)
            Throughline.log(.info, "pushed")
            screen.disappeared(detail)
            screen.disappeared(detail)
            Throughline.log(.info, "gone")
        }
        let seen = try app.seen()
        let views = ["listed", "over it", "back", "pushed", "gone"].map { body in
            seen.first { $0.body == body }?.attributes["app.screen.name"]
        }
        XCTAssertEqual(views, ["List", "Sheet", "List", "Detail", "Background"])
    }

    func testOnlyStartFlushAndShutdownThrow() throws {
        if Throughline.isRunning { try Throughline.shutdown() }
        XCTAssertThrowsError(try Throughline.flush())
        XCTAssertThrowsError(try Throughline.shutdown())
        XCTAssertNil(Throughline.sessionId)
        XCTAssertNil(Throughline.health())
        let app = try App().start()
        XCTAssertThrowsError(try app.start())
        try Throughline.shutdown()
        let operation = Throughline.startOperation("late")
        operation.set(["a": 1])
        operation.fail(URLError(.badURL))
        Throughline.action("late")
        Throughline.setGlobalAttribute("a", 1)
        XCTAssertFalse(Throughline.drain())
        try app.start()
        XCTAssertGreaterThanOrEqual(Throughline.health()!.closedCalls, 4)
        XCTAssertFalse(try app.seen().contains { $0.action == "late" || $0.name == "late" })
    }

    func testALibraryOfAnotherVersionIsRefusedBeforeItIsCalled() throws {
        let app = try App()
        let current = DraftLayout.libraryVersion
        for other in [0, current + 1, current + 1 << 16, current + 1 << 32, .max] {
            do {
                try Running(libraryVersion: other).start(app.configuration, consent: .granted)
                XCTFail("version \(other) was accepted")
            } catch .library(let reason) {
                XCTAssertTrue(reason.contains(LibraryVersion.text(other)), reason)
                XCTAssertTrue(reason.contains(LibraryVersion.text(current)), reason)
            } catch {
                XCTFail("\(error)")
            }
            XCTAssertFalse(FileManager.default.fileExists(atPath: app.directory.path))
        }
        XCTAssertEqual(LibraryVersion.text(1 << 32 | 2 << 16 | 3), "1.2.3")
        // The library that is linked is the right one, and a start that was refused is no start.
        try app.start()
    }

    func testAClientThatIsStartedAgainKnowsTheConditionsOfTheDevice() throws {
        let app = try App().start()
        var conditions = Conditions()
        conditions.network = .offline
        Throughline.setConditions(conditions)
        defer { Throughline.setConditions(Conditions()) }
        for _ in 0..<2 {
            Throughline.event("offline")
            let outcome = try Throughline.flush(timeout: 1)
            XCTAssertFalse(outcome.isComplete)
            XCTAssertTrue(outcome.reason?.contains("offline") == true, "\(outcome)")
            try Throughline.shutdown()
            try app.start()
        }
    }

    func testAConfigurationThatCannotWorkNamesItsField() throws {
        let app = try App()
        func failure(_ change: (inout Configuration) -> Void) -> String {
            var configuration = app.configuration
            change(&configuration)
            do {
                try Throughline.start(configuration, consent: .granted)
            } catch .invalidConfiguration(let reason) {
                return reason
            } catch {
                return "\(error)"
            }
            return ""
        }
        XCTAssertTrue(failure { $0.serviceName = " " }.contains("service_name"))
        XCTAssertTrue(failure { $0.destinations = [Destination(endpoint: "nonsense")] }.contains("endpoint"))
        XCTAssertTrue(failure { $0.destinations = [.sentry(dsn: "nonsense")] }.contains("dsn"))
        XCTAssertTrue(
            failure { $0.destinations = [.datadog(clientToken: "pub1", applicationID: "7")] }.contains("application_id"))
        XCTAssertTrue(
            failure { $0.destinations = [.fluentd(endpoint: "http://127.0.0.1:9", tag: "A b")] }.contains("tag"))
        XCTAssertTrue(failure { $0.destinations[0].lanes = [] }.contains("lanes"))
        XCTAssertTrue(failure { $0.destinations[0].kinds = [] }.contains("kinds"))
        XCTAssertTrue(failure { $0.destinations[0].maxAge = 1 }.contains("max_age"))
        XCTAssertTrue(failure { $0.traceHosts = [TraceHost("https://a.example/x")] }.contains("trace_hosts"))
        XCTAssertTrue(failure { $0.sessionSampleRate = .nan }.contains("session_sample_rate"))
        XCTAssertTrue(failure { $0.queueBytes = -1 }.contains("queue_bytes"))
        try app.start()
    }

    func testWhatIsHugeOrOddIsCutAndSurvived() throws {
        let app = try App().start()
        let panics = Throughline.health()!.panics
        let huge = String(repeating: "x", count: 10_000_000)
        Throughline.action(huge, [huge: huge])
        Throughline.error(type: huge, message: huge, stack: huge)
        Throughline.log(.info, "nothing\0odd", ["nan": Double.nan, "none": Int?.none, "list": [1, 2], "most": UInt64.max])
        Throughline.measure("m", .nan)
        Throughline.longTask(-.infinity)
        Throughline.longTask(.nan)
        let seen = try app.seen()
        let health = Throughline.health()!
        XCTAssertEqual(health.malformedCalls, 0)
        XCTAssertEqual(health.panics, panics)
        XCTAssertTrue(seen.contains { $0.body == "nothing\0odd" })
        XCTAssertTrue(seen.contains { $0.action.hasPrefix("xxx") })
    }

    func testViewsCarryWhatWasFedToThemAndHeadersAreThoseOfWhatRuns() throws {
        let app = try App()
        app.configuration.traceHosts = [TraceHost("api.example.com")]
        try app.start()
        Throughline.startView("List")
        Throughline.markInteractive()
        Throughline.frames(59)
        Throughline.slowFrame(0.05)
        Throughline.memory(bytes: 4_096)
        Throughline.cpuTime(0.25)
        Throughline.pushView("Sheet")
        Throughline.log(.info, "over it")
        Throughline.stopView()
        Throughline.log(.info, "back")
        Throughline.stopView()
        let seen = try app.seen()
        let views = ["over it", "back"].map { body in seen.first { $0.body == body }?.attributes["app.screen.name"] }
        XCTAssertEqual(views, ["Sheet", "List"])
        let list = try XCTUnwrap(seen.last { $0.name == "app.screen.view" && $0.attributes["app.screen.name"] == "List" }).attributes
        XCTAssertEqual(
            ["frame.count", "slow_frame.count", "memory_max", "cpu_time"].map { list["rum.view.\($0)"] }, ["59", "1", "4096", "0.25"])
        XCTAssertNotNil(list["rum.view.loading_time"])
        let listed = URL(string: "https://api.example.com/me")!
        Throughline.operation("Headers") { operation in
            XCTAssertEqual(Throughline.traceHeaders(URL(string: "https://example.org/")!), [:])
            let parent = Throughline.traceHeaders(listed)["traceparent"]?.split(separator: "-").map(String.init)
            XCTAssertEqual(parent?[1], operation.context.traceId)
            XCTAssertNil(Throughline.traceHeaders(listed, existing: ["traceparent": "the app's own"])["traceparent"])
        }
        XCTAssertEqual(Throughline.traceHeaders(listed), [:])
    }

    func testErasingRenewingAndSuspendingDoWhatTheySay() throws {
        let app = try App().start()
        Throughline.event("erased")
        let installation = try XCTUnwrap(Throughline.installationId)
        XCTAssertTrue(Throughline.erase())
        XCTAssertNotEqual(installation, Throughline.installationId)
        let first = try XCTUnwrap(Throughline.sessionId)
        Throughline.renewSession()
        XCTAssertNotEqual(first, Throughline.sessionId)
        XCTAssertTrue(Throughline.suspendStorage())
        XCTAssertEqual(Throughline.health()?.storage, "suspended")
        Throughline.event("while suspended")
        XCTAssertTrue(Throughline.resumeStorage())
        let seen = try app.seen()
        XCTAssertFalse(seen.contains { $0.name == "erased" })
        XCTAssertTrue(seen.contains { $0.name == "while suspended" })
    }

    func testTheSameDirectoryWithAnotherDevicesTagIsAnotherInstallation() throws {
        let app = try App()
        func visit(_ tag: String) throws -> String? {
            app.configuration.deviceTag = tag
            _ = try app.start()
            defer { _ = try? Throughline.shutdown() }
            return Throughline.installationId
        }
        let first = try XCTUnwrap(visit("phone-a"))
        XCTAssertEqual(first, try visit("phone-a"))
        let clone = try XCTUnwrap(visit("phone-b"))
        XCTAssertNotEqual(first, clone)
        XCTAssertEqual(clone, try visit("phone-b"))
    }

    func testASessionThatIsNotSampledIsKeptAsideAndSentAfterAnError() throws {
        let app = try App()
        app.configuration.sessionSampleRate = 0
        try app.start()
        Throughline.setTailSampling(TailSampling())
        Throughline.event("before")
        XCTAssertTrue(Throughline.drain())
        XCTAssertFalse(try app.inspector.seen().contains { $0.name == "before" })
        Throughline.error(type: "Oops", message: "reason enough")
        XCTAssertTrue(try app.seen().contains { $0.name == "before" })
    }

    func testConsentAndSwitchesHold() throws {
        let app = try App().start(.pending)
        Throughline.event("undecided")
        XCTAssertFalse(try Throughline.flush(timeout: 2).isComplete)
        Throughline.setConsent(.granted)
        XCTAssertTrue(try app.seen().contains { $0.name == "undecided" })
        Throughline.setEnabled(false)
        Throughline.event("off")
        XCTAssertFalse(Throughline.health()!.isEnabled)
        Throughline.setEnabled(true)
        let deadline = Date(timeIntervalSinceNow: 10)
        while Throughline.health()?.isEnabled == false, Date() < deadline { usleep(1_000) }
        Throughline.setFeatureFlag("beta", true)
        Throughline.syncFailure(rpc: "orders.push", code: "unavailable", retries: 3, offline: true)
        Throughline.queueFlush(depth: 12, ok: false)
        Throughline.reportProblem("odd")
        let seen = try app.seen()
        XCTAssertFalse(seen.contains { $0.name == "off" })
        for name in ["sync.failure", "queue.flush", "problem.reported"] {
            XCTAssertTrue(seen.contains { $0.name == name }, name)
        }
        XCTAssertNotNil(Throughline.sessionId)
        Throughline.setConsent(.denied)
        XCTAssertFalse(Throughline.health()!.isEnabled)
    }

    func testAHostsTransportMayThrowAndAuthorizationIsAskedAgain() throws {
        final class Sender: HostTransport, @unchecked Sendable {
            let own = URLSessionTransport()
            let calls = Count()
            func send(_ request: UploadRequest) throws -> UploadResponse {
                if calls.add(1) == 0 { throw URLError(.networkConnectionLost) }
                if request.headers["authorization"] != "fresh" { return UploadResponse(status: 401) }
                return try own.send(request)
            }
        }
        let app = try App()
        let sender = Sender()
        app.configuration.transport = sender
        app.configuration.authHeaders = { destination, refresh in
            destination == "default" ? ["authorization": refresh ? "fresh" : "stale"] : [:]
        }
        try app.start()
        Throughline.event("through URLSession")
        XCTAssertEqual(try app.seen().filter { $0.name == "through URLSession" }.count, 1)
        XCTAssertGreaterThanOrEqual(sender.calls.value, 3)
    }

    func testADestinationGetsWhatItNamesAndNothingWhileItIsPaused() throws {
        let app = try App()
        var errors = Destination.fluentd(endpoint: app.inspector.url, tag: "shop.app", name: "errors")
        errors.lanes = [.crash, .error]
        errors.maxAge = 3_600
        app.configuration.destinations[0].kinds = [.custom, .view, .session]
        app.configuration.destinations.append(errors)
        try app.start()
        Throughline.pauseDestination("errors")
        Throughline.pauseDestination("unknown")
        Throughline.event("for the first")
        Throughline.log(.error, "for the second, which is paused")
        let outcome = try Throughline.flush(timeout: 20)
        XCTAssertFalse(outcome.isComplete)
        XCTAssertEqual(outcome.waiting, 1)
        XCTAssertEqual(outcome.reason, "the app has paused the destination")
        let health = Throughline.health()!
        XCTAssertEqual(health.destinations.map(\.isPausedByApp), [false, true])
        XCTAssertGreaterThan(health.destinations[0].delivered, 0)
        XCTAssertTrue(health.problems.contains { $0.contains("no destination has the name `unknown`") })
        Throughline.resumeDestination("errors")
        XCTAssertFalse(Throughline.health()!.destinations[1].isPausedByApp)
        XCTAssertEqual(try app.inspector.seen().filter { $0.name == "for the first" }.count, 1)
    }

    func testAPauseThatWasAskedForBeforeTheStartIsNotForgottenForAnotherDestinations() throws {
        let app = try App()
        app.configuration.destinations.append(
            Destination(endpoint: app.configuration.destinations[0].endpoint, name: "errors"))
        Throughline.pauseDestination("errors")
        for _ in 0..<60 {
            Throughline.pauseDestination("default")
            Throughline.resumeDestination("default")
        }
        try app.start()
        // Destinations are known when the queue is open.
        _ = try Throughline.flush(timeout: 20)
        XCTAssertEqual(Throughline.health()!.destinations.map(\.isPausedByApp), [false, true])
    }

    func testAHostThatOwnsTheTimingFetchesUploads() throws {
        let app = try App()
        app.configuration.pull = true
        try app.start()
        Throughline.event("pulled")
        let first = try XCTUnwrap(Throughline.nextUpload(wait: 10))
        XCTAssertTrue(Throughline.uploadDone(first, nil))
        let again = try XCTUnwrap(Throughline.nextUpload(wait: 10))
        XCTAssertEqual(again.request.body, first.request.body)
        XCTAssertTrue(Throughline.uploadDone(again, UploadResponse(status: 200)))
        while let next = Throughline.nextUpload(wait: 0.5) { Throughline.uploadDone(next, UploadResponse(status: 200)) }
        XCTAssertTrue(try Throughline.flush(timeout: 5).isComplete)
    }
}
