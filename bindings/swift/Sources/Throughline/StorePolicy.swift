import Foundation

/// How much of a value is recorded.
public enum ValueCapture: String, Sendable, Codable {
    /// Nothing.
    case none
    /// Booleans and numbers. Of texts and bytes, the length.
    case primitive
    /// As `primitive`, and of lists and maps the number of elements.
    case summary
    /// Texts, lists and maps as they are, up to 1,024 characters.
    case full
}

/// What of a traced store is recorded.
///
/// A pattern is a path of dotted keys in which `*` stands for one key, `**` for any number of keys,
/// `[3]` for an element and `[*]` for any element: `items[*].price`, `**.isLoading`. A store with a
/// pattern that cannot be read records nothing, and ``Health/problems`` names the pattern.
///
/// ```swift
/// var policy = StorePolicy(deny: ["user.*.email"], transient: ["**.isLoading"])
/// policy.capture("coupon", .full)
/// ```
public struct StorePolicy: Sendable, Equatable {
    /// Paths whose mutations are recorded as actions. Default: all.
    public var allow = ["**"]
    /// Paths whose mutations are not recorded although `allow` covers them.
    public var deny: [String] = []
    /// Paths whose mutations never make an action of their own, for example loading flags and
    /// scroll positions.
    public var transient: [String] = []
    /// Paths whose values are never recorded.
    public var redact: [String] = []
    /// How much of a value is recorded where ``capture(_:_:)`` has no rule for its path.
    public var capture = ValueCapture.primitive
    private var captures: [Rule] = []
    /// Mutations of one path with one cause within this time, in seconds, make one action. 0: each
    /// makes its own. At most 60.
    public var coalesce: TimeInterval = 0.25
    /// A value that is back where it was within this time, in seconds, makes no action. 0: it does.
    /// At most 60.
    public var ignoreIfReverted: TimeInterval = 0
    /// How many actions a store may make a second. Further mutations are only counted.
    public var maxActionsPerSecond = 20

    /// A policy with these patterns, and defaults for the rest.
    public init(allow: [String] = ["**"], deny: [String] = [], transient: [String] = []) {
        (self.allow, self.deny, self.transient) = (allow, deny, transient)
    }

    /// Sets how much is recorded of the values of some paths. The last rule that covers a path
    /// counts.
    public mutating func capture(_ paths: String, _ capture: ValueCapture) {
        captures.append(Rule(paths: paths, capture: capture))
    }

    private struct Rule: Sendable, Equatable, Codable {
        let paths: String
        let capture: ValueCapture
    }

    /// The policy as the core reads it.
    var json: String { (try? JSONEncoder().encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "" }
}

/// A policy as JSON has its durations in whole milliseconds, in Rust as well.
extension StorePolicy: Codable {
    private enum Key: String, CodingKey {
        case allow, deny, transient, redact, capture, captures
        case coalesce = "coalesce_ms"
        case ignoreIfReverted = "ignore_if_reverted_ms"
        case maxActionsPerSecond = "max_actions_per_second"
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Key.self)
        func read<T: Decodable>(_ key: Key, into field: inout T) throws {
            field = try values.decodeIfPresent(T.self, forKey: key) ?? field
        }
        func readTime(_ key: Key, into field: inout TimeInterval) throws {
            field = try values.decodeIfPresent(UInt64.self, forKey: key).map { Double($0) / 1_000 } ?? field
        }
        self.init()
        try read(.allow, into: &allow)
        try read(.deny, into: &deny)
        try read(.transient, into: &transient)
        try read(.redact, into: &redact)
        try read(.capture, into: &capture)
        try read(.captures, into: &captures)
        try readTime(.coalesce, into: &coalesce)
        try readTime(.ignoreIfReverted, into: &ignoreIfReverted)
        try read(.maxActionsPerSecond, into: &maxActionsPerSecond)
    }

    public func encode(to encoder: any Encoder) throws {
        func milliseconds(_ time: TimeInterval) -> UInt64 { (time.nanoseconds + 500_000) / 1_000_000 }
        var values = encoder.container(keyedBy: Key.self)
        try values.encode(allow, forKey: .allow)
        try values.encode(deny, forKey: .deny)
        try values.encode(transient, forKey: .transient)
        try values.encode(redact, forKey: .redact)
        try values.encode(capture, forKey: .capture)
        try values.encode(captures, forKey: .captures)
        try values.encode(milliseconds(coalesce), forKey: .coalesce)
        try values.encode(milliseconds(ignoreIfReverted), forKey: .ignoreIfReverted)
        try values.encode(min(max(0, maxActionsPerSecond), Int(UInt32.max)), forKey: .maxActionsPerSecond)
    }
}
