import Foundation
import XCTest
@testable import Throughline

/// An app and an extension of it, which are two processes with one container.
final class ExtensionTests: XCTestCase {
    private let root = FileManager.default.temporaryDirectory.appendingPathComponent("extension-\(UUID())")

    override func tearDown() {
        if Throughline.isRunning { _ = try? Throughline.shutdown() }
        try? FileManager.default.removeItem(at: root)
    }

    private static func configuration(_ root: URL, _ endpoint: String?) -> Configuration {
        var configuration = Configuration(serviceName: "shop", endpoint: endpoint)
        configuration.dataDir = root
        configuration.environment = .test
        configuration.startJitter = false
        configuration.selfReport = false
        return configuration
    }

    private static func memory() -> (all: Int, own: Int) {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        func kib(_ name: String) -> Int {
            let line = status.split(separator: "\n").first { $0.hasPrefix("\(name):") } ?? ""
            return line.split(separator: " ").compactMap { Int($0) }.first ?? 0
        }
        return (kib("VmRSS"), kib("RssAnon"))
    }

    /// The tests below run this in a process of its own: the extension.
    func testChildThatIsAnExtension() throws {
        let environment = ProcessInfo.processInfo.environment
        guard let place = environment["THROUGHLINE_EXTENSION"] else {
            throw XCTSkip("only as a child of the tests below")
        }
        let endpoint = environment["THROUGHLINE_BACKEND"]
        let before = Self.memory()
        try Throughline.start(Self.configuration(URL(fileURLWithPath: place), endpoint), consent: .granted)
        while Throughline.health()?.journal == "starting" || Throughline.health()?.storage == "starting" { usleep(1_000) }
        Throughline.startView("Keyboard")
        for n in 0..<1_000 {
            Throughline.action("key", ["n": n])
            if n % 50 == 0 { Throughline.drain() }
        }
        if endpoint != nil { XCTAssertTrue(try Throughline.flush(timeout: 60).isComplete) } else { Throughline.drain() }
        let after = Self.memory()
        let line = "extension \(after.all - before.all) \(after.own - before.own)\n"
        _ = line.withCString { write(1, $0, strlen($0)) }
        while true { sleep(1) }
    }

    private func ext(_ endpoint: String?) throws -> (child: Child, all: Int, own: Int) {
        var environment = ["THROUGHLINE_EXTENSION": root.path]
        environment["THROUGHLINE_BACKEND"] = endpoint
        let child = try Child(
            [CommandLine.arguments[0], "ThroughlineTests.ExtensionTests/testChildThatIsAnExtension"],
            environment: environment)
        var line = child.line()
        while !line.hasPrefix("extension ") {
            if line.isEmpty { throw ThroughlineError.storage("the extension has ended") }
            line = child.line()
        }
        let numbers = line.split(separator: " ").compactMap { Int($0) }
        return (child, numbers[0], numbers[1])
    }

    private func keys(_ inspector: Inspector) throws -> [String] {
        try inspector.seen().filter { $0.action == "key" }.map { $0.attributes["n"]! }
    }

    func testWhatAnExtensionRecordsIsSentByTheAppWhoseContainerItShares() throws {
        let inspector = try Inspector()
        try Throughline.start(Self.configuration(root, inspector.url), consent: .granted)
        Throughline.action("key", ["n": "of the app"])
        XCTAssertTrue(try Throughline.flush(timeout: 60).isComplete)
        // It has no backend of its own, and lives beside the app. The system ends it as it ends
        // them all.
        let ext = try ext(nil)
        ext.child.stop(SIGKILL)
        let limit = Date(timeIntervalSinceNow: 60)
        var seen: [String] = []
        while seen.count < 1_001, Date() < limit {
            _ = try Throughline.flush(timeout: 5)
            seen = try keys(inspector)
        }
        XCTAssertEqual(seen.count, 1_001)
        XCTAssertEqual(Set(seen), Set((0..<1_000).map { "\($0)" } + ["of the app"]))
        // One user, one session: the page of the session shows both.
        XCTAssertEqual(try inspector.json("/api/sessions").count, 1)
    }

    func testAnExtensionThatRecordsAndSendsStaysSmall() throws {
        let inspector = try Inspector()
        let ext = try ext(inspector.url)
        print("an extension that has recorded and sent 1,000 events: \(ext.all) KiB more, of them \(ext.own) KiB of its own")
        XCTAssertEqual(try keys(inspector).count, 1_000)
        #if os(Linux)
        // A keyboard may have 48 MiB in all, a notification service 24 MiB.
        XCTAssertGreaterThan(ext.own, 0)
        XCTAssertLessThan(ext.own, 8 * 1_024)
        #endif
    }
}
