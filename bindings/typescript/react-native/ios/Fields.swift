import Foundation

/// A value of JavaScript's.
enum JSONValue: Decodable {
    case null
    case flag(Bool)
    case number(Double)
    case text(String)
    case list([JSONValue])
    case object([String: JSONValue])

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        // The order matters: a decoder takes no number for a boolean, and no boolean for a number.
        if value.decodeNil() {
            self = .null
        } else if let flag = try? value.decode(Bool.self) {
            self = .flag(flag)
        } else if let number = try? value.decode(Double.self) {
            self = .number(number)
        } else if let text = try? value.decode(String.self) {
            self = .text(text)
        } else if let list = try? value.decode([JSONValue].self) {
            self = .list(list)
        } else {
            self = .object(try value.decode([String: JSONValue].self))
        }
    }
}

/// A field of a configuration from JavaScript cannot be used. The message names it.
struct InvalidField: Error {
    let message: String
}

/// Reads the fields of an object of JavaScript's, strictly: a wrong type is refused, and a name that
/// nobody asked for as well, so that a misspelt field does not do nothing.
final class Fields {
    /// Where the object stands, for messages. Empty: it is the configuration itself.
    private let path: String
    private let values: [String: JSONValue]
    private var unread: Set<String>

    private init(_ path: String, _ values: [String: JSONValue]) {
        (self.path, self.values, unread) = (path, values, Set(values.keys))
    }

    /// Reads an object in JSON.
    static func read<T>(_ json: String, _ read: (Fields) throws -> T) throws -> T {
        guard case .object(let values)? = try? JSONDecoder().decode(JSONValue.self, from: Data(json.utf8)) else {
            throw InvalidField(message: "the configuration is not an object")
        }
        return try Fields("", values).all(read)
    }

    func text(_ name: String) throws -> String? {
        try typed(name, "a text") { if case .text(let text) = $0 { text } else { nil } }
    }

    func flag(_ name: String) throws -> Bool? {
        try typed(name, "a boolean") { if case .flag(let flag) = $0 { flag } else { nil } }
    }

    func number(_ name: String) throws -> Double? {
        try typed(name, "a number") { if case .number(let number) = $0 { number } else { nil } }
    }

    /// A whole number that JavaScript has exactly.
    func count(_ name: String) throws -> Int? {
        guard let number = try number(name) else { return nil }
        guard let count = Int(exactly: number), abs(number) <= 9_007_199_254_740_991 else {
            throw refused(name, "a whole number")
        }
        return count
    }

    /// A time in ms, as seconds.
    func time(_ name: String) throws -> TimeInterval? { try number(name).map { $0 / 1_000 } }

    /// One of some names.
    func choice<T>(_ name: String, _ choices: KeyValuePairs<String, T>) throws -> T? {
        guard let text = try text(name) else { return nil }
        guard let choice = choices.first(where: { $0.key == text }) else {
            throw refused(name, "one of \(choices.map(\.key).joined(separator: ", "))")
        }
        return choice.value
    }

    func texts(_ name: String) throws -> [String]? {
        try list(name)?.map {
            guard case .text(let text) = $0 else { throw refused(name, "a list of texts") }
            return text
        }
    }

    func choices<T>(_ name: String, _ choices: KeyValuePairs<String, T>) throws -> [T]? {
        try texts(name)?.map { text in
            guard let choice = choices.first(where: { $0.key == text }) else {
                throw refused(name, "a list of \(choices.map(\.key).joined(separator: ", "))")
            }
            return choice.value
        }
    }

    /// Each element of a list, which is an object, or what `text` makes of a text.
    func elements<T>(_ name: String, text: (String) -> T? = { _ in nil }, _ read: (Fields) throws -> T) throws -> [T]? {
        try list(name)?.enumerated().map { at, element in
            let place = "\(place(name))[\(at)]"
            switch element {
            case .object(let values): return try Fields(place, values).all(read)
            case .text(let value):
                if let made = text(value) { return made }
            default: break
            }
            throw InvalidField(message: "\(place) must be an object")
        }
    }

    /// An object whose values are texts.
    func pairs(_ name: String) throws -> [String: String]? {
        try inner(name) { fields in
            var pairs: [String: String] = [:]
            for key in fields.values.keys { pairs[key] = try fields.text(key) }
            return pairs
        }
    }

    /// An object.
    func inner<T>(_ name: String, _ read: (Fields) throws -> T) throws -> T? {
        let values = try typed(name, "an object") { if case .object(let values) = $0 { values } else { nil } }
        return try values.map { try Fields(place(name), $0).all(read) }
    }

    private func all<T>(_ read: (Fields) throws -> T) throws -> T {
        let result = try read(self)
        if let name = unread.min() { throw InvalidField(message: "\(place(name)) is not known") }
        return result
    }

    private func list(_ name: String) throws -> [JSONValue]? {
        try typed(name, "a list") { if case .list(let list) = $0 { list } else { nil } }
    }

    private func typed<T>(_ name: String, _ type: String, _ read: (JSONValue) -> T?) throws -> T? {
        unread.remove(name)
        guard let value = values[name] else { return nil }
        guard let read = read(value) else { throw refused(name, type) }
        return read
    }

    private func place(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

    private func refused(_ name: String, _ type: String) -> InvalidField {
        InvalidField(message: "\(place(name)) must be \(type)")
    }
}
