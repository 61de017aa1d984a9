/// A value that an attribute may have: a text, a whole number, a double, a boolean, bytes
/// (`[UInt8]`), or a list or a map of those.
///
/// Texts are kept up to 1,024 characters, bytes up to 4,096, lists and maps up to 256 elements and
/// 8 levels. What is longer or deeper is cut, and a marker says so.
public protocol AttributeValue: Sendable {
    /// For Throughline alone: writes the value.
    func _write(to writer: inout AttributeWriter, depth: Int)
    /// For Throughline alone: whether the value is `nil`.
    var _isNone: Bool { get }
}

extension AttributeValue {
    public var _isNone: Bool { false }
}

extension String: AttributeValue {
    public func _write(to writer: inout AttributeWriter, depth: Int) { writer.textValue(self) }
}

extension Bool: AttributeValue {
    public func _write(to writer: inout AttributeWriter, depth: Int) { writer.boolValue(self) }
}

extension AttributeValue where Self: FixedWidthInteger {
    /// A number beyond the largest `Int64` is recorded as that one.
    public func _write(to writer: inout AttributeWriter, depth: Int) { writer.intValue(Int64(clamping: self)) }
}

extension Int: AttributeValue {}
extension Int8: AttributeValue {}
extension Int16: AttributeValue {}
extension Int32: AttributeValue {}
extension Int64: AttributeValue {}
extension UInt: AttributeValue {}
/// An array of these is recorded as bytes.
extension UInt8: AttributeValue {}
extension UInt16: AttributeValue {}
extension UInt32: AttributeValue {}
extension UInt64: AttributeValue {}

extension Double: AttributeValue {
    public func _write(to writer: inout AttributeWriter, depth: Int) { writer.doubleValue(self) }
}

extension Float: AttributeValue {
    public func _write(to writer: inout AttributeWriter, depth: Int) { writer.doubleValue(Double(self)) }
}

extension Array: AttributeValue where Element: AttributeValue {
    public func _write(to writer: inout AttributeWriter, depth: Int) {
        if let bytes = self as? [UInt8] { return writer.bytesValue(bytes) }
        writer.listValue(lazy.map { $0 as any AttributeValue }, depth: depth)
    }
}

extension Dictionary: AttributeValue where Key == String, Value: AttributeValue {
    public func _write(to writer: inout AttributeWriter, depth: Int) {
        writer.mapValue(lazy.map { ($0.key, $0.value as any AttributeValue) }, depth: depth)
    }
}

extension Optional: AttributeValue where Wrapped: AttributeValue {
    /// Inside a list, `nil` is recorded as the text `null`. As an attribute and inside a map it is
    /// left out.
    public func _write(to writer: inout AttributeWriter, depth: Int) {
        if let self { self._write(to: &writer, depth: depth) } else { writer.textValue("null") }
    }

    public var _isNone: Bool { self?._isNone ?? true }
}

/// The attributes of an event. At most 128 are kept; keys are cut at 128 bytes.
///
/// ```swift
/// Throughline.event("purchase", ["sku": sku, "count": 3, "gift": true])
/// ```
public struct Attributes: Sendable, ExpressibleByDictionaryLiteral {
    var pairs: [(String, any AttributeValue)]

    /// Attributes in this order.
    public init(dictionaryLiteral elements: (String, any AttributeValue)...) { pairs = elements }

    /// The entries of a dictionary, in no particular order.
    public init(_ dictionary: [String: any AttributeValue]) { pairs = dictionary.map { ($0.key, $0.value) } }

    /// The attribute of a key. Setting `nil` removes it.
    public subscript(key: String) -> (any AttributeValue)? {
        get { pairs.last { $0.0 == key }?.1 }
        set {
            pairs.removeAll { $0.0 == key }
            if let newValue { pairs.append((key, newValue)) }
        }
    }
}

/// As a value of an attribute, attributes are a map.
extension Attributes: AttributeValue {
    public func _write(to writer: inout AttributeWriter, depth: Int) { writer.mapValue(pairs, depth: depth) }
}

/// A list whose items are of several kinds: `["a", 1, true] as AttributeList`.
public struct AttributeList: AttributeValue, ExpressibleByArrayLiteral {
    let items: [any AttributeValue]

    public init(arrayLiteral elements: (any AttributeValue)...) { items = elements }

    /// A list of these items.
    public init(_ items: [any AttributeValue]) { self.items = items }

    public func _write(to writer: inout AttributeWriter, depth: Int) { writer.listValue(items, depth: depth) }
}
