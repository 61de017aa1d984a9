#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// Codes of calls: `uniffi/src/draft.rs` has the layout, `tests/vectors/draft.json` pins it.
enum Call: UInt8 {
    case action = 3, resource = 4, error = 5, longTask = 6, vital = 7, custom = 8, log = 9, measurement = 10
    case startView = 32, pushView = 33, stopView = 34, markInteractive = 35, startAction = 36, renewSession = 37
    case startOperation = 40, startSpan = 41, spanAttributes = 42, spanEvent = 43, spanLink = 44, endSpan = 45
    case readContext = 46, retry = 47, startRequest = 48, endRequest = 49, keepContext = 50, takeContext = 51
    case declareStore = 64, mutation = 65, decide = 66, updatePolicy = 67, suppressed = 68
    case frames = 80, slowFrame = 81, memory = 82, processorTime = 83, processStart = 84, initialDisplay = 85
    case syncFailure = 90, queueFlush = 91, reportProblem = 92
    case user = 100, globalAttribute = 101, featureFlag = 102, fault = 255
}

/// Writes a draft into memory that the caller lends; what is longer moves to the heap.
///
/// What an app sees of it is ``put(_:_:)-(_,String)`` and its like. Texts are cut a little above the core's limits, so that a text of 10 MB costs what is kept of it.
public struct Draft {
    private(set) var bytes: UnsafeMutableRawPointer
    private(set) var length = 0
    private var capacity: Int
    private var isOnHeap = false
    private var countAt = 0
    private var count = 0

    init(_ lent: UnsafeMutableRawBufferPointer) {
        // Swift never lends an empty buffer here: its size is a constant of ours.
        bytes = lent.baseAddress!
        capacity = lent.count
    }

    /// Gives back what was taken from the heap.
    func free() {
        if isOnHeap { bytes.deallocate() }
    }

    @inline(__always)
    mutating func begin(_ call: Call, context: UInt64, suppressed: UInt32 = 0, timeNs: UInt64 = 0) {
        length = 0
        u32(UInt32(Self.version) | UInt32(call.rawValue) << 8)
        u32(suppressed)
        u64(context)
        u64(timeNs)
    }

    @inline(__always)
    private mutating func room(_ more: Int) {
        if length + more > capacity { grow(more) }
    }

    @inline(never)
    private mutating func grow(_ more: Int) {
        let larger = max(2 * capacity, length + more)
        let moved = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 1)
        moved.copyMemory(from: bytes, byteCount: length)
        free()
        (bytes, capacity, isOnHeap) = (moved, larger, true)
    }

    @inline(__always)
    private mutating func put<T: FixedWidthInteger>(_ value: T) {
        room(MemoryLayout<T>.size)
        bytes.storeBytes(of: value.littleEndian, toByteOffset: length, as: T.self)
        length += MemoryLayout<T>.size
    }

    @inline(__always) mutating func u8(_ value: UInt8) { put(value) }
    @inline(__always) mutating func u16(_ value: UInt16) { put(value) }
    @inline(__always) mutating func u32(_ value: UInt32) { put(value) }
    @inline(__always) mutating func u64(_ value: UInt64) { put(value) }
    @inline(__always) mutating func i64(_ value: Int64) { put(value) }
    @inline(__always) mutating func f64(_ value: Double) { put(value.isNaN ? Self.nan : value.bitPattern) }
    @inline(__always) mutating func flag(_ value: Bool) { u8(value ? 1 : 0) }

    /// Text of at most `limit` bytes, cut between characters.
    @inline(__always)
    mutating func text(_ text: String, limit: Int = Draft.nameBytes) {
        var text = text
        text.withUTF8 { blob($0, limit: limit) }
    }

    @inline(__always)
    private mutating func blob(_ utf8: UnsafeBufferPointer<UInt8>, limit: Int) {
        var size = utf8.count
        if size > limit {
            size = limit
            while size > 0, utf8[size] & 0xC0 == 0x80 { size -= 1 }
        }
        room(4 + size)
        u32(UInt32(truncatingIfNeeded: size))
        if let from = utf8.baseAddress { bytes.advanced(by: length).copyMemory(from: from, byteCount: size) }
        length += size
    }

    mutating func data(_ value: [UInt8]) {
        let size = min(value.count, Self.blobBytes)
        u32(UInt32(size))
        room(size)
        value.withUnsafeBytes { bytes.advanced(by: length).copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(bytes), byteCount: size) }
        length += size
    }

    @inline(__always)
    mutating func beginAttributes() {
        countAt = length
        count = 0
        u16(0)
    }

    @inline(__always)
    mutating func endAttributes() {
        bytes.storeBytes(of: UInt16(truncatingIfNeeded: count).littleEndian, toByteOffset: countAt, as: UInt16.self)
    }

    @inline(__always)
    mutating func attributes(_ attributes: Attributes) {
        beginAttributes()
        for (key, value) in attributes.pairs { put(key, value) }
        endAttributes()
    }

    @inline(__always)
    private mutating func key(_ key: String) -> Bool {
        if count >= Self.maxAttributes || length > Self.maxBytes { return false }
        count += 1
        text(key, limit: Self.keyBytes)
        return true
    }

    /// Adds a text.
    public mutating func put(_ key: String, _ value: String) { if self.key(key) { textValue(value) } }

    /// Adds a whole number.
    public mutating func put(_ key: String, _ value: Int) {
        guard self.key(key) else { return }
        u8(Tag.int)
        i64(Int64(value))
    }

    /// Adds a number.
    public mutating func put(_ key: String, _ value: Double) {
        guard self.key(key) else { return }
        u8(Tag.double)
        f64(value)
    }

    /// Adds true or false.
    public mutating func put(_ key: String, _ value: Bool) {
        guard self.key(key) else { return }
        u8(Tag.bool)
        flag(value)
    }

    /// Adds any attribute.
    public mutating func put(_ key: String, _ value: any AttributeValue) {
        if !value._isNone, self.key(key) { value._write(to: &self, depth: 1) }
    }

    /// A value or none.
    mutating func held(_ value: (any AttributeValue)?) {
        if let value, !value._isNone { value._write(to: &self, depth: 1) } else { u8(Tag.none) }
    }

    @inline(__always)
    mutating func textValue(_ value: String) {
        u8(Tag.text)
        text(value, limit: Self.textBytes)
    }

    /// A list or a map: `write` is called for each of at most 257 items.
    mutating func nested(_ tag: UInt8, depth: Int, count: Int, _ write: (inout Draft) -> Void) {
        guard depth <= Self.maxDepth, length <= Self.maxBytes else { return textValue("…") }
        u8(tag)
        u16(UInt16(min(count, Self.maxElements)))
        write(&self)
    }

    /// A map of what is there, of at most 257 pairs.
    mutating func map(_ pairs: some Sequence<(String, any AttributeValue)>, depth: Int) {
        let there = Array(pairs.lazy.filter { !$0.1._isNone }.prefix(Self.maxElements))
        nested(Tag.map, depth: depth, count: there.count) { draft in
            for (key, value) in there {
                draft.text(key, limit: Self.keyBytes)
                value._write(to: &draft, depth: depth + 1)
            }
        }
    }

    static let version: UInt8 = 1
    static let headerBytes = 24
    static let timeAt = 16
    static let maxElements = 257

    /// A little more than the core keeps, in bytes of UTF-8.
    static let textBytes = 4 * 1_024 + 4
    static let keyBytes = 132
    static let nameBytes = 4 * 256 + 4
    static let messageBytes = 4 * 8_192 + 4
    static let stackBytes = 4 * 16_384
    static let urlBytes = 8_192
    private static let blobBytes = 4_097
    private static let maxAttributes = 1_000
    private static let maxDepth = 8

    /// Attributes stop here: the core refuses drafts beyond 256 KiB.
    private static let maxBytes = 160 * 1_024
    private static let nan: UInt64 = 0x7FF8_0000_0000_0000

    enum Tag {
        static let none: UInt8 = 0
        static let bool: UInt8 = 1
        static let int: UInt8 = 2
        static let double: UInt8 = 3
        static let text: UInt8 = 4
        static let bytes: UInt8 = 5
        static let list: UInt8 = 6
        static let map: UInt8 = 7
    }
}
