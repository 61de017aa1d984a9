import Foundation
import ThroughlineHeap
import XCTest
@testable import Throughline

private final class Person {
    var name = ""
    var email = ""
    var isLoading = false
    var visits = 0
    var score = 0.0

    subscript(n: Int) -> Int {
        get { visits + n }
        set { visits = newValue - n }
    }
}

private func person(_ name: String, _ policy: StorePolicy? = nil) -> Traced<Person> {
    Traced(Person(), as: name, policy: policy) {
        $0.path("name", \.name)
        $0.path("email", \.email)
        $0.path("isLoading", \.isLoading)
        $0.path("visits", \.visits)
        $0.path("score", \.score)
    }
}

/// Stores are found by their names, from every thread, and cost little however many there are.
final class StoreTests: XCTestCase {
    private func counts(_ store: String) throws -> StateCounts {
        let counts = try XCTUnwrap(Throughline.health()?.stores[store], store)
        let suppressed = counts.suppressed.values.reduce(0, +)
        XCTAssertEqual(counts.mutations, counts.recorded + suppressed + counts.dropped, store)
        return counts
    }

    /// Bytes that `work` has allocated and not freed, with what it returns still alive. What other
    /// threads allocate meanwhile is counted as well: the client has started by then.
    private func bytes<T>(_ what: String, _ work: () throws -> T) rethrows -> Int64 {
        Throughline.drain()
        let before = throughline_heap_in_use()
        let kept = try work()
        let after = throughline_heap_in_use()
        withExtendedLifetime(kept) {}
        let used = Int64(bitPattern: after) - Int64(bitPattern: before)
        print("\(what): \(used / 1_024) KiB")
        return used
    }

    // MARK: Policies

    func testLookingAStoreUpByItsNameKeepsItsRedactions() throws {
        let app = try App().start()
        var policy = StorePolicy(deny: ["secret"])
        policy.redact = ["email"]
        policy.capture("**", .full)
        policy.coalesce = 0
        let profile = person("Kept", policy)
        // Each of these looks up the store that is there.
        TracedStore("Kept").context { $0.put("plan", "gold") }
        _ = person("Kept")
        TracedStore("Kept").path("secret").set("", "hunter2")
        profile.email = "ada@example.com"
        profile.name = "Ada"
        let seen = try app.seen()
        XCTAssertFalse(seen.contains { $0.action == "Kept.secret.Update" })
        let email = try XCTUnwrap(seen.first { $0.action == "Kept.email.Update" })
        XCTAssertNil(email.attributes["state.new"])
        XCTAssertEqual(email.attributes["plan"], "gold")
        XCTAssertEqual(seen.first { $0.action == "Kept.name.Update" }?.attributes["state.new"], "Ada")
        // Only a policy that is given replaces it, and the default one, too, may be given.
        _ = TracedStore("Kept", policy: StorePolicy())
        TracedStore("Kept").path("secret").set("", "hunter3")
        XCTAssertTrue(try app.seen().contains { $0.action == "Kept.secret.Update" })
        XCTAssertEqual(try counts("Kept").mutations, 4)
    }

    func testAContextThatRecordsWhileItIsReleasedDoesNotWaitForItself() throws {
        final class Owner: Sendable {
            let store: TracedStore
            init(_ store: TracedStore) { self.store = store }
            deinit { store.record("released", old: 0, new: 1) }
        }
        let app = try App().start()
        let store = TracedStore("Releasing")
        func own(_ owner: Owner) { store.context { [owner] in $0.put("owned", owner.store.name) } }
        own(Owner(store))
        store.context { _ in }
        XCTAssertEqual(try counts("Releasing").mutations, 1)
        _ = app
    }

    func testAPolicyThatIsGivenWhileNoClientRunsHoldsForTheCallsThatWaitForTheStart() throws {
        let app = try App().start()
        let path = TracedStore("Between", policy: StorePolicy(deny: ["note"])).path("note")
        path.set(0, 1)
        path.set(1, 2)
        try Throughline.shutdown()
        // The path remembers that it is ignored, which is not right any more.
        Recorder.expectStart()
        TracedStore("Between", policy: StorePolicy()).path("other").set(0, 1)
        path.set(2, 3)
        try app.start()
        XCTAssertEqual(try app.seen().filter { $0.action == "Between.note.Update" }.count, 1)
    }

    // MARK: A start on another thread

    func testAStoreThatIsCreatedDuringAStartIsDeclared() throws {
        let app = try App()
        let round = Count()
        for _ in 0..<20 {
            let n = round.add(1)
            let isOver = Count()
            let made = Count()
            Recorder.expectStart()
            let threads = (0..<2).map { lane in
                let done = DispatchSemaphore(value: 0)
                Thread.detachNewThread {
                    var at = 0
                    while isOver.value == 0, at < 40 {
                        let store = TracedStore("During\(n)-\(lane)-\(at)")
                        store.path("value").set(0, 1)
                        at += 1
                        made.add(1)
                        usleep(50)
                    }
                    done.signal()
                }
                return done
            }
            while made.value == 0 { usleep(50) }
            try app.start()
            isOver.value = 1
            threads.forEach { $0.wait() }
            let health = Throughline.health()!
            let stores = health.stores.filter { $0.key.hasPrefix("During\(n)-") }
            XCTAssertEqual(UInt64(stores.count), made.value)
            XCTAssertEqual(health.unknownCalls, 0)
            for (name, counts) in stores { XCTAssertEqual(counts.mutations, 1, name) }
            try Throughline.shutdown()
            TracedStores.all.forget()
        }
    }

    func testAPolicyThatIsGivenDuringAStartHolds() throws {
        let app = try App()
        let store = TracedStore("Given")
        // Declaring others takes a while, in which this one may be declared already.
        for n in 0..<200 { _ = TracedStore("Other\(n)") }
        defer { TracedStores.all.forget() }
        for _ in 0..<20 {
            Recorder.expectStart()
            let last = Count()
            let done = DispatchSemaphore(value: 0)
            Thread.detachNewThread {
                // The last policy is given when the door was closed a moment ago. Without the pause
                // the door would most often open in the middle of the call.
                while !Recorder.isOpen {
                    store.updatePolicy(StorePolicy(deny: ["path\(last.add(1) + 1)"]))
                    usleep(20)
                }
                done.signal()
            }
            while last.value == 0 { usleep(50) }
            try app.start()
            done.wait()
            store.path("path\(last.value)").set(0, 1)
            XCTAssertEqual(try counts("Given").suppressed.values.reduce(0, +), 1)
            try Throughline.shutdown()
        }
    }

    // MARK: Bounds

    func testTwoThousandTracedModelsCostLittleMoreThanTheModels() throws {
        let app = try App().start()
        let policy = StorePolicy(transient: ["isLoading"])
        // What the type and the name cost once is not what an object costs.
        let first = person("Many", policy)
        first.isLoading.toggle()
        let models = bytes("2,000 models") { (0..<2_000).map { _ in Person() } }
        let objects = bytes("2,000 traced models with 5 paths each") {
            (0..<2_000).map { n in
                let profile = person("Many", policy)
                profile.isLoading.toggle()
                return profile
            }
        }
        XCTAssertLessThanOrEqual(objects, 2 * 1_024 * 1_024)
        XCTAssertLessThanOrEqual((objects - models) / 2_000, 512)
        XCTAssertEqual(try counts("Many").mutations, 2_001)
        // Models whose paths have an id in them share nothing.
        let own = bytes("2,000 traced models with 5 paths of their own each") {
            (0..<2_000).map { n in
                Traced(Person(), as: "Own") {
                    $0.path("people[\(n)].name", \.name)
                    $0.path("people[\(n)].email", \.email)
                    $0.path("people[\(n)].isLoading", \.isLoading)
                    $0.path("people[\(n)].visits", \.visits)
                    $0.path("people[\(n)].score", \.score)
                }
            }
        }
        XCTAssertLessThanOrEqual(own, 5 * 512 * 1_024)
        _ = app
    }

    func testModelsOfOneTypeWithOtherDeclarationsKeepTheirOwn() throws {
        let app = try App().start()
        var policy = StorePolicy()
        policy.coalesce = 0
        policy.maxActionsPerSecond = 1_000
        let one = Traced(Person(), as: "Declared", policy: policy) { $0.path("name", \.name) }
        let other = Traced(Person(), as: "Declared") {
            $0.path("fullName", \.name)
            $0.path("visits", \.visits)
        }
        let same = Traced(Person(), as: "Declared") { $0.path("name", \.name) }
        // One place in the code, so that all of them use one key path.
        for profile in [one, other, same] {
            profile.name = "Ada"
            profile.visits = 1
        }
        for n in 0..<100 {
            let more = Traced(Person(), as: "Declared") { $0.path("variant\(n)", \.name) }
            more.name = "Grace"
        }
        let seen = try app.seen()
        func count(_ action: String) -> Int { seen.filter { $0.action == "Declared.\(action).Update" }.count }
        XCTAssertEqual([count("name"), count("fullName"), count("visits")], [2, 1, 1])
        XCTAssertEqual((0..<100).map { count("variant\($0)") }, Array(repeating: 1, count: 100))
    }

    func testModelsOfOneTypeOnManyThreadsShareTheirTable() throws {
        let app = try App().start()
        var policy = StorePolicy(deny: ["isLoading"])
        policy.maxActionsPerSecond = 0
        _ = person("Threads", policy)
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            for _ in 0..<200 {
                let profile = person("Threads")
                profile.isLoading = true
                profile.name = "Ada"
                profile.visits += 1
                // A key path that is made while it runs has an address of its own.
                let whole: KeyPath<Person, Person> = \.self
                let made: ReferenceWritableKeyPath<Person, Double> = whole.appending(path: \.score)
                profile[dynamicMember: made] += 1
            }
        }
        XCTAssertEqual(try counts("Threads").mutations, 8 * 200 * 4)
        _ = app
    }

    func testKeyPathsThatAreMadeAtRunTimeLeaveTheOthersTheirPlace() throws {
        let app = try App().start()
        let profile = person("Made", StorePolicy(deny: ["isLoading"]))
        // A key path with an index is an object of its own for each index.
        for n in 0..<1_000 { profile[dynamicMember: \.[n]] += 1 }
        let written: ReferenceWritableKeyPath<Person, Bool> = \.isLoading
        profile[dynamicMember: written] = true
        // Found without a lock and a search, as each mutation from now on should be.
        XCTAssertTrue(profile.isIgnored(written))
        XCTAssertEqual(try counts("Made").mutations, 2)
        _ = app
    }

    func testTwoHundredThousandPathsAreCountedAndCostNoMoreThanAThousand() throws {
        let app = try App().start()
        let store = TracedStore("Wide", policy: StorePolicy(deny: ["**"]))
        store.path("first").set(0, 1)
        let used = bytes("200,000 paths") {
            for n in 0..<200_000 {
                let path = store.path("items[\(n)].price")
                path.set(0, 1)
                path.set(1, 2)
            }
            _ = Throughline.health()
        }
        XCTAssertLessThanOrEqual(used, 1_024 * 1_024)
        let counts = try counts("Wide")
        XCTAssertEqual(counts.mutations, 400_001)
        XCTAssertEqual(counts.pathsNotRemembered, 200_001 - 1_024)
        // What is not remembered still has its own decision.
        store.updatePolicy(StorePolicy(deny: ["items[7].price"]))
        let (ignored, recorded) = (store.path("items[7].price"), store.path("items[150000].price"))
        ignored.set(0, 1)
        recorded.set(0, 1)
        XCTAssertEqual(try app.seen().filter { $0.action.hasPrefix("Wide.") }.count, 1)
        // A path that no event could carry is not kept either.
        let long = bytes("100 paths of 1 MB") {
            for n in 0..<100 { store.path("\(n)" + String(repeating: "x", count: 1_000_000)).set(0, 1) }
        }
        XCTAssertLessThanOrEqual(long, 1_024 * 1_024)
    }

    func testStoresBeyondThoseOfAClientAreCountedAndToldAndKeptNowhere() throws {
        TracedStores.all.forget()
        let app = try App().start()
        for n in 0..<TracedStores.maxStores { _ = TracedStore("Store\(n)") }
        let before = Throughline.health()!.unknownCalls
        let used = bytes("20,000 stores too many") {
            for n in 0..<20_000 {
                let store = TracedStore("TooMany\(n)")
                XCTAssertEqual(store.name, "TooMany\(n)")
                store.path("value").set(0, 1)
            }
        }
        XCTAssertLessThanOrEqual(used, 1_024 * 1_024)
        let health = Throughline.health()!
        XCTAssertEqual(health.unknownCalls - before, 20_000)
        XCTAssertTrue(health.problems.contains { $0.contains("256") && $0.contains("TooMany0") }, "\(health.problems)")
        TracedStore("Store7").path("value").set(0, 1)
        TracedStores.all.forget()
        _ = app
    }
}
