import Foundation
internal import ThroughlineFFI

/// How much of a value is recorded.
public enum Capture: String, Sendable, Codable {
    /// Nothing.
    case none
    /// Booleans and numbers; of texts and bytes the length.
    case primitive
    /// As `primitive`, and of lists and maps the number of elements.
    case summary
    /// Texts, lists and maps as they are, within 1,024 characters.
    case full
}

/// What happened to a path.
public enum MutationKind: UInt8, Sendable { case set = 1, insert, delete, replace, batch }

/// What of a store is recorded. Patterns are dotted keys with `[3]`, `*`, `**`, `[*]`: `items[*].price`, `**.isLoading`. One that
/// cannot be read shows in ``Health/problems``; the store then records nothing.
public struct StorePolicy: Sendable, Codable {
    /// Paths that may become actions.
    public var allow = ["**"]
    /// Paths that do not, whatever `allow` says.
    public var deny: [String] = []
    /// Paths that never make an action of their own: loading flags, scroll positions.
    public var transient: [String] = []
    /// Paths whose values are never captured.
    public var redact: [String] = []
    /// Capture where no rule says otherwise.
    public var capture = Capture.primitive
    var captures: [Rule] = []
    /// Mutations of one path and cause within this time are one action, ms. 0: each its own.
    public var coalesceMilliseconds = 250
    /// A value that is back where it was within this time leaves no action, ms. 0: it does.
    public var ignoreIfRevertedMilliseconds = 0
    /// Actions per second; mutations beyond them are counted.
    public var maxActionsPerSecond = 20

    public init(allow: [String] = ["**"], deny: [String] = [], transient: [String] = []) {
        (self.allow, self.deny, self.transient) = (allow, deny, transient)
    }

    /// Sets the capture of some paths; of several rules that match the last counts.
    public mutating func capture(_ paths: String, _ capture: Capture) {
        captures.append(Rule(paths: paths, capture: capture))
    }

    struct Rule: Sendable, Codable {
        let paths: String
        let capture: Capture
    }

    enum CodingKeys: String, CodingKey {
        case allow, deny, transient, redact, capture, captures
        case coalesceMilliseconds = "coalesce_ms"
        case ignoreIfRevertedMilliseconds = "ignore_if_reverted_ms"
        case maxActionsPerSecond = "max_actions_per_second"
    }

    var json: String {
        var natural = self
        natural.coalesceMilliseconds = max(0, coalesceMilliseconds)
        natural.ignoreIfRevertedMilliseconds = max(0, ignoreIfRevertedMilliseconds)
        natural.maxActionsPerSecond = min(max(0, maxActionsPerSecond), Int(UInt32.max))
        return (try? JSONEncoder().encode(natural)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
}

/// The stores of the process: declared again at every start.
final class TracedStores: @unchecked Sendable {
    static let all = TracedStores()
    private let lock = NSLock()
    private var stores: [TracedStore] = []

    private var copy: [TracedStore] {
        lock.lock()
        defer { lock.unlock() }
        return stores
    }

    func add(_ store: TracedStore) {
        lock.lock()
        stores.append(store)
        store.id = UInt32(stores.count) | Self.swift
        lock.unlock()
        if Recorder.isOpen { store.declare(to: nil) }
    }

    func declare(to door: UInt64) { for store in copy { store.declare(to: door) } }

    /// Hands on what was suppressed here: the totals are right when somebody looks.
    func report() { for store in copy { store.report() } }

    /// Which facade chose a store's number.
    private static let swift: UInt32 = 2 << 24
}

/// A traced store: a name, a policy, and the paths of what it holds. Mutations become actions `{store}.{path}.Update`.
public final class TracedStore: @unchecked Sendable {
    public let name: String
    fileprivate(set) var id: UInt32 = 0
    /// The policy's version, by which paths know that their decision is old. 0: the core has not been asked.
    fileprivate let version = Count()
    private let suppressed = Count()
    private let lock = NSLock()
    private var policy: String
    private var paths: [TracedPath] = []

    /// Declares a store.
    public init(_ name: String, policy: StorePolicy = StorePolicy()) {
        (self.name, self.policy) = (name, policy.json)
        TracedStores.all.add(self)
    }

    /// Declares a path: `displayName`, `items[3].price`. Keep it: it remembers the decision about it.
    public func path(_ path: String) -> TracedPath {
        let declared = TracedPath(self, path)
        lock.lock()
        paths.append(declared)
        lock.unlock()
        return declared
    }

    /// Records a mutation of a path that is not worth keeping. Its cause is what runs now.
    public func record(
        _ path: String, old: (any AttributeValue)? = nil, new: (any AttributeValue)? = nil, kind: MutationKind = .set
    ) {
        Recorder.record(.mutation, suppressed: UInt32(clamping: suppressed.take())) {
            $0.u32(id)
            $0.u8(kind.rawValue)
            $0.text(path, limit: Self.pathBytes)
            $0.held(old)
            $0.held(new)
        }
    }

    /// Replaces the policy. Decisions that were remembered are void.
    public func updatePolicy(_ policy: StorePolicy) {
        let json = policy.json
        lock.lock()
        self.policy = json
        lock.unlock()
        see(Recorder.record(.updatePolicy) {
            $0.u32(id)
            $0.text(json, limit: Self.policyBytes)
        })
    }

    fileprivate func declare(to door: UInt64?) {
        lock.lock()
        let policy = policy
        lock.unlock()
        let write = { (draft: inout Draft) in
            draft.u32(self.id)
            draft.text(self.name)
            draft.text(policy, limit: Self.policyBytes)
        }
        see(door.map { Recorder.record(to: $0, .declareStore, fields: write) } ?? Recorder.record(.declareStore, fields: write))
    }

    private func see(_ answer: Int64) {
        if answer > 0 { version.value = UInt64(answer) }
    }

    fileprivate func decide(_ path: String) -> Int64 {
        Recorder.record(.decide) {
            $0.u32(id)
            $0.text(path, limit: Self.pathBytes)
        }
    }

    fileprivate func report() {
        lock.lock()
        for path in paths { suppressed.add(path.take()) }
        lock.unlock()
        guard Recorder.isOpen else { return }
        let count = suppressed.take()
        if count > 0 { Recorder.record(.suppressed, suppressed: UInt32(clamping: count)) { $0.u32(id) } }
    }

    private static let pathBytes = 1_100
    private static let policyBytes = 65_536
}

/// A path of a store with the decision about it: an ignored mutation costs a comparison and a count.
public final class TracedPath: @unchecked Sendable {
    private let store: TracedStore
    private let path: String
    /// Twice the policy's version that decided, and whether it ignores the path. 0: not known.
    private let known = Count()
    private let ignored = Count()

    private let storeVersion, knownPlace, ignoredPlace: UnsafeMutablePointer<throughline_count>

    fileprivate init(_ store: TracedStore, _ path: String) {
        (self.store, self.path) = (store, path)
        (storeVersion, knownPlace, ignoredPlace) = (store.version.place, known.place, ignored.place)
    }

    /// Records that the value was `old` and is `new`, unless they are equal.
    @inlinable
    @inline(__always)
    public func set<Value: Equatable>(_ old: Value, _ new: Value) {
        if old == new || ignores() { return }
        mutate(old, new)
    }

    /// Counts the mutation and is true, if the policy ignores the path.
    @usableFromInline
    func ignores() -> Bool {
        // By their places: no reference is counted on the way.
        let version = throughline_count_load(storeVersion)
        if version == 0 || throughline_count_load(knownPlace) != version << 1 | 1 { return false }
        _ = throughline_count_add(ignoredPlace, 1)
        return true
    }

    @usableFromInline
    @inline(never)
    func mutate<Value>(_ old: Value, _ new: Value) {
        let version = store.version.value
        if version == 0 || known.value >> 1 != version {
            // The version and a code: 0 records. Not positive: nobody knows, and nothing is remembered.
            let decided = store.decide(path)
            if decided > 0 { known.value = UInt64(decided >> 8) << 1 | (decided & 0xFF == 0 ? 0 : 1) }
        }
        store.record(path, old: value(old), new: value(new))
    }

    fileprivate func take() -> UInt64 { ignored.take() }
}

/// What can be recorded of a value: itself if it is an attribute's kind, else its description; `nil` is none.
private func value<Value>(_ value: Value) -> (any AttributeValue)? {
    if let optional = value as? any OptionalValue { return optional.attribute }
    return value as? any AttributeValue ?? (value as? any CustomStringConvertible)?.description ?? "\(type(of: value))"
}

private protocol OptionalValue {
    var attribute: (any AttributeValue)? { get }
}

extension Optional: OptionalValue {
    fileprivate var attribute: (any AttributeValue)? { flatMap { value($0) } }
}

/// The paths of a traced model.
public struct TracedPaths<Model: AnyObject> {
    fileprivate var paths: [(AnyKeyPath, String)] = []

    /// Declares a property under a name: `paths.path("displayName", \.displayName)`.
    public mutating func path<Value>(_ name: String, _ property: ReferenceWritableKeyPath<Model, Value>) {
        paths.append((property, name))
    }
}

/// A model whose declared properties are traced when they are set through this:
///
/// ```swift
/// let profile = Traced(ProfileModel(), as: "UserProfile", policy: StorePolicy(transient: ["isLoading"])) {
///     $0.path("displayName", \.displayName)
///     $0.path("isLoading", \.isLoading)
/// }
/// profile.isLoading = true
/// ```
///
/// For `@Observable` and plain classes. Nothing is reflected: a property that is not declared is set and not recorded. Setting
/// the same value again is no mutation. As safe among threads as the model is.
@dynamicMemberLookup
public final class Traced<Model: AnyObject> {
    /// The model, for what is not to be traced.
    public let model: Model
    /// The store, to change its policy.
    public let store: TracedStore
    private let declared: [(AnyKeyPath, TracedPath)]
    private let seen = Places()

    public init(
        _ model: Model, as name: String, policy: StorePolicy = StorePolicy(),
        paths: (inout TracedPaths<Model>) -> Void
    ) {
        self.model = model
        let store = TracedStore(name, policy: policy)
        self.store = store
        var collected = TracedPaths<Model>()
        paths(&collected)
        declared = collected.paths.map { ($0.0, store.path($0.1)) }
    }

    /// A property that can be set. Inlined, so that a key path that is written in the code becomes a plain access.
    @inlinable
    @inline(__always)
    public subscript<Value: Equatable>(dynamicMember property: ReferenceWritableKeyPath<Model, Value>) -> Value {
        get { model[keyPath: property] }
        set {
            let old = model[keyPath: property]
            model[keyPath: property] = newValue
            if old == newValue || isIgnored(property) { return }
            path(of: property)?.mutate(old, newValue)
        }
    }

    /// A property that cannot be set, or whose values cannot be compared.
    @inlinable
    @inline(__always)
    public subscript<Value>(dynamicMember property: KeyPath<Model, Value>) -> Value { model[keyPath: property] }

    /// Counts the mutation and is true, if the property is not declared or its path is ignored.
    @usableFromInline
    func isIgnored(_ property: AnyKeyPath) -> Bool { seen.ignores(property) }

    /// The path of a property. A key path that is written in the code is one object: it is found by its address from now on.
    @usableFromInline
    @inline(never)
    func path(of property: AnyKeyPath) -> TracedPath? {
        let path = declared.first { $0.0 == property }?.1
        seen.keep(property, path)
        return path
    }
}

/// Paths by the address of a key path. Each key path is kept alive, so that no other gets its address.
private final class Places: @unchecked Sendable {
    struct Place {
        var address: UInt
        /// The path, kept alive by the model's list; none if the property is not declared.
        var path: Unmanaged<TracedPath>?
    }

    /// As many as an app may write; a power of two. Key paths that are made at run time would never end.
    private static let count = 1_024
    private let places = UnsafeMutablePointer<Place>.allocate(capacity: count)
    private var kept: [AnyKeyPath] = []

    init() { places.initialize(repeating: Place(address: 0, path: nil), count: Self.count) }

    deinit { places.deallocate() }

    @inline(__always)
    private static func address(_ property: AnyKeyPath) -> UInt {
        UInt(bitPattern: Unmanaged.passUnretained(property).toOpaque())
    }

    @inline(__always)
    private static func first(_ address: UInt) -> Int { Int((address >> 4) % UInt(count)) }

    @inline(__always)
    func ignores(_ property: AnyKeyPath) -> Bool {
        let address = Self.address(property)
        var at = Self.first(address)
        while places[at].address != 0 {
            if places[at].address == address {
                guard let path = places[at].path else { return true }
                return path._withUnsafeGuaranteedRef { $0.ignores() }
            }
            at = (at + 1) % Self.count
        }
        return false
    }

    func keep(_ property: AnyKeyPath, _ path: TracedPath?) {
        let address = Self.address(property)
        if kept.count >= Self.count / 2 || kept.contains(where: { $0 === property }) { return }
        var at = Self.first(address)
        while places[at].address != 0 { at = (at + 1) % Self.count }
        kept.append(property)
        places[at] = Place(address: address, path: path.map(Unmanaged.passUnretained))
    }
}

/// A property of a plain class whose assignments are mutations of a path:
///
/// ```swift
/// final class Cart {
///     static let store = TracedStore("Cart", policy: StorePolicy(transient: ["isLoading"]))
///     @TracedState(Cart.store.path("isLoading")) var isLoading = false
/// }
/// ```
@propertyWrapper
public struct TracedState<Value: Equatable> {
    private var value: Value
    private let path: TracedPath

    public init(wrappedValue: Value, _ path: TracedPath) { (value, self.path) = (wrappedValue, path) }

    public var wrappedValue: Value {
        get { value }
        set {
            let old = value
            value = newValue
            path.set(old, newValue)
        }
    }

    /// The path, to record what is not an assignment.
    public var projectedValue: TracedPath { path }
}
