import Foundation

/// What all stores of one name have in common. To the core they are one store: a second one belongs
/// to the model of another screen.
final class NamedStore: @unchecked Sendable {
    let name: String
    let id: UInt32
    /// The bits of the ``PolicyStamp`` by which paths know that the decision they remember is old.
    let stamp = Count()
    /// Mutations that were ignored here, and which the core does not know of yet.
    let suppressed = Count()
    private let lock = NSLock()
    private var policy: String
    private var writeContext: (@Sendable (inout AttributeWriter) -> Void)?
    private var ignored: [String: Count] = [:]
    /// How many clients have known the store.
    private var clients: UInt64 = 0

    init(_ name: String, id: UInt32, policy: String) { (self.name, self.id, self.policy) = (name, id, policy) }

    /// The count of the ignored mutations of a path.
    func ignored(_ path: String) -> Count {
        lock.lock()
        defer { lock.unlock() }
        if let known = ignored[path] { return known }
        let count = Count()
        ignored[path] = count
        return count
    }

    /// Writes what the app says about the state that surrounds a mutation.
    var context: (@Sendable (inout AttributeWriter) -> Void)? {
        get { lock.withLock { writeContext } }
        set { lock.withLock { writeContext = newValue } }
    }

    /// Replaces the policy. The decisions that paths remember are not valid any more.
    func replace(_ json: String) {
        lock.lock()
        let isNew = json != policy
        policy = json
        lock.unlock()
        // Before the start, the store is declared with it later.
        guard isNew, Recorder.isOpen else { return }
        keep(version: Recorder.record(.updatePolicy) {
            $0.u32(id)
            $0.text(json, limit: Limit.policyBytes)
        })
    }

    /// Declares the store to the core. Without a door, to the one that is open.
    func declare(to door: UInt64?) {
        lock.lock()
        let policy = policy
        clients += 1
        lock.unlock()
        let write = { (draft: inout Draft) in
            draft.u32(self.id)
            draft.text(self.name)
            draft.text(policy, limit: Limit.policyBytes)
        }
        let answer = door.map { Recorder.record(to: $0, .declareStore, fields: write) }
        keep(version: answer ?? Recorder.record(.declareStore, fields: write))
    }

    private func keep(version answer: Int64) {
        if answer > 0 { stamp.value = stamped(UInt64(answer)).bits }
    }

    /// A version of the policy, as the current client counts it.
    func stamped(_ version: UInt64) -> PolicyStamp {
        lock.withLock { PolicyStamp(client: clients, version: version) }
    }

    /// Tells the core how many mutations were ignored here.
    func report() {
        lock.lock()
        for count in ignored.values { suppressed.add(count.take()) }
        lock.unlock()
        guard Recorder.isOpen else { return }
        let count = suppressed.take()
        if count > 0 { Recorder.record(.suppressed, suppressed: UInt32(clamping: count)) { $0.u32(id) } }
    }
}

/// The stores of the process. Each start declares them again.
final class TracedStores: @unchecked Sendable {
    static let all = TracedStores()
    private let lock = NSLock()
    private var stores: [String: NamedStore] = [:]

    private var copy: [NamedStore] { lock.withLock { Array(stores.values) } }

    /// The store of a name, with this policy from now on.
    func store(_ name: String, policy: String) -> NamedStore {
        lock.lock()
        if let known = stores[name] {
            lock.unlock()
            known.replace(policy)
            return known
        }
        let store = NamedStore(name, id: Facade.firstStore + UInt32(stores.count + 1), policy: policy)
        stores[name] = store
        lock.unlock()
        if Recorder.isOpen { store.declare(to: nil) }
        return store
    }

    /// Declares every store, before calls that waited for the start are recorded.
    func declare(to door: UInt64) { for store in copy { store.declare(to: door) } }

    /// Tells the core how many mutations were ignored here, so that its counts are complete when
    /// they are read.
    func report() { for store in copy { store.report() } }
}
