/// The bytes of a draft: little-endian numbers and texts, written one after the other.
///
/// They lie in memory that the caller lends. When that is too small, they move to the heap.
struct DraftBuffer {
    private(set) var bytes: UnsafeMutableRawPointer
    private(set) var length = 0
    private var capacity: Int
    private var isOnHeap = false

    init(_ lent: UnsafeMutableRawBufferPointer) {
        // The size is a constant above 0, and Swift lends no memory without an address for that.
        bytes = lent.baseAddress!
        capacity = lent.count
    }

    /// Frees the memory on the heap, if the bytes have moved there.
    func free() {
        if isOnHeap { bytes.deallocate() }
    }

    /// Forgets everything that was written.
    @inline(__always)
    mutating func clear() { length = 0 }

    @inline(__always)
    private mutating func reserve(_ more: Int) {
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
        reserve(MemoryLayout<T>.size)
        bytes.storeBytes(of: value.littleEndian, toByteOffset: length, as: T.self)
        length += MemoryLayout<T>.size
    }

    @inline(__always) mutating func u8(_ value: UInt8) { put(value) }
    @inline(__always) mutating func u16(_ value: UInt16) { put(value) }
    @inline(__always) mutating func u32(_ value: UInt32) { put(value) }
    @inline(__always) mutating func u64(_ value: UInt64) { put(value) }
    @inline(__always) mutating func i64(_ value: Int64) { put(value) }
    @inline(__always) mutating func flag(_ value: Bool) { u8(value ? 1 : 0) }

    /// A double. Every value that is not a number has the same bits, as in the other languages.
    @inline(__always)
    mutating func f64(_ value: Double) { put(value.isNaN ? Self.nan : value.bitPattern) }

    /// A text of at most `limit` bytes, cut between characters.
    @inline(__always)
    mutating func text(_ text: String, limit: Int) {
        var text = text
        text.withUTF8 { utf8($0, limit: limit) }
    }

    @inline(__always)
    private mutating func utf8(_ utf8: UnsafeBufferPointer<UInt8>, limit: Int) {
        var size = utf8.count
        if size > limit {
            size = limit
            while size > 0, utf8[size] & 0xC0 == 0x80 { size -= 1 }
        }
        reserve(4 + size)
        u32(UInt32(truncatingIfNeeded: size))
        if let from = utf8.baseAddress { bytes.advanced(by: length).copyMemory(from: from, byteCount: size) }
        length += size
    }

    /// Bytes, at most ``Limit/blobBytes``.
    mutating func blob(_ value: [UInt8]) {
        let size = min(value.count, Limit.blobBytes)
        u32(UInt32(size))
        reserve(size)
        value.withUnsafeBytes {
            bytes.advanced(by: length).copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(bytes), byteCount: size)
        }
        length += size
    }

    /// Replaces a number of 16 bits that was written before.
    @inline(__always)
    func replace(at place: Int, with value: UInt16) {
        bytes.storeBytes(of: value.littleEndian, toByteOffset: place, as: UInt16.self)
    }

    private static let nan: UInt64 = 0x7FF8_0000_0000_0000
}
