import Foundation
internal import ThroughlineFFI

/// Writes drafts and hands them to the core, or to the ring while there is none.
enum Recorder {
    /// What runs: carried by tasks, and by `run` in code that is no task.
    @TaskLocal static var slot: UInt64 = 0

    /// For a draft whose context is what runs.
    static let current = UInt64.max

    static let refused = Count()
    static let lostEarly = Count()
    static let failures = Count()

    private static let closed = UInt64.max
    /// Which facade chose a slot: other languages share the process.
    private static let slots = Count(2 << 48)
    private static let ring = Ring()
    private static let lent = 1_024

    static func nextSlot() -> UInt64 { slots.add(1) + 1 }

    /// Records a call; `fields` writes what its layout says.
    @discardableResult
    @inline(__always)
    static func record(
        _ call: Call, context: UInt64 = current, suppressed: UInt32 = 0, fields: (inout Draft) -> Void
    ) -> Int64 {
        let handle = throughline_door_load()
        if handle == closed {
            refused.add(1)
            return -1
        }
        let context = context == current ? slot : context
        return withUnsafeTemporaryAllocation(byteCount: lent, alignment: 8) { memory in
            var draft = Draft(memory)
            defer { draft.free() }
            draft.begin(call, context: context, suppressed: suppressed)
            fields(&draft)
            if handle == 0 { return ring.keep(draft) }
            return send(draft, to: handle)
        }
    }

    @inline(__always)
    fileprivate static func send(_ draft: Draft, to handle: UInt64) -> Int64 {
        throughline_record(handle, draft.bytes.assumingMemoryBound(to: UInt8.self), draft.length)
    }

    /// Records to a door that is not open to everybody yet.
    static func record(to door: UInt64, _ call: Call, fields: (inout Draft) -> Void) -> Int64 {
        withUnsafeTemporaryAllocation(byteCount: lent, alignment: 8) { memory in
            var draft = Draft(memory)
            defer { draft.free() }
            draft.begin(call, context: 0)
            fields(&draft)
            return send(draft, to: door)
        }
    }

    static var isOpen: Bool {
        let handle = throughline_door_load()
        return handle != 0 && handle != closed
    }

    /// After a shutdown, until another start is awaited.
    static var isClosed: Bool { throughline_door_load() == closed }

    /// From now on calls go to the core; those of the ring first, with their own times.
    static func open(_ door: UInt64) { ring.open(door) }

    /// From now on calls are counted and do nothing.
    static func close() { ring.close() }

    /// Another start is awaited: calls go to the ring.
    static func await() { ring.await() }

    /// The calls before the start, the latest 100.
    private final class Ring: @unchecked Sendable {
        private static let places = 100
        private let lock = NSLock()
        private var drafts: [[UInt8]] = []

        func keep(_ draft: Draft) -> Int64 {
            lock.lock()
            defer { lock.unlock() }
            let handle = throughline_door_load()
            if handle == closed {
                refused.add(1)
                return -1
            }
            // Started meanwhile.
            if handle != 0 { return send(draft, to: handle) }
            if drafts.count >= Self.places {
                drafts.removeFirst()
                lostEarly.add(1)
            }
            var copy = [UInt8](UnsafeRawBufferPointer(start: draft.bytes, count: draft.length))
            let now = UInt64(max(0, Date().timeIntervalSince1970 * 1_000_000)) * 1_000
            withUnsafeBytes(of: now.littleEndian) { copy.replaceSubrange(Draft.timeAt..<Draft.timeAt + 8, with: $0) }
            drafts.append(copy)
            return 0
        }

        func open(_ door: UInt64) {
            lock.lock()
            defer { lock.unlock() }
            for draft in drafts { _ = throughline_record(door, draft, draft.count) }
            drafts.removeAll()
            throughline_door_store(door)
        }

        func close() {
            lock.lock()
            defer { lock.unlock() }
            throughline_door_store(closed)
            drafts.removeAll()
        }

        func await() {
            lock.lock()
            defer { lock.unlock() }
            if throughline_door_load() == closed { throughline_door_store(0) }
        }
    }
}

/// A number that many threads add to.
final class Count: @unchecked Sendable {
    /// Where it lies, as long as this lives.
    let place: UnsafeMutablePointer<throughline_count>

    init(_ value: UInt64 = 0) {
        place = .allocate(capacity: 1)
        place.initialize(to: throughline_count())
        throughline_count_store(place, value)
    }

    deinit { place.deallocate() }

    /// Adds, and answers what was there before.
    @discardableResult
    @inline(__always)
    func add(_ more: UInt64) -> UInt64 { throughline_count_add(place, more) }

    @inline(__always)
    var value: UInt64 {
        get { throughline_count_load(place) }
        set { throughline_count_store(place, newValue) }
    }

    /// Takes everything out.
    func take() -> UInt64 { throughline_count_take(place) }
}
