import Foundation
import XCTest
@testable import Throughline

final class DeathTests: XCTestCase {
    /// The test below runs this in a process of its own. It records as fast as it can, and prints
    /// the number of each call that has returned, until it is killed.
    func testDoomedChild() throws {
        guard let directory = ProcessInfo.processInfo.environment["THROUGHLINE_DOOMED"] else {
            throw XCTSkip("only as a child of the test below")
        }
        var configuration = Configuration(serviceName: "doomed")
        configuration.dataDir = URL(fileURLWithPath: directory)
        configuration.environment = .test
        configuration.selfReport = false
        try Throughline.start(configuration, consent: .granted)
        // The promise begins when the journal is mapped.
        while Throughline.health()?.journal == "starting" { usleep(1_000) }
        for lane in 0...1 {
            Thread.detachNewThread {
                var n = 0
                while true {
                    let kept = Recorder.record(.action) {
                        $0.u8(ActionType.custom.code)
                        $0.text("doomed")
                        $0.attributes(["lane": lane, "n": n])
                    }
                    if kept == Answer.done {
                        let line = "ack \(lane) \(n)\n"
                        _ = line.withCString { write(1, $0, strlen($0)) }
                    }
                    n += 1
                    if n % 64 == 0 { usleep(1_000) }
                }
            }
        }
        while true { sleep(1) }
    }

    func testAKilledProcessLosesNothingThatWasAcknowledged() throws {
        let kills = ProcessInfo.processInfo.environment["THROUGHLINE_KILLS"].flatMap { Int($0) } ?? 5
        var all = 0
        for round in 0..<kills {
            let directory = FileManager.default.temporaryDirectory.appendingPathComponent("doomed-\(UUID())")
            defer { try? FileManager.default.removeItem(at: directory) }
            let child = try Child(
                [CommandLine.arguments[0], "ThroughlineTests.DeathTests/testDoomedChild"],
                environment: ["THROUGHLINE_DOOMED": directory.path])
            let enough = Int.random(in: 1...4_000)
            var acknowledged: [String] = []
            while acknowledged.count < enough {
                let line = child.line()
                XCTAssertFalse(line.isEmpty, "the child ended by itself")
                if line.isEmpty { return }
                if line.hasPrefix("ack ") { acknowledged.append(line) }
            }
            child.stop(SIGKILL)
            // Reads what was in the pipe when the child was killed. Half a line may be left.
            acknowledged += child.lines().filter { $0.hasPrefix("ack ") }
            let inspector = try Inspector()
            var configuration = Configuration(serviceName: "doomed", endpoint: inspector.url)
            configuration.dataDir = directory
            configuration.environment = .test
            configuration.startJitter = false
            configuration.selfReport = false
            try Throughline.start(configuration, consent: .granted)
            XCTAssertTrue(try Throughline.flush(timeout: 30).isComplete)
            let arrived = try inspector.seen().filter { $0.action == "doomed" }
                .map { "ack \($0.attributes["lane"]!) \($0.attributes["n"]!)" }
            let lost = Set(acknowledged).subtracting(arrived)
            XCTAssertEqual(lost, [], "round \(round)")
            XCTAssertEqual(arrived.count, Set(arrived).count, "round \(round): something came twice")
            try Throughline.shutdown()
            all += acknowledged.count
        }
        print("\(kills) kills, \(all) acknowledged, 0 lost")
    }

    func testAPanicOfOursCostsNothingButACount() throws {
        let app = try App().start()
        for place in ["record", "before_commit", "transport"] {
            let before = Throughline.health()!.panics
            Recorder.record(.fault) { $0.text(place) }
            for _ in 0..<1_000 { Throughline.action("after", ["place": place]) }
            // The panic may make one flush fail, but no event may be lost.
            var isComplete = false
            for _ in 0..<3 where !isComplete { isComplete = try Throughline.flush(timeout: 20).isComplete }
            XCTAssertTrue(isComplete, place)
            XCTAssertEqual(Throughline.health()!.panics, before + 1, place)
        }
        let seen = try app.seen()
        for place in ["record", "before_commit", "transport"] {
            XCTAssertEqual(seen.filter { $0.action == "after" && $0.attributes["place"] == place }.count, 1_000, place)
        }
    }

    func testAPayloadOfMetricKitIsReportedOnceAndWhatIsNoneIsRefused() throws {
        let nothing = Data("{}".utf8)
        XCTAssertFalse(Throughline.reportDiagnostics(nothing).isComplete, "the client does not run")
        var configuration = Configuration(serviceName: "diagnosed")
        configuration.dataDir = FileManager.default.temporaryDirectory.appendingPathComponent("diagnosed-\(UUID())")
        configuration.environment = .test
        configuration.selfReport = false
        try Throughline.start(configuration, consent: .granted)
        defer { _ = try? Throughline.shutdown() }
        XCTAssertTrue(Throughline.reportDiagnostics(nothing).isComplete)
        // Of a time after the first call, wherever this runs.
        let crash = Data("""
            {"timeStampBegin": "2100-01-01 00:00:00", "timeStampEnd": "2100-01-01 00:00:00",
             "crashDiagnostics": [{"diagnosticMetaData": {"signal": 11, "exceptionType": 1}}]}
            """.utf8)
        XCTAssertEqual(Throughline.reportDiagnostics(crash).reported, 1)
        XCTAssertEqual(Throughline.reportDiagnostics(crash).known, 1)
        XCTAssertNotNil(Throughline.reportDiagnostics(Data("[".utf8)).reason)
    }
}
