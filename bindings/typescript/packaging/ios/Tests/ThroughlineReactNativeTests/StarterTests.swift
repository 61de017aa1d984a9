import Foundation
import Throughline
import XCTest
@testable import ThroughlineReactNative

/// These start the real client, as the native module does.
final class StarterTests: XCTestCase {
    private var directory = FileManager.default.temporaryDirectory

    override func setUpWithError() throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    }

    override func tearDown() {
        if Throughline.isRunning { _ = try? Throughline.shutdown() }
        try? FileManager.default.removeItem(at: directory)
    }

    private func start(_ fields: [String: Any] = [:], started: () -> Void = {}) throws -> [String: Any] {
        var config: [String: Any] = [
            "consent": "granted", "serviceName": "shop", "environment": "test",
            "dataDir": directory.appendingPathComponent("script").path,
        ]
        config.merge(fields) { $1 }
        let json = String(decoding: try JSONSerialization.data(withJSONObject: config), as: UTF8.self)
        return try answer(Starter.start(json, started: started))
    }

    private func answer(_ json: String) throws -> [String: Any] {
        try XCTUnwrap(JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    }

    func testTheStartOfTheProcessIsToldOnce() {
        XCTAssertEqual(Starter.processStart { 1_700_000_000.5 }, 1_700_000_000_500)
        // A runtime that is reloaded has started nothing.
        XCTAssertEqual(Starter.processStart { 1_700_000_000.5 }, 0)
    }

    func testTheClientRunsWhenTheAnswerIsThere() throws {
        var isTold = false
        XCTAssertEqual(try start { isTold = true }.count, 0)
        XCTAssertTrue(Throughline.isRunning)
        XCTAssertTrue(isTold)
    }

    func testAClientThatRunsStaysAsItIs() throws {
        var configuration = Configuration(serviceName: "native")
        configuration.dataDir = directory.appendingPathComponent("native")
        try Throughline.start(configuration, consent: .granted)
        let session = Throughline.sessionId
        let answer = try start { XCTFail("this has started nothing") }
        XCTAssertEqual(answer["attached"] as? Bool, true)
        XCTAssertEqual(Throughline.sessionId, session)
        XCTAssertFalse(FileManager.default.fileExists(atPath: directory.appendingPathComponent("script").path))
    }

    func testAStartBesideAnotherSaysWhetherTheClientRuns() throws {
        for turn in 0..<50 {
            var configuration = Configuration(serviceName: "native")
            configuration.dataDir = directory.appendingPathComponent("native\(turn)")
            let native = configuration
            let ended = DispatchSemaphore(value: 0)
            DispatchQueue.global().async {
                // One of the two is refused.
                try? Throughline.start(native, consent: .granted)
                ended.signal()
            }
            let answer = try start()
            XCTAssertTrue(Throughline.isRunning || answer["starting"] as? Bool == true, "\(answer)")
            ended.wait()
            XCTAssertTrue(Throughline.isRunning)
            try Throughline.shutdown()
        }
    }

    func testAValueThatCannotWorkIsAnErrorAndStartsNothing() throws {
        let answer = try start(["sessionSampleRate": 7]) { XCTFail("this has started nothing") }
        XCTAssertEqual(answer["error"] as? String, "invalidConfig")
        XCTAssertTrue(try XCTUnwrap(answer["reason"] as? String).contains("session_sample_rate"))
        XCTAssertFalse(Throughline.isRunning)
        XCTAssertEqual(try start().count, 0)
    }

    func testAFieldThatIsMisspeltIsAnErrorAndStartsNothing() throws {
        let answer = try start(["serviceVresion": "1"])
        XCTAssertEqual(answer["error"] as? String, "invalidConfig")
        XCTAssertEqual(answer["reason"] as? String, "serviceVresion is not known")
        XCTAssertFalse(Throughline.isRunning)
    }

    func testAFlushAndAShutdownWithoutAClientAreErrors() throws {
        XCTAssertEqual(try answer(Starter.flush(10))["error"] as? String, "closed")
        XCTAssertEqual(try answer(Starter.shutdown(10))["error"] as? String, "closed")
    }

    func testAFlushAndAShutdownAnswerWhatBecameOfTheEvents() throws {
        _ = try start(["endpoint": "http://127.0.0.1:9"])
        Throughline.event("something")
        let flush = try answer(Starter.flush(500))
        XCTAssertEqual(flush["isComplete"] as? Bool, false)
        XCTAssertGreaterThan(try XCTUnwrap(flush["waiting"] as? Int), 0)
        XCTAssertFalse(try XCTUnwrap(flush["reason"] as? String).isEmpty)
        XCTAssertEqual(try answer(Starter.shutdown(.infinity))["complete"] as? Bool, true)
    }

    func testATimeThatIsNoneDoesNotThrow() throws {
        _ = try start()
        for time in [Double.nan, -1, -Double.infinity] { XCTAssertNil(try answer(Starter.flush(time))["error"]) }
    }

    func testAFlushIsAnsweredWithoutWaitingForItsCaller() throws {
        _ = try start()
        let answered = expectation(description: "answered")
        Starter.later({
            if Starter.flush(1_000).contains("isComplete") { answered.fulfill() }
        }, refused: { XCTFail($0) })
        wait(for: [answered], timeout: 60)
    }
}
