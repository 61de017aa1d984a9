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

/// What the stores of one name have in common: a second one, of another screen's model, is the same to the core.
private final class StoreState: @unchecked Sendable {
    let name: String
    let id: UInt32
    /// The policy's version and which client says so, by which paths know that their decision is old. 0: nobody was asked.
    let version = Count()
    let suppressed = Count()
    private let lock = NSLock()
    private var policy: String
    private var said: (@Sendable (inout Draft) -> Void)?
    private var ignored: [String: Count] = [:]
    private var client: UInt64 = 0

    init(_ name: String, id: UInt32, policy: String) { (self.name, self.id, self.policy) = (name, id, policy) }

    /// The count of what a path ignores.
    func ignored(_ path: String) -> Count {
        lock.lock()
        defer { lock.unlock() }
        if let known = ignored[path] { return known }
        let count = Count()
        ignored[path] = count
        return count
    }

    /// What the app says of the store's surroundings.
    var context: (@Sendable (inout Draft) -> Void)? {
        get { lock.withLock { said } }
        set { lock.withLock { said = newValue } }
    }

    /// Replaces the policy. Decisions that were remembered are void.
    func replace(_ json: String) {
        lock.lock()
        let isNew = json != policy
        policy = json
        lock.unlock()
        // Before the start it is declared like that.
        guard isNew, Recorder.isOpen else { return }
        see(Recorder.record(.updatePolicy) {
            $0.u32(id)
            $0.text(json, limit: Self.policyBytes)
        })
    }

    func declare(to door: UInt64?) {
        lock.lock()
        let policy = policy
        // Another client counts its versions anew.
        client += 1
        lock.unlock()
        let write = { (draft: inout Draft) in
            draft.u32(self.id)
            draft.text(self.name)
            draft.text(policy, limit: Self.policyBytes)
        }
        see(door.map { Recorder.record(to: $0, .declareStore, fields: write) } ?? Recorder.record(.declareStore, fields: write))
    }

    private func see(_ answer: Int64) {
        if answer > 0 { version.value = stamped(UInt64(answer)) }
    }

    /// A version with the client that says so.
    func stamped(_ version: UInt64) -> UInt64 {
        lock.lock()
        defer { lock.unlock() }
        return client << 40 | version
    }

    func report() {
        lock.lock()
        for count in ignored.values { suppressed.add(count.take()) }
        lock.unlock()
        guard Recorder.isOpen else { return }
        let count = suppressed.take()
        if count > 0 { Recorder.record(.suppressed, suppressed: UInt32(clamping: count)) { $0.u32(id) } }
    }

    private static let policyBytes = 65_536
}

/// The stores of the process: declared again at every start.
final class TracedStores: @unchecked Sendable {
    static let all = TracedStores()
    private let lock = NSLock()
    private var stores: [String: StoreState] = [:]

    private var copy: [StoreState] {
        lock.lock()
        defer { lock.unlock() }
        return Array(stores.values)
    }

    fileprivate func state(_ name: String, policy: String) -> StoreState {
        lock.lock()
        if let known = stores[name] {
            lock.unlock()
            known.replace(policy)
            return known
        }
        let state = StoreState(name, id: UInt32(stores.count + 1) | Self.swift, policy: policy)
        stores[name] = state
        lock.unlock()
        if Recorder.isOpen { state.declare(to: nil) }
        return state
    }

    func declare(to door: UInt64) { for store in copy { store.declare(to: door) } }

    /// Hands on what was suppressed here: the totals are right when somebody looks.
    func report() { for store in copy { store.report() } }

    /// Which facade chose a store's number.
    private static let swift: UInt32 = 2 << 24
}

/// A traced store: a name, a policy, and the paths of what it holds. Mutations become actions `{store}.{path}.Update`. Stores of
/// one name are one store, with the latest policy.
public final class TracedStore: Sendable {
    fileprivate let state: StoreState

    /// The name.
    public var name: String { state.name }

    /// Declares a store.
    public init(_ name: String, policy: StorePolicy = StorePolicy()) {
        state = TracedStores.all.state(name, policy: policy.json)
    }

    /// Declares a path: `displayName`, `items[3].price`. Keep it: it remembers the decision about it.
    public func path(_ path: String) -> TracedPath { TracedPath(self, path) }

    /// What the app says of the store's surroundings when a mutation is recorded: `context { $0.put("items", cart.count) }`.
    /// Called on the thread of the mutation, not for ignored ones. Of several mutations that are one action the latest counts.
    @discardableResult
    public func context(_ context: @escaping @Sendable (inout Draft) -> Void) -> TracedStore {
        state.context = context
        return self
    }

    /// Records a mutation of a path that is not worth keeping. Its cause is what runs now.
    public func record(
        _ path: String, old: (any AttributeValue)? = nil, new: (any AttributeValue)? = nil, kind: MutationKind = .set
    ) {
        let context = state.context
        Recorder.record(.mutation, suppressed: UInt32(clamping: state.suppressed.take())) {
            $0.u32(state.id)
            $0.u8(kind.rawValue)
            $0.text(path, limit: Self.pathBytes)
            $0.held(old)
            $0.held(new)
            $0.beginAttributes()
            context?(&$0)
            $0.endAttributes()
        }
    }

    /// Replaces the policy. Decisions that were remembered are void.
    public func updatePolicy(_ policy: StorePolicy) { state.replace(policy.json) }

    fileprivate func decide(_ path: String) -> Int64 {
        // The ring is for what happened.
        guard Recorder.isOpen else { return 0 }
        return Recorder.record(.decide) {
            $0.u32(state.id)
            $0.text(path, limit: Self.pathBytes)
        }
    }

    private static let pathBytes = 1_100
}

/// A path of a store with the decision about it: an ignored mutation costs a comparison and a count.
public final class TracedPath: @unchecked Sendable {
    private let store: TracedStore
    private let path: String
    /// Twice the policy's version that decided, and whether it ignores the path. 0: not known.
    private let known = Count()
    private let ignored: Count

    private let storeVersion, knownPlace, ignoredPlace: UnsafeMutablePointer<throughline_count>

    fileprivate init(_ store: TracedStore, _ path: String) {
        (self.store, self.path, ignored) = (store, path, store.state.ignored(path))
        (storeVersion, knownPlace, ignoredPlace) = (store.state.version.place, known.place, ignored.place)
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
        let version = store.state.version.value
        if version == 0 || known.value >> 1 != version {
            // The version and a code: 0 records. Not positive: nobody knows, and nothing is remembered.
            let decided = store.decide(path)
            if decided > 0 { known.value = store.state.stamped(UInt64(decided >> 8)) << 1 | (decided & 0xFF == 0 ? 0 : 1) }
            if ignores() { return }
        }
        store.record(path, old: value(old), new: value(new))
    }
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
