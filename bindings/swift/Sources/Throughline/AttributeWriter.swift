/// Writes attributes where they belong, without an intermediate dictionary. For places that are
/// called often:
///
/// ```swift
/// Throughline.action("scroll") { $0.put("row", row) }
/// ```
///
/// At most 128 attributes are kept. Keys are cut at 128 bytes, texts at 1,024 characters; what is
/// cut or left out is counted on the event. Writing stops when the event has 160 KiB.
public struct AttributeWriter {
    /// The draft that the attributes belong to.
    var buffer: DraftBuffer
    private var countAt = 0
    private var count = 0

    init(_ buffer: DraftBuffer) { self.buffer = buffer }

    /// Adds a text.
    public mutating func put(_ key: String, _ value: String) {
        if self.key(key) { textValue(value) }
    }

    /// Adds a whole number.
    public mutating func put(_ key: String, _ value: Int) {
        if self.key(key) { intValue(Int64(value)) }
    }

    /// Adds a number.
    public mutating func put(_ key: String, _ value: Double) {
        if self.key(key) { doubleValue(value) }
    }

    /// Adds a boolean.
    public mutating func put(_ key: String, _ value: Bool) {
        if self.key(key) { boolValue(value) }
    }

    /// Adds a value of any kind. `nil` is left out.
    public mutating func put(_ key: String, _ value: any AttributeValue) {
        if !value._isNone, self.key(key) { value._write(to: &self, depth: 1) }
    }

    // MARK: Counting

    /// Begins the attributes of a call. Their count is written by ``end()``.
    @inline(__always)
    mutating func begin() {
        countAt = buffer.length
        count = 0
        buffer.u16(0)
    }

    @inline(__always)
    mutating func end() { buffer.replace(at: countAt, with: UInt16(truncatingIfNeeded: count)) }

    /// Writes a key, unless the attributes are full.
    @inline(__always)
    private mutating func key(_ key: String) -> Bool {
        if count >= Limit.attributes || buffer.length > Limit.attributesEndBytes { return false }
        count += 1
        buffer.text(key, limit: Limit.keyBytes)
        return true
    }

    // MARK: Values

    @inline(__always)
    mutating func textValue(_ value: String) {
        buffer.u8(Tag.text)
        buffer.text(value, limit: Limit.textBytes)
    }

    @inline(__always)
    mutating func intValue(_ value: Int64) {
        buffer.u8(Tag.int)
        buffer.i64(value)
    }

    @inline(__always)
    mutating func doubleValue(_ value: Double) {
        buffer.u8(Tag.double)
        buffer.f64(value)
    }

    @inline(__always)
    mutating func boolValue(_ value: Bool) {
        buffer.u8(Tag.bool)
        buffer.flag(value)
    }

    mutating func bytesValue(_ value: [UInt8]) {
        buffer.u8(Tag.bytes)
        buffer.blob(value)
    }

    /// A value, or the tag that stands for none.
    mutating func optionalValue(_ value: (any AttributeValue)?) {
        if let value, !value._isNone { value._write(to: &self, depth: 1) } else { buffer.u8(Tag.none) }
    }

    /// A list. Its items beyond ``Limit/elements`` are left out; one that is too deep is replaced
    /// by the core's marker.
    mutating func listValue(_ items: some Collection<any AttributeValue>, depth: Int) {
        guard begin(Tag.list, depth: depth, count: items.count) else { return }
        for item in items.prefix(Limit.elements) { item._write(to: &self, depth: depth + 1) }
    }

    /// A map. Entries that are `nil` are left out, and those beyond ``Limit/elements``; one that is
    /// too deep is replaced by the core's marker.
    mutating func mapValue(_ entries: some Sequence<(String, any AttributeValue)>, depth: Int) {
        let present = Array(entries.lazy.filter { !$0.1._isNone }.prefix(Limit.elements))
        guard begin(Tag.map, depth: depth, count: present.count) else { return }
        for (key, value) in present {
            buffer.text(key, limit: Limit.keyBytes)
            value._write(to: &self, depth: depth + 1)
        }
    }

    /// Begins a list or a map. False when it is too deep, or when the draft is full.
    private mutating func begin(_ tag: UInt8, depth: Int, count: Int) -> Bool {
        guard depth <= Limit.depth, buffer.length <= Limit.attributesEndBytes else {
            textValue("…")
            return false
        }
        buffer.u8(tag)
        buffer.u16(UInt16(min(count, Limit.elements)))
        return true
    }
}
