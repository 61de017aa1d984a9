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
/// let policy = StorePolicy(transient: ["isLoading"])
/// let profile = Traced(ProfileModel(), as: "UserProfile", policy: policy) {
///     $0.path("displayName", \.displayName)
///     $0.path("isLoading", \.isLoading)
/// }
/// profile.displayName = "Ada"          // action UserProfile.displayName.Update
/// ```
///
/// It is for `@Observable` and plain classes. Nothing is reflected: a property that is not declared
/// is set and not recorded. Setting an equal value is no mutation. It is as safe among threads as
/// the model is.
@dynamicMemberLookup
public final class Traced<Model: AnyObject> {
    /// The model, for what is not to be traced.
    public let model: Model
    /// The store, for example to change its policy.
    public let store: TracedStore
    private let declared: [(AnyKeyPath, TracedPath)]
    private let table = KeyPathTable()

    /// Traces a model under the name of a store.
    ///
    /// - Parameters:
    ///   - model: The model.
    ///   - name: The name of the store.
    ///   - policy: What of it is recorded.
    ///   - paths: Declares the properties.
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

    /// A property that can be set. It is inlined, so that a key path that is written in the code
    /// becomes a plain access.
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

    /// Whether the property is not declared, or its path is ignored. In the latter case the
    /// mutation is counted.
    @usableFromInline
    func isIgnored(_ property: AnyKeyPath) -> Bool { table.ignores(property) }

    /// The path of a property. From now on the table finds it by the address of the key path,
    /// because a key path that is written in the code is one object.
    @usableFromInline
    @inline(never)
    func path(of property: AnyKeyPath) -> TracedPath? {
        let path = declared.first { $0.0 == property }?.1
        table.keep(property, path)
        return path
    }
}

/// Paths by the addresses of key paths. Each key path is kept alive, so that no other can get its
/// address.
private final class KeyPathTable: @unchecked Sendable {
    struct Place {
        var address: UInt
        /// The path, which the model's list keeps alive. `nil`: the property is not declared.
        var path: Unmanaged<TracedPath>?
    }

    /// As many as an app may have written, and a power of two. Key paths that are made at run time
    /// are not bounded.
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
