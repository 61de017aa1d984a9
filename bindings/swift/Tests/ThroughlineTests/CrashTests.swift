import Foundation
import XCTest
@testable import Throughline

/// Real processes of the program `ThroughlineDies`, and what the next launch of their app says.
final class CrashTests: XCTestCase {
    /// A way to die, the function in which that happens, and the signal of which the process dies.
    private struct Kind {
        let name, function, signal: String
        var words: String?
        /// Other threads than the main one have no stack on which a handler could run when theirs is full.
        var isOfMainThread = false
        /// Threads of dispatch queues, on which tasks run, too, block SIGABRT. `abort` asks no
        /// handler there from glibc 2.41 on. The `abort` of Apple's systems and of Android does.
        var places: [String] {
            if isOfMainThread { return ["main"] }
            #if canImport(Darwin)
            return ["main", "task", "thread", "queue"]
            #else
            return signal == "SIGABRT" ? ["main", "thread"] : ["main", "task", "thread", "queue"]
            #endif
        }
    }

    #if arch(x86_64)
    private static let trap = "SIGILL"
    #else
    private static let trap = "SIGTRAP"
    #endif
    private static let kinds = [
        Kind(name: "overflow", function: "dieOfOverflow", signal: trap, words: "arithmetic overflow"),
        Kind(name: "division", function: "dieOfDivision", signal: trap, words: "Division by zero"),
        Kind(name: "unwrap", function: "dieOfUnwrap", signal: trap, words: "Unexpectedly found nil"),
        Kind(name: "fatal", function: "dieOfFatalError", signal: trap),
        Kind(name: "bounds", function: "dieOfBounds", signal: trap, words: "Index out of range"),
        Kind(name: "tried", function: "dieOfTry", signal: trap),
        Kind(name: "null", function: "dieOfNull", signal: "SIGSEGV"),
        Kind(name: "recursion", function: "dieOfRecursion", signal: "SIGSEGV", isOfMainThread: true),
        Kind(name: "unowned", function: "dieOfUnowned", signal: "SIGABRT"),
        Kind(name: "exclusivity", function: "dieOfExclusivity", signal: "SIGABRT"),
        Kind(name: "abort", function: "dieOfAbort", signal: "SIGABRT"),
    ]

    private static let program = URL(fileURLWithPath: CommandLine.arguments[0])
        .resolvingSymlinksInPath().deletingLastPathComponent().appendingPathComponent("ThroughlineDies").path

    /// A death, as it was seen from outside.
    private struct Death {
        let name: String
        let kind: Kind
        let directory: URL
        let session, trace: String
        /// What the process has written after its ids.
        let said: [String]
    }

    /// Lets a program die with Throughline and one without it, and compares how.
    private func die(_ kind: Kind, _ place: String, _ environment: [String: String]) throws -> Death {
        let name = "\(kind.name) on \(place), \(environment)"
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("dies-\(UUID())")
        let alone = try Child([Self.program, kind.name, place], environment: environment)
        let child = try Child([Self.program, kind.name, place, directory.path], environment: environment)
        let ids = child.line().components(separatedBy: " ")
        XCTAssertEqual(ids.count, 2, "\(name): \(ids)")
        let said = child.lines()
        XCTAssertEqual(child.status(), alone.status(), "\(name): Throughline has changed how the process ends")
        return Death(name: name, kind: kind, directory: directory, session: ids[0], trace: ids.last ?? "", said: said)
    }

    /// Launches the app of a death again, and returns what has arrived of the session that died.
    private func launch(_ death: Death, _ inspector: Inspector) throws -> [Seen] {
        var configuration = Configuration(serviceName: "dies", endpoint: inspector.url)
        configuration.dataDir = death.directory
        configuration.environment = .test
        configuration.startJitter = false
        configuration.selfReport = false
        try Throughline.start(configuration, consent: .granted)
        XCTAssertTrue(try Throughline.flush(timeout: 30).isComplete, death.name)
        try Throughline.shutdown()
        return try inspector.json("/api/session/\(death.session)").map(Seen.init)
    }

    /// The lines that `throughline symbolicate` prints of a stack.
    private func symbolicate(_ stack: String) throws -> [String] {
        let report = FileManager.default.temporaryDirectory.appendingPathComponent("report-\(UUID())")
        defer { try? FileManager.default.removeItem(at: report) }
        try stack.write(to: report, atomically: false, encoding: .utf8)
        let program = try XCTUnwrap(ProcessInfo.processInfo.environment["THROUGHLINE_CLI"])
        return try Child([program, "symbolicate", report.path, "--debug-dir", Self.program]).lines()
    }

    /// What the report of a death must say.
    private func check(_ death: Death, _ arrived: [Seen]) throws {
        let crashes = arrived.filter { $0.attributes["app.crash.id"] != nil }
        XCTAssertEqual(crashes.count, 1, "\(death.name): \(death.said)")
        guard let crash = crashes.first else { return }
        XCTAssertEqual(crash.attributes["throughline.crash.signal"], death.kind.signal, death.name)
        XCTAssertEqual(crash.attributes["app.screen.name"], "Checkout", death.name)
        XCTAssertEqual(crash.attributes["operation.name"], "Pay", death.name)
        XCTAssertEqual(crash.trace, death.trace, death.name)
        XCTAssertEqual(crash.attributes["throughline.crash.unwinding"], "cfi", death.name)
        let stack = crash.attributes["exception.stacktrace"] ?? ""
        let lines = try symbolicate(stack)
        let functions = lines.filter { $0.hasPrefix("        ") }.map { $0.trimmingCharacters(in: .whitespaces) }
        let first = functions.first { $0.contains("dieOf") } ?? ""
        XCTAssertTrue(first.contains("\(death.kind.function)("), "\(death.name):\n\(lines.joined(separator: "\n"))")
        if let words = death.kind.words {
            XCTAssertTrue(functions.contains { $0.contains(words) }, "\(death.name):\n\(lines.joined(separator: "\n"))")
        }
    }

    func testEveryDeathOfASwiftProgramIsReportedOnceWithItsFunctions() throws {
        let wanted = ProcessInfo.processInfo.environment["THROUGHLINE_KILLS"].flatMap { Int($0) } ?? 0
        // Swift writes a backtrace by handlers of its own, unless it is told not to.
        let without = ["SWIFT_BACKTRACE": "enable=no"]
        var cases = Self.kinds.flatMap { kind in kind.places.map { (kind, $0, without) } }
        cases += Self.kinds.enumerated().map { at, kind in (kind, kind.places[at % kind.places.count], [:]) }
        for (at, others) in ["before", "after", "before", "after", "before", "after"].enumerated() {
            let kind = Self.kinds[at + 5]
            // Once with Swift's handlers below, and once without them.
            let environment = (at < 3 ? without : [:]).merging(["THROUGHLINE_OTHERS": others]) { $1 }
            cases.append((kind, kind.places[0], environment))
        }
        let rounds = max(1, wanted / cases.count)
        let inspector = try Inspector()
        for _ in 0..<rounds {
            for (kind, place, environment) in cases {
                let death = try die(kind, place, environment)
                defer { try? FileManager.default.removeItem(at: death.directory) }
                try check(death, try launch(death, inspector))
                let asked = environment["THROUGHLINE_OTHERS"] == nil ? [] : ["the other SDK was asked"]
                XCTAssertEqual(death.said, asked, death.name)
            }
        }
        print("\(rounds * cases.count) deaths, each reported once")
    }
}
