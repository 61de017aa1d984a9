import Foundation
import XCTest
@testable import Throughline

/// Prints the rows of `cargo xtask bench` for Swift, as JSON.
final class BenchTests: XCTestCase {
    /// How many calls are timed, one by one.
    private static let calls = 50_000
    /// The time from one call to the next, in ns. It is that of the engine's own benchmark.
    private static let pace: UInt64 = 100_000
    private static let skus = (0..<64).map { "SKU-\($0)" }

    final class Model {
        var p0 = 0, p1 = 0, p2 = 0, p3 = 0, p4 = 0, p5 = 0, p6 = 0, p7 = 0
    }

    final class Holder {
        var value = 0
    }

    private static func now() -> UInt64 { clock_gettime_nsec(CLOCK_MONOTONIC) }

    private func median(_ calls: Int, _ call: (Int) -> Void) -> UInt64 {
        var times: [UInt64] = []
        times.reserveCapacity(calls)
        let start = Self.now()
        for n in 0..<calls {
            while Self.now() < start + UInt64(n) * Self.pace {}
            let before = Self.now()
            call(n)
            times.append(Self.now() - before)
        }
        return times.sorted()[calls / 2]
    }

    func testBench() throws {
        guard ProcessInfo.processInfo.environment["THROUGHLINE_BENCH"] != nil else {
            throw XCTSkip("only for `cargo xtask bench`")
        }
        let app = try App()
        app.configuration.destinations = []
        try app.start()
        while Throughline.health()?.journal == "starting" { usleep(1_000) }
        let record = { (n: Int) in
            Throughline.action("buy") {
                $0.put("sku", Self.skus[n & 63])
                $0.put("count", n)
                $0.put("price", Double(n) * 0.5)
            }
        }
        let literal = { (n: Int) in
            Throughline.action("buy", ["sku": Self.skus[n & 63], "count": n, "price": Double(n) * 0.5])
        }
        let plainly = { (n: Int) in
            _ = Throughline.recordTapPlainly(
                "buy", [("sku", Self.skus[n & 63]), ("count", "\(n)"), ("price", "\(Double(n) * 0.5)")])
        }
        _ = median(20_000, record)
        _ = median(2_000, plainly)
        Throughline.drain(timeout: 30)
        let before = Throughline.health()!.accepted
        let own = median(Self.calls, record)
        Throughline.drain(timeout: 30)
        let after = Throughline.health()!
        XCTAssertEqual(after.accepted - before, UInt64(Self.calls))
        XCTAssertEqual(after.dropped, [:])
        let bare = median(2_000) { _ in }
        let asLiteral = median(20_000, literal)
        let uniffi = median(20_000, plainly)
        Throughline.drain(timeout: 30)

        // 200 paths are declared, and half of them are ignored.
        let store = TracedStore("Bench", policy: StorePolicy(deny: ["ignored.*"]))
        let traced = (0..<100).map { store.path("traced\($0)") }
        var ignored = (0..<100).map { TracedState(wrappedValue: 0, store.path("ignored.p\($0)")) }
        let plain = (0..<100).map { _ in Holder() }
        let model = Traced(Model(), as: "BenchModel", policy: StorePolicy(deny: ["m.*"])) {
            $0.path("m.p0", \.p0)
            $0.path("m.p1", \.p1)
            $0.path("m.p2", \.p2)
            $0.path("m.p3", \.p3)
            for n in 4..<200 { $0.path("m.p\(n)", \.p7) }
        }
        func round(_ set: (Int) -> Void) -> Double {
            let start = Self.now()
            for n in 0..<1_000_000 { set(n) }
            return Double(Self.now() - start) / 1e6
        }
        var wrapped: [Double] = []
        var dynamic: [Double] = []
        for n in 0..<21 {
            for path in traced { path.set(n, n + 1) }
            let bare = round { plain[$0 % 100].value = $0 }
            wrapped.append(round { ignored[$0 % 100].wrappedValue = $0 } - bare)
            let one = round { model.model.p0 = $0 }
            dynamic.append(round { model.p0 = $0 } - one)
        }
        func middle(_ all: [Double]) -> String { String(format: "%.1f", all.sorted()[10]) }
        print(
            "{\"swift_record_p50_ns\":\(own),\"swift_record_literal_p50_ns\":\(asLiteral),\"timer_p50_ns\":\(bare),\"swift_uniffi_record_p50_ns\":\(uniffi),"
                + "\"swift_ignored_ns\":\(middle(wrapped)),\"swift_ignored_model_ns\":\(middle(dynamic))}")
    }
}

#if !canImport(Darwin)
private func clock_gettime_nsec(_ clock: Int32) -> UInt64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
#else
private func clock_gettime_nsec(_ clock: clockid_t) -> UInt64 { clock_gettime_nsec_np(clock) }
#endif
