/// Writes one draft event: the header, then the fields of its call in the order of
/// `uniffi/src/draft/calls.rs`.
///
/// `tests/vectors/draft.json` pins the layout in every language. Texts are cut a little above the
/// core's limits, so that a text of 10 MB costs what is kept of it, and the core still sees that
/// something was cut.
struct Draft {
    private var writer: AttributeWriter

    init(_ lent: UnsafeMutableRawBufferPointer) { writer = AttributeWriter(DraftBuffer(lent)) }

    var bytes: UnsafeMutableRawPointer { writer.buffer.bytes }
    var length: Int { writer.buffer.length }

    /// Frees what the draft has taken from the heap.
    func free() { writer.buffer.free() }

    /// Begins a draft.
    ///
    /// - Parameters:
    ///   - context: The slot of the span or context that caused it. 0: the core's current one.
    ///   - suppressed: Mutations of a store that were suppressed here since the last draft.
    ///   - timeNs: Wall time, ns since the Unix epoch. 0: now.
    @inline(__always)
    mutating func begin(_ call: Call, context: UInt64, suppressed: UInt32 = 0, timeNs: UInt64 = 0) {
        writer.buffer.clear()
        u32(UInt32(DraftLayout.version) | UInt32(call.rawValue) << 8)
        u32(suppressed)
        u64(context)
        u64(timeNs)
    }

    @inline(__always) mutating func u8(_ value: UInt8) { writer.buffer.u8(value) }
    @inline(__always) mutating func u16(_ value: UInt16) { writer.buffer.u16(value) }
    @inline(__always) mutating func u32(_ value: UInt32) { writer.buffer.u32(value) }
    @inline(__always) mutating func u64(_ value: UInt64) { writer.buffer.u64(value) }
    @inline(__always) mutating func i64(_ value: Int64) { writer.buffer.i64(value) }
    @inline(__always) mutating func f64(_ value: Double) { writer.buffer.f64(value) }
    @inline(__always) mutating func flag(_ value: Bool) { writer.buffer.flag(value) }

    /// A text of at most `limit` bytes, cut between characters.
    @inline(__always)
    mutating func text(_ text: String, limit: Int = Limit.nameBytes) { writer.buffer.text(text, limit: limit) }

    /// A value, or the tag that stands for none.
    mutating func optionalValue(_ value: (any AttributeValue)?) { writer.optionalValue(value) }

    /// The attributes, which are the last field of a call.
    @inline(__always)
    mutating func attributes(_ attributes: Attributes) {
        writer.begin()
        for (key, value) in attributes.pairs { writer.put(key, value) }
        writer.end()
    }

    /// The attributes that a closure writes.
    @inline(__always)
    mutating func attributes(_ write: (inout AttributeWriter) -> Void) {
        writer.begin()
        write(&writer)
        writer.end()
    }
}
