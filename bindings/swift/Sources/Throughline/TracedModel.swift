import Foundation
internal import ThroughlineFFI

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
    /// What all objects that declare the same share.
    private let paths: ModelPaths
    /// ``KeyPathTable/root``, so that no object is asked for it on the way.
    private let root: UnsafeMutablePointer<throughline_count>

    /// Traces a model under the name of a store.
    ///
    /// Objects of one type that declare the same properties under the same names share what is
    /// needed to find them; an object alone costs about 100 bytes. Objects of one store may declare
    /// different ones, each object its own.
    ///
    /// - Parameters:
    ///   - model: The model.
    ///   - name: The name of the store.
    ///   - policy: What of it is recorded. `nil`: what the store's policy says already.
    ///   - paths: Declares the properties.
    public init(
        _ model: Model, as name: String, policy: StorePolicy? = nil, paths: (inout TracedPaths<Model>) -> Void
    ) {
        self.model = model
        store = TracedStore(name, policy: policy)
        var declared = TracedPaths<Model>()
        paths(&declared)
        self.paths = store.named.paths(of: Model.self, declared.paths)
        root = self.paths.table.root
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
    ///
    /// The caller keeps this object, and so the table, alive during the call. Doing that here once
    /// more would cost a quarter of the call.
    @usableFromInline
    func isIgnored(_ property: AnyKeyPath) -> Bool { KeyPathTable.ignores(property, root) }

    /// The path of a property. From now on the table finds it by the address of the key path,
    /// because a key path that is written in the code is one object.
    @usableFromInline
    @inline(never)
    func path(of property: AnyKeyPath) -> TracedPath? { paths.path(of: property) }
}

/// The properties that a model has declared, and their paths. A path is made when it is needed.
final class ModelPaths: @unchecked Sendable {
    private let store: NamedStore
    private let declared: [(property: AnyKeyPath, name: String)]
    let table = KeyPathTable()
    private var paths: [Int: TracedPath] = [:]

    init(_ declared: [(AnyKeyPath, String)], of store: NamedStore) {
        (self.declared, self.store) = (declared.map { (property: $0.0, name: $0.1) }, store)
    }

    /// Whether these are the same properties under the same names, in the same order.
    func declares(_ other: [(AnyKeyPath, String)]) -> Bool {
        declared.elementsEqual(other) { ($0.property === $1.0 || $0.property == $1.0) && $0.name == $1.1 }
    }

    func path(of property: AnyKeyPath) -> TracedPath? {
        let path = declared.firstIndex { $0.property == property }.map(path(at:))
        table.keep(property, path)
        return path
    }

    private func path(at place: Int) -> TracedPath {
        table.lock.withLock {
            if let known = paths[place] { return known }
            let path = TracedPath(store, declared[place].name)
            paths[place] = path
            return path
        }
    }
}

/// Paths by the addresses of key paths. Each key path is kept alive, so that no other can get its
/// address.
///
/// Objects on several threads share a table. Reading takes no lock: a place is complete when its
/// address is there, and a table is complete when its size is. When a table is half full, a larger
/// one replaces it; the smaller one is kept, because a thread may still read it.
final class KeyPathTable: @unchecked Sendable {
    /// As many as an app may have written, and a power of two. Key paths that are made at run time
    /// are not bounded.
    private static let maxPlaces = 1_024
    private static let firstPlaces = 16
    /// As many key paths of one property, and of those that are not declared. Otherwise a property
    /// whose key path is made at run time, each time anew, would leave the others no place.
    private static let maxOfOne = 64, maxUndeclared = 256

    /// Two numbers: the places less one, and the address of the table. A place is two numbers as
    /// well: the address of a key path, and that of its path, which the model's list keeps alive;
    /// 0: the property is not declared.
    ///
    /// The size is stored last and read first. A thread that reads an old size searches a part of
    /// the table, finds nothing there, and looks the path up in the model's list. There is no table
    /// before the first key path.
    let root = UnsafeMutablePointer<throughline_count>.allocate(capacity: 2)
    let lock = NSLock()
    private var kept: [AnyKeyPath] = []
    /// How many key paths a path has, by its address.
    private var counts: [UInt: Int] = [:]
    private var tables: [UnsafeMutablePointer<throughline_count>] = []

    init() { root.initialize(repeating: throughline_count(), count: 2) }

    deinit {
        for table in tables { table.deallocate() }
        root.deallocate()
    }

    @inline(__always)
    private static func address(_ property: AnyKeyPath) -> UInt {
        UInt(bitPattern: Unmanaged.passUnretained(property).toOpaque())
    }

    @inline(__always)
    private static func first(_ address: UInt, _ mask: UInt) -> UInt { address >> 4 & mask }

    /// Whether the property is not declared, or its path is ignored.
    @inline(__always)
    static func ignores(_ property: AnyKeyPath, _ root: UnsafeMutablePointer<throughline_count>) -> Bool {
        let address = address(property)
        let mask = UInt(throughline_count_acquire(root))
        guard let table = table(root) else { return false }
        let start = first(address, mask)
        var at = start
        repeat {
            let known = UInt(throughline_count_acquire(table + Int(2 * at)))
            if known == address {
                let path = UInt(throughline_count_load(table + Int(2 * at + 1)))
                guard let path = UnsafeRawPointer(bitPattern: path) else { return true }
                return Unmanaged<TracedPath>.fromOpaque(path)._withUnsafeGuaranteedRef { $0.ignores() }
            }
            if known == 0 { return false }
            at = (at + 1) & mask
        } while at != start
        return false
    }

    @inline(__always)
    private static func table(
        _ root: UnsafeMutablePointer<throughline_count>
    ) -> UnsafeMutablePointer<throughline_count>? {
        UnsafeMutablePointer(bitPattern: UInt(throughline_count_acquire(root + 1)))
    }

    func keep(_ property: AnyKeyPath, _ path: TracedPath?) {
        lock.lock()
        defer { lock.unlock() }
        let path = path.map { UInt(bitPattern: Unmanaged.passUnretained($0).toOpaque()) } ?? 0
        let count = counts[path, default: 0]
        if count >= (path == 0 ? Self.maxUndeclared : Self.maxOfOne) { return }
        if kept.contains(where: { $0 === property }) { return }
        let places = tables.isEmpty ? 0 : Int(throughline_count_load(root)) + 1
        if 2 * (kept.count + 1) > places {
            if places >= Self.maxPlaces { return }
            replace(places: max(Self.firstPlaces, 2 * places))
        }
        kept.append(property)
        counts[path] = count + 1
        guard let table = Self.table(root) else { return }
        Self.put(Self.address(property), path, in: table, places: Int(throughline_count_load(root)) + 1)
    }

    /// Puts a larger table in the place of the current one, with everything that it has.
    private func replace(places: Int) {
        let old = (table: Self.table(root), places: Int(throughline_count_load(root)) + 1)
        let table = UnsafeMutablePointer<throughline_count>.allocate(capacity: 2 * places)
        table.initialize(repeating: throughline_count(), count: 2 * places)
        for at in 0..<old.places {
            guard let place = old.table.map({ $0 + 2 * at }) else { break }
            let address = UInt(throughline_count_load(place))
            if address != 0 { Self.put(address, UInt(throughline_count_load(place + 1)), in: table, places: places) }
        }
        tables.append(table)
        throughline_count_publish(root + 1, UInt64(UInt(bitPattern: table)))
        throughline_count_publish(root, UInt64(places - 1))
    }

    private static func put(
        _ address: UInt, _ path: UInt, in table: UnsafeMutablePointer<throughline_count>, places: Int
    ) {
        let mask = UInt(places - 1)
        var at = first(address, mask)
        while throughline_count_load(table + Int(2 * at)) != 0 { at = (at + 1) & mask }
        throughline_count_store(table + Int(2 * at + 1), UInt64(path))
        throughline_count_publish(table + Int(2 * at), UInt64(address))
    }
}
