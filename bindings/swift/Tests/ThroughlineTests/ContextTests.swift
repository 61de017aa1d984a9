import Foundation
import XCTest
@testable import Throughline

/// A context belongs to what runs in it, and to nothing else. `Declarations/Checks/Suspending.swift`
/// has what must not compile.
final class ContextTests: XCTestCase {
    private struct Failed: Error {}

    /// Its code runs on one thread at a time, so that a context that stays behind would be seen.
    @MainActor
    private final class Screen {
        var seen: [UInt64] = []

        func look() { seen.append(Recorder.slot) }
    }

    func testNobodyElseOfTheSameActorSeesTheContextOfABodyThatIsSuspended() async throws {
        try await Self.interleave()
    }

    @MainActor
    private static func interleave() async throws {
        let screen = Screen()
        let context = TraceContext(slot: 77)
        let bound: @Sendable () async throws -> Void = context.run {
            Throughline.bind {
                XCTAssertEqual(Recorder.slot, 77)
                await Task.yield()
                XCTAssertEqual(Recorder.slot, 77)
            }
        }
        for _ in 0..<100 {
            let other = Task { for _ in 0..<10 { screen.look(); await Task.yield() } }
            let running = Task {
                await context.run {
                    for _ in 0..<10 {
                        XCTAssertEqual(Recorder.slot, 77)
                        await Task.yield()
                    }
                }
                XCTAssertEqual(Recorder.slot, 0)
                try await bound()
                XCTAssertEqual(Recorder.slot, 0)
            }
            await other.value
            try await running.value
        }
        XCTAssertEqual(Set(screen.seen), [0])
        XCTAssertEqual(Recorder.slot, 0)
    }

    func testAContextEndsWithItsBodyHoweverThatEnds() async throws {
        let (outer, inner) = (TraceContext(slot: 7), TraceContext(slot: 8))
        try await outer.run {
            XCTAssertThrowsError(try inner.run { throw Failed() })
            XCTAssertEqual(TraceContext.current, outer)
            do {
                try await inner.run {
                    await Task.yield()
                    XCTAssertEqual(TraceContext.current, inner)
                    throw Failed()
                }
            } catch is Failed {}
            XCTAssertEqual(TraceContext.current, outer)
            // What begins inside and ends later keeps the context of its beginning.
            let task = inner.run { Task { await Task.yield(); return TraceContext.current } }
            let value = await task.value
            XCTAssertEqual(value, inner)
        }
        XCTAssertEqual(Recorder.slot, 0)
    }

    func testATaskThatIsAddedToAGroupInAContextHasIt() async {
        let context = TraceContext(slot: 9)
        let seen = await withTaskGroup(of: UInt64.self) { group in
            context.run { group.addTask { await Task.yield(); return Recorder.slot } }
            group.addTask { Recorder.slot }
            return await group.reduce(into: Set<UInt64>()) { $0.insert($1) }
        }
        XCTAssertEqual(seen, [0, 9])
    }
}
