internal import ThroughlineFFI

/// A traced store: a name, a policy, and the paths of what it holds. Mutations become actions with
/// the name `{store}.{path}.Update`. Stores of one name are one store, with the policy that was set
/// last.
///
/// ```swift
/// let store = TracedStore("Cart", policy: StorePolicy(transient: ["isLoading"]))
///     .context { $0.put("items", cart.count) }
/// let coupon = store.path("coupon")
/// coupon.set(old, new)                 // action Cart.coupon.Update
/// ```
public final class TracedStore: Sendable {
    fileprivate let named: NamedStore

    /// The name.
    public var name: String { named.name }

    /// Declares a store.
    public init(_ name: String, policy: StorePolicy = StorePolicy()) {
        named = TracedStores.all.store(name, policy: policy.json)
    }

    /// Declares a path, for example `displayName` or `items[3].price`, of at most 1,024 bytes. Keep
    /// it: it remembers the decision about its mutations.
    public func path(_ path: String) -> TracedPath { TracedPath(self, path) }

    /// Sets what the app says about the state that surrounds a mutation: `context { $0.put("items",
    /// cart.count) }`.
    ///
    /// It is called on the thread of a mutation that is recorded, not for one that is ignored. When
    /// several mutations make one action, the last result counts.
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
        let context = named.context
        Recorder.record(.mutation, suppressed: UInt32(clamping: named.suppressed.take())) {
            $0.u32(named.id)
            $0.u8(kind.code)
            $0.text(path, limit: Limit.pathBytes)
            $0.optionalValue(old)
            $0.optionalValue(new)
            $0.attributes { context?(&$0) }
        }
    }

    /// Replaces the policy. It holds for the next mutation of every path.
    public func updatePolicy(_ policy: StorePolicy) { named.replace(policy.json) }

    fileprivate func decide(_ path: String) -> PathAnswer? {
        // The ring keeps what happened, not questions.
        guard Recorder.isOpen else { return nil }
        return PathAnswer(Recorder.record(.decide) {
            $0.u32(named.id)
            $0.text(path, limit: Limit.pathBytes)
        })
    }
}

/// A path of a store, with the decision about it. A mutation that is ignored costs a comparison and
/// a count.
public final class TracedPath: @unchecked Sendable {
    private let store: TracedStore
    private let path: String
    /// The bits of the ``RememberedDecision``.
    private let decision = Count()
    private let ignored: Count

    private let stampPlace, decisionPlace, ignoredPlace: UnsafeMutablePointer<throughline_count>

    fileprivate init(_ store: TracedStore, _ path: String) {
        (self.store, self.path, ignored) = (store, path, store.named.ignored(path))
        (stampPlace, decisionPlace, ignoredPlace) = (store.named.stamp.place, decision.place, ignored.place)
    }

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
        let stamp = PolicyStamp(bits: store.named.stamp.value)
        if stamp == .none || !RememberedDecision(bits: decision.value).isBy(stamp) {
            // Without an answer, nothing is remembered.
            if let answer = store.decide(path) {
                let stamp = store.named.stamped(answer.version)
                decision.value = RememberedDecision(by: stamp, ignores: answer.ignores).bits
            }
            if ignores() { return }
        }
        store.record(path, old: attributeValue(old), new: attributeValue(new))
    }
}

/// What can be recorded of a value: the value itself when an attribute may have it, else its
/// description. `nil` is none.
private func attributeValue<Value>(_ value: Value) -> (any AttributeValue)? {
    if let optional = value as? any OptionalAttribute { return optional.attribute }
    return value as? any AttributeValue ?? (value as? any CustomStringConvertible)?.description ?? "\(type(of: value))"
}

private protocol OptionalAttribute {
    var attribute: (any AttributeValue)? { get }
}

extension Optional: OptionalAttribute {
    fileprivate var attribute: (any AttributeValue)? { flatMap { attributeValue($0) } }
}
