/// What an attribute may be: texts, whole numbers, doubles, booleans, bytes (`[UInt8]`), and lists and maps of those.
///
/// Texts are kept up to 1,024 characters, bytes up to 4,096, lists and maps up to 256 elements and 8 deep; what is more is
/// cut with a marker.
public protocol AttributeValue: Sendable {
    /// For Throughline alone.
    func _write(to draft: inout Draft, depth: Int)
    /// For Throughline alone: whether it is `nil`.
    var _isNone: Bool { get }
}

extension AttributeValue {
    public var _isNone: Bool { false }
}

extension String: AttributeValue {
    public func _write(to draft: inout Draft, depth: Int) { draft.textValue(self) }
}

extension Bool: AttributeValue {
    public func _write(to draft: inout Draft, depth: Int) {
        draft.u8(Draft.Tag.bool)
        draft.flag(self)
    }
}

extension AttributeValue where Self: FixedWidthInteger {
    /// Beyond the largest signed number it is that number.
    public func _write(to draft: inout Draft, depth: Int) {
        draft.u8(Draft.Tag.int)
        draft.i64(Int64(clamping: self))
    }
}

extension Int: AttributeValue {}
extension Int8: AttributeValue {}
extension Int16: AttributeValue {}
extension Int32: AttributeValue {}
extension Int64: AttributeValue {}
extension UInt: AttributeValue {}
/// In a list of its like: one byte of a byte string.
extension UInt8: AttributeValue {}
extension UInt16: AttributeValue {}
extension UInt32: AttributeValue {}
extension UInt64: AttributeValue {}

extension Double: AttributeValue {
    public func _write(to draft: inout Draft, depth: Int) {
        draft.u8(Draft.Tag.double)
        draft.f64(self)
    }
}

extension Float: AttributeValue {
    public func _write(to draft: inout Draft, depth: Int) { Double(self)._write(to: &draft, depth: depth) }
}

extension Array: AttributeValue where Element: AttributeValue {
    public func _write(to draft: inout Draft, depth: Int) {
        if let bytes = self as? [UInt8] {
            draft.u8(Draft.Tag.bytes)
            return draft.data(bytes)
        }
        draft.nested(Draft.Tag.list, depth: depth, count: count) { draft in
            for item in prefix(Draft.maxElements) { item._write(to: &draft, depth: depth + 1) }
        }
    }
}

extension Dictionary: AttributeValue where Key == String, Value: AttributeValue {
    public func _write(to draft: inout Draft, depth: Int) {
        draft.map(lazy.map { ($0.key, $0.value as any AttributeValue) }, depth: depth)
    }
}

extension Optional: AttributeValue where Wrapped: AttributeValue {
    /// `nil` is the text `null` inside a list; as an attribute, and inside a map, it is left out.
    public func _write(to draft: inout Draft, depth: Int) {
        if let self { self._write(to: &draft, depth: depth) } else { draft.textValue("null") }
    }

    public var _isNone: Bool { self?._isNone ?? true }
}

/// The attributes of an event: `["sku": sku, "count": 3, "gift": true]`. At most 128 are kept.
public struct Attributes: Sendable, ExpressibleByDictionaryLiteral {
    var pairs: [(String, any AttributeValue)]

    /// Attributes in this order.
    public init(dictionaryLiteral elements: (String, any AttributeValue)...) { pairs = elements }

    /// What a dictionary holds.
    public init(_ dictionary: [String: any AttributeValue]) { pairs = dictionary.map { ($0.key, $0.value) } }

    /// Adds an attribute; `nil` adds none.
    public subscript(key: String) -> (any AttributeValue)? {
        get { pairs.last { $0.0 == key }?.1 }
        set {
            pairs.removeAll { $0.0 == key }
            if let newValue { pairs.append((key, newValue)) }
        }
    }
}

/// As an attribute, attributes are a map.
extension Attributes: AttributeValue {
    public func _write(to draft: inout Draft, depth: Int) {
        draft.map(pairs, depth: depth)
    }
}

/// A list whose items are of several kinds: `["a", 1, true] as AttributeList`.
public struct AttributeList: AttributeValue, ExpressibleByArrayLiteral {
    let items: [any AttributeValue]

    public init(arrayLiteral elements: (any AttributeValue)...) { items = elements }

    /// A list of these items.
    public init(_ items: [any AttributeValue]) { self.items = items }

    public func _write(to draft: inout Draft, depth: Int) {
        draft.nested(Draft.Tag.list, depth: depth, count: items.count) { draft in
            for item in items.prefix(Draft.maxElements) { item._write(to: &draft, depth: depth + 1) }
        }
    }
}
