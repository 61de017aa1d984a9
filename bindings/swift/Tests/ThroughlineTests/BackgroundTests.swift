import Foundation
import XCTest
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif
@testable import Throughline

/// What `nsurlsessiond` is on a device: it sends files whether or not the process that wanted it
/// lives. What it has taken is in a directory; it sends when the test says so.
private final class Daemon: BackgroundSession, @unchecked Sendable {
    private struct Order: Codable {
        var url: String
        var headers: [String: String]
        var file: URL
    }

    private let directory: URL
    private let lock = NSLock()
    private var started: [String] = []
    weak var events: (any BackgroundSessionEvents)?

    init(_ directory: URL) throws {
        self.directory = directory
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    }

    func start(_ request: UploadRequest, file: URL, key: String) throws {
        let order = Order(url: request.url, headers: request.headers, file: file)
        try JSONEncoder().encode(order).write(to: directory.appendingPathComponent(key), options: .atomic)
        lock.withLock { started.append(key) }
    }

    func underWay() async -> Set<String> { keys }

    func cancelAll() {
        for key in keys {
            try? FileManager.default.removeItem(at: directory.appendingPathComponent(key))
            events?.ended(key, nil)
        }
    }

    var keys: Set<String> { Set((try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? []) }

    /// The keys of what this process has started.
    var own: [String] { lock.withLock { started } }

    /// Sends an upload, and reports it.
    func send(_ key: String) throws {
        let place = directory.appendingPathComponent(key)
        let order = try JSONDecoder().decode(Order.self, from: Data(contentsOf: place))
        let transport = URLSessionTransport()
        let body = try Data(contentsOf: order.file)
        let response = try transport.send(UploadRequest(url: order.url, headers: order.headers, body: body))
        try FileManager.default.removeItem(at: place)
        events?.ended(key, response)
    }
}

final class BackgroundTests: XCTestCase {
    private let root = FileManager.default.temporaryDirectory.appendingPathComponent("background-\(UUID())")

    override func tearDown() {
        if Throughline.isRunning { _ = try? Throughline.shutdown() }
        try? FileManager.default.removeItem(at: root)
    }

    /// Waits for what other threads do. The limit ends a test that has failed.
    private func until(_ what: String, _ isSo: () throws -> Bool) rethrows {
        let limit = Date(timeIntervalSinceNow: 60)
        while try !isSo() {
            if Date() > limit { return XCTFail("not within a minute: \(what); \(String(describing: Throughline.health()))") }
            usleep(10_000)
        }
    }

    private static func start(_ root: URL, _ endpoint: String) throws {
        var configuration = Configuration(serviceName: "background", endpoint: endpoint)
        configuration.dataDir = root.appendingPathComponent("data")
        configuration.environment = .test
        configuration.startJitter = false
        configuration.selfReport = false
        configuration.pull = true
        try Throughline.start(configuration, consent: .granted)
    }

    private func uploads(grace: TimeInterval = 600) throws -> BackgroundUploads {
        try BackgroundUploads(directory: root.appendingPathComponent("uploads"), grace: grace)
    }

    private func files() -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: root.appendingPathComponent("uploads").path)) ?? []
    }

    /// Everything that has ended is delivered, nothing is dropped, and the counts say so.
    private func everythingIsDelivered() -> Bool {
        guard let outcome = try? Throughline.flush(timeout: 0.2), outcome.isComplete else { return false }
        guard let health = Throughline.health(), let destination = health.destinations.first else { return false }
        let dropped = health.dropped.values.reduce(0, +) + destination.dropped.values.reduce(0, +)
        return dropped == 0 && outcome.waiting == 0 && destination.delivered + health.queued == health.accepted
    }

    func testUploadsOverARealSessionArriveOnceAndLeaveNoFile() throws {
        let inspector = try Inspector()
        try Self.start(root, inspector.url)
        let uploads = try uploads()
        for n in 0..<1_200 { Throughline.action("tap", ["n": n]) }
        // The last tap collects what it causes until this ends it.
        Recorder.record(.fault) { $0.text("settle") }
        uploads.begin(URLSessionUploads(.default, events: uploads))
        until("everything is delivered") { uploads.askNow(); return everythingIsDelivered() && uploads.count().started > 1 }
        let counts = uploads.count()
        XCTAssertEqual(counts.settled, counts.started)
        XCTAssertEqual(files(), [])
        let numbers = try inspector.seen().filter { $0.action == "tap" }.map { $0.attributes["n"]! }
        XCTAssertEqual(numbers.count, 1_200)
        XCTAssertEqual(Set(numbers).count, 1_200)
        uploads.stop()
    }

    func testNothingIsSentOrKeptOfWhatTheUserHasRefused() throws {
        let inspector = try Inspector()
        for refuse in [{ Throughline.setConsent(.denied) }, { _ = Throughline.erase() }] {
            try Self.start(root, inspector.url)
            let daemon = try Daemon(root.appendingPathComponent("daemon"))
            let uploads = try uploads()
            daemon.events = uploads
            BackgroundUploads.use(uploads)
            uploads.begin(daemon)
            Throughline.action("secret")
            until("the system has the upload") { uploads.askNow(); return !daemon.keys.isEmpty }
            refuse()
            until("the system has nothing") { daemon.keys.isEmpty && files().isEmpty }
            uploads.stop()
            BackgroundUploads.use(nil)
            try Throughline.shutdown()
        }
        XCTAssertEqual(try inspector.seen().filter { $0.action == "secret" }.count, 0)
    }

    func testAServerThatFailsIsNotAskedAgainAtOnce() throws {
        try Self.start(root, "http://127.0.0.1:9")
        let daemon = try Daemon(root.appendingPathComponent("daemon"))
        let uploads = try uploads()
        daemon.events = uploads
        uploads.begin(daemon)
        Throughline.action("tap")
        until("the system has the upload") { uploads.askNow(); return !daemon.own.isEmpty }
        let first = daemon.own
        uploads.ended(first[0], UploadResponse(status: 503))
        for _ in 0..<100 { uploads.askNow() }
        XCTAssertEqual(uploads.count().settled, 1)
        for _ in 0..<100 { uploads.askNow() }
        XCTAssertEqual(uploads.count().started, first.count)
        XCTAssertEqual(daemon.own, first)
        uploads.stop()
    }

    /// The tests below run this in a process of its own. It prints the key of each upload that it
    /// has handed over, and is killed.
    func testChildThatStartsAnUpload() throws {
        guard let place = ProcessInfo.processInfo.environment["THROUGHLINE_BACKGROUND"] else {
            throw XCTSkip("only as a child of the tests below")
        }
        let root = URL(fileURLWithPath: place)
        try Self.start(root, ProcessInfo.processInfo.environment["THROUGHLINE_BACKEND"]!)
        for n in 0..<50 { Throughline.action("tap", ["n": n]) }
        let uploads = try BackgroundUploads(directory: root.appendingPathComponent("uploads"))
        let daemon = try Daemon(root.appendingPathComponent("daemon"))
        uploads.begin(daemon)
        while daemon.own.isEmpty { uploads.askNow(); usleep(10_000) }
        let line = "started \(daemon.own[0])\n"
        _ = line.withCString { write(1, $0, strlen($0)) }
        while true { sleep(1) }
    }

    /// Kills a process with an upload under way, and returns the upload's key.
    private func killed(_ endpoint: String) throws -> String {
        let child = try Child(
            [CommandLine.arguments[0], "ThroughlineTests.BackgroundTests/testChildThatStartsAnUpload"],
            environment: ["THROUGHLINE_BACKGROUND": root.path, "THROUGHLINE_BACKEND": endpoint])
        var line = child.line()
        while !line.hasPrefix("started ") {
            if line.isEmpty { throw URLError(.unknown) }
            line = child.line()
        }
        child.stop(SIGKILL)
        return String(line.dropFirst("started ".count))
    }

    private func arrivedOnce(_ inspector: Inspector) throws {
        let numbers = try inspector.seen().filter { $0.action == "tap" }.map { $0.attributes["n"]! }
        XCTAssertEqual(numbers.count, 50, "lost, or sent twice")
        XCTAssertEqual(Set(numbers).count, 50)
    }

    func testAnUploadThatIsUnderWayWhenTheAppDiesIsNotSentAgain() throws {
        let inspector = try Inspector()
        let key = try killed(inspector.url)
        let daemon = try Daemon(root.appendingPathComponent("daemon"))
        try Self.start(root, inspector.url)
        let uploads = try uploads()
        daemon.events = uploads
        uploads.begin(daemon)
        // The client asks for the same upload, and waits. The daemon has it once.
        until("the client waits for the upload") { uploads.isAwaited(key) }
        XCTAssertFalse(daemon.own.contains(key))
        try daemon.send(key)
        try until("everything is delivered") {
            uploads.askNow()
            for key in daemon.own where daemon.keys.contains(key) { try daemon.send(key) }
            return everythingIsDelivered()
        }
        XCTAssertFalse(daemon.own.contains(key))
        until("the files are removed") { files().isEmpty }
        try arrivedOnce(inspector)
        uploads.stop()
    }

    func testAnUploadThatEndedWhileNoProcessRanIsSettledByTheNext() throws {
        let inspector = try Inspector()
        let key = try killed(inspector.url)
        let daemon = try Daemon(root.appendingPathComponent("daemon"))
        try Self.start(root, inspector.url)
        let uploads = try uploads()
        daemon.events = uploads
        // Before the session says what is under way, and of something that nobody knows.
        try daemon.send(key)
        uploads.ended("of-another-time", UploadResponse(status: 400))
        uploads.begin(daemon)
        try until("everything is delivered") {
            uploads.askNow()
            for key in daemon.own where daemon.keys.contains(key) { try daemon.send(key) }
            return everythingIsDelivered()
        }
        XCTAssertFalse(daemon.own.contains(key))
        until("the files are removed") { files() == ["of-another-time.outcome"] }
        XCTAssertGreaterThanOrEqual(uploads.count().kept, 2)
        try arrivedOnce(inspector)
        uploads.stop()
    }

    func testAnUploadThatTheSystemHasForgottenIsSentAgainAndOrphansAreRemoved() throws {
        let inspector = try Inspector()
        let key = try killed(inspector.url)
        try FileManager.default.removeItem(at: root.appendingPathComponent("daemon"))
        let old = root.appendingPathComponent("uploads/old.outcome")
        try Data("{}".utf8).write(to: old)
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSinceNow: -8 * 86_400)], ofItemAtPath: old.path)
        try Data("{}".utf8).write(to: root.appendingPathComponent("uploads/orphan.body"))
        let daemon = try Daemon(root.appendingPathComponent("daemon"))
        try Self.start(root, inspector.url)
        let uploads = try uploads(grace: 0.5)
        daemon.events = uploads
        uploads.begin(daemon)
        try until("everything is delivered") {
            uploads.askNow()
            for key in daemon.own where daemon.keys.contains(key) { try daemon.send(key) }
            return everythingIsDelivered()
        }
        XCTAssertTrue(daemon.own.contains(key))
        until("the files are removed") { files().isEmpty }
        XCTAssertEqual(uploads.count().removed, 3, "the old outcome, the orphan, and the body of what was lost")
        try arrivedOnce(inspector)
        uploads.stop()
    }

    func testAnAnswerThatComesAfterASuspensionIsNotLost() throws {
        let inspector = try Inspector()
        try Self.start(root, inspector.url)
        let daemon = try Daemon(root.appendingPathComponent("daemon"))
        let uploads = try uploads()
        daemon.events = uploads
        for n in 0..<50 { Throughline.action("tap", ["n": n]) }
        Recorder.record(.fault) { $0.text("settle") }
        uploads.begin(daemon)
        until("an upload is under way") { uploads.askNow(); return !daemon.own.isEmpty }
        let key = daemon.own[0]
        XCTAssertTrue(Throughline.suspendStorage(timeout: 20))
        // The client has given it up. The system has not.
        try daemon.send(key)
        until("the answer is kept") { uploads.count().kept == 1 }
        XCTAssertTrue(Throughline.resumeStorage(timeout: 20))
        try until("everything is delivered") {
            uploads.askNow()
            for key in daemon.own where daemon.keys.contains(key) { try daemon.send(key) }
            return everythingIsDelivered()
        }
        XCTAssertEqual(daemon.own.filter { $0 == key }, [key])
        try arrivedOnce(inspector)
        uploads.stop()
    }
}
