import Foundation
internal import ThroughlineFFI

/// Writes drafts and hands them to the core. While there is none yet, they wait in a ring.
enum Recorder {
    /// The slot of the context that is current. Tasks carry it, and `run` sets it in other code.
    @TaskLocal static var slot: UInt64 = 0

    /// For a draft whose context is the current one.
    static let current = UInt64.max

    /// Calls after the shutdown.
    static let refused = Count()
    /// Calls before the start that were lost because too many waited.
    static let lostEarly = Count()
    /// Errors that the app's own code has thrown while it was called.
    static let failures = Count()

    private static let closed = UInt64.max
    private static let slots = Count(Facade.firstSlot)
    private static let ring = Ring()
    /// Bytes on the stack for one draft. A longer one moves to the heap.
    private static let lent = 1_024

    /// A slot that nobody has used yet.
    static func nextSlot() -> UInt64 { slots.add(1) + 1 }

    /// Records a call. `fields` writes what the layout of the call says.
    ///
    /// - Returns: A constant of ``Answer``, or what the call answers instead.
    @discardableResult
    @inline(__always)
    static func record(
        _ call: Call, context: UInt64 = current, suppressed: UInt32 = 0, fields: (inout Draft) -> Void
    ) -> Int64 {
        let handle = throughline_door_load()
        if handle == closed {
            refused.add(1)
            return Answer.closed
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

    /// Records a call to a door that is not open to everybody yet.
    static func record(to door: UInt64, _ call: Call, fields: (inout Draft) -> Void) -> Int64 {
        withUnsafeTemporaryAllocation(byteCount: lent, alignment: 8) { memory in
            var draft = Draft(memory)
            defer { draft.free() }
            draft.begin(call, context: 0)
            fields(&draft)
            return send(draft, to: door)
        }
    }

    /// Whether calls go to the core.
    static var isOpen: Bool {
        let handle = throughline_door_load()
        return handle != 0 && handle != closed
    }

    /// Whether the client was shut down and no other start is expected.
    static var isClosed: Bool { throughline_door_load() == closed }

    /// Lets calls go to the core from now on. Those of the ring go first, with their own times.
    static func open(_ door: UInt64) { ring.open(door) }

    /// Only counts calls from now on.
    static func close() { ring.close() }

    /// Keeps calls in the ring from now on, because another start is expected.
    static func expectStart() { ring.expectStart() }

    /// The latest calls before the start.
    private final class Ring: @unchecked Sendable {
        private static let maxDrafts = 100
        private let lock = NSLock()
        private var drafts: [[UInt8]] = []

        func keep(_ draft: Draft) -> Int64 {
            lock.lock()
            defer { lock.unlock() }
            let handle = throughline_door_load()
            if handle == closed {
                refused.add(1)
                return Answer.closed
            }
            // The client was started since the caller looked.
            if handle != 0 { return send(draft, to: handle) }
            if drafts.count >= Self.maxDrafts {
                drafts.removeFirst()
                lostEarly.add(1)
            }
            var copy = [UInt8](UnsafeRawBufferPointer(start: draft.bytes, count: draft.length))
            let now = UInt64(max(0, Date().timeIntervalSince1970 * 1_000_000)) * 1_000
            let time = DraftLayout.timeAt..<DraftLayout.timeAt + 8
            withUnsafeBytes(of: now.littleEndian) { copy.replaceSubrange(time, with: $0) }
            drafts.append(copy)
            return Answer.notKept
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

        func expectStart() {
            lock.lock()
            defer { lock.unlock() }
            if throughline_door_load() == closed { throughline_door_store(0) }
        }
    }
}
