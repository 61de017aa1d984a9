internal import ThroughlineFFI

/// A traced store: a name, a policy, and the paths of what it holds. Mutations become actions with
/// the name `{store}.{path}.Update`. Stores of one name are one store, wherever they are created; a
/// process has at most 256.
///
/// ```swift
/// let store = TracedStore("Cart", policy: StorePolicy(transient: ["isLoading"]))
///     .context { $0.put("items", cart.count) }
/// let coupon = store.path("coupon")
/// coupon.set(old, new)                 // action Cart.coupon.Update
/// ```
public final class TracedStore: Sendable {
    let named: NamedStore

    /// The name.
    public var name: String { named.name }

    /// Finds the store of a name, or creates it.
    ///
    /// - Parameters:
    ///   - name: The name.
    ///   - policy: What of it is recorded. It replaces the policy that the store has. `nil`: the
    ///     store keeps its policy; a new one has the default, `StorePolicy()`.
    public init(_ name: String, policy: StorePolicy? = nil) {
        named = TracedStores.all.store(name, policy: policy)
    }

    /// Declares a path, for example `displayName` or `items[3].price`, of at most 1,024 bytes. Keep
    /// it: it remembers the decision about its mutations.
    ///
    /// A store remembers 1,024 paths, and ``StateCounts/pathsNotRemembered`` counts the others.
    /// These are recorded and counted as the first ones are.
    public func path(_ path: String) -> TracedPath { TracedPath(named, path) }

    /// Sets what the app says about the state that surrounds a mutation: `context { $0.put("items",
    /// cart.count) }`.
    ///
    /// It is called on the thread of a mutation that is recorded, not for one that is ignored. When
    /// several mutations make one action, the last result counts. For mutations that it makes
    /// itself it is not called.
    @discardableResult
    public func context(_ context: @escaping @Sendable (inout AttributeWriter) -> Void) -> TracedStore {
        named.context = context
        return self
    }

    /// Records a mutation of a path for which it is not worth to keep a ``TracedPath``. Its cause
    /// is the current context.
    public func record(
        _ path: String, old: (any AttributeValue)? = nil, new: (any AttributeValue)? = nil, kind: MutationKind = .set
    ) {
        named.record(path, old: old, new: new, kind: kind)
    }

    /// Replaces the policy. It holds for the next mutation of every path.
    public func updatePolicy(_ policy: StorePolicy) { TracedStores.all.replace(policy, of: named) }
}

/// A path of a store, with the decision about it. A mutation that is ignored costs a comparison and
/// a count.
public final class TracedPath: @unchecked Sendable {
    private let store: NamedStore
    private let path: String
    private let ignored: Count

    /// Where the bits of the ``RememberedDecision`` lie. They belong to this object.
    private let decisionPlace: UnsafeMutablePointer<throughline_count>
    private let stampPlace, ignoredPlace: UnsafeMutablePointer<throughline_count>

    init(_ store: NamedStore, _ path: String) {
        (self.store, self.path, ignored) = (store, path, store.ignored(path))
        decisionPlace = .allocate(capacity: 1)
        decisionPlace.initialize(to: throughline_count())
        (stampPlace, ignoredPlace) = (store.stamp.place, ignored.place)
    }

    deinit { decisionPlace.deallocate() }

    /// Records that the value was `old` and is `new`, unless they are equal.
    @inlinable
    @inline(__always)
    public func set<Value: Equatable>(_ old: Value, _ new: Value) {
        if old == new || ignores() { return }
        mutate(old, new)
    }

    /// Whether the policy ignores the path. Then the mutation is counted.
    @usableFromInline
    func ignores() -> Bool {
        // By their places, so that no reference is counted on the way.
        let stamp = PolicyStamp(bits: throughline_count_load(stampPlace))
        let remembered = RememberedDecision(bits: throughline_count_load(decisionPlace))
        if stamp == .none || remembered != RememberedDecision(by: stamp, ignores: true) { return false }
        _ = throughline_count_add(ignoredPlace, 1)
        return true
    }

    @usableFromInline
    @inline(never)
    func mutate<Value>(_ old: Value, _ new: Value) {
        let stamp = PolicyStamp(bits: throughline_count_load(stampPlace))
        if stamp == .none || !RememberedDecision(bits: throughline_count_load(decisionPlace)).isBy(stamp) {
            // Without an answer, nothing is remembered.
            if let decided = store.decide(path) { throughline_count_store(decisionPlace, decided.bits) }
            if ignores() { return }
        }
        store.record(path, old: attributeValue(old), new: attributeValue(new), kind: .set)
    }
}

/// What can be recorded of a value: the value itself when an attribute may have it, else its
/// description. `nil` is none.
private func attributeValue<Value>(_ value: Value) -> (any AttributeValue)? {
    if let optional = value as? any OptionalAttribute { return optional.attribute }
    if let value = value as? any AttributeValue { return value }
    // Not the description of all items: that takes long, and little of it is kept.
    if let items = value as? any Collection { return AttributeList(attributes(of: items)) }
    return (value as? any CustomStringConvertible)?.description ?? "\(type(of: value))"
}

private func attributes(of items: some Collection) -> [any AttributeValue] {
    items.prefix(Limit.elements).map { attributeValue($0) ?? "null" }
}

private protocol OptionalAttribute {
    var attribute: (any AttributeValue)? { get }
}

extension Optional: OptionalAttribute {
    fileprivate var attribute: (any AttributeValue)? { flatMap { attributeValue($0) } }
}
