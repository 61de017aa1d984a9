import Foundation

/// What all stores of one name have in common. To the core they are one store: a second one belongs
/// to the model of another screen.
///
/// It costs a bounded amount of memory, whatever the app does: the paths and the declarations of
/// models that it remembers are limited.
final class NamedStore: @unchecked Sendable {
    /// Paths whose ignored mutations have a count of their own. It is the number of paths whose
    /// decision the core remembers: an app with more has most probably an id in its paths.
    private static let maxPaths = 1_024
    /// Declarations of one type of model that objects share. Objects with a further one have it for
    /// themselves.
    private static let maxDeclarations = 8

    /// Whether the app says what surrounds a mutation.
    @TaskLocal private static var isInContext = false

    let name: String
    /// The store's number. `nil`: there were too many stores already, and the core does not know
    /// it.
    let id: UInt32?
    /// The bits of the ``PolicyStamp`` by which paths know that the decision they remember is old.
    let stamp = Count()
    /// Mutations that were ignored here, and which the core does not know of yet.
    let suppressed = Count()
    /// How many paths were declared that are not among the first ``maxPaths``.
    let pathsNotRemembered = Count()
    private let lock = NSLock()
    private var policy: StorePolicy
    private var writeContext: (@Sendable (inout AttributeWriter) -> Void)?
    private var ignored: [String: Count] = [:]
    private var declarations: [ObjectIdentifier: [ModelPaths]] = [:]
    /// How many clients have known the store.
    private var clients: UInt64 = 0

    init(_ name: String, id: UInt32?, policy: StorePolicy) { (self.name, self.id, self.policy) = (name, id, policy) }

    /// The count of the ignored mutations of a path. Paths that are not remembered share one.
    func ignored(_ path: String) -> Count {
        lock.lock()
        defer { lock.unlock() }
        if let known = ignored[path] { return known }
        // The core cuts longer paths, so that they need not be kept.
        if id == nil || ignored.count >= Self.maxPaths || path.utf8.count > Limit.pathBytes {
            pathsNotRemembered.add(1)
            return suppressed
        }
        let count = Count()
        ignored[path] = count
        return count
    }

    /// What a model of this type has declared. Objects that declare the same share it, so that an
    /// object costs nothing but itself.
    func paths(of model: AnyObject.Type, _ declared: [(AnyKeyPath, String)]) -> ModelPaths {
        let type = ObjectIdentifier(model)
        let known = { self.declarations[type, default: []].first { $0.declares(declared) } }
        if let same = lock.withLock(known) { return same }
        let new = ModelPaths(declared, of: self)
        return lock.withLock {
            // Another thread may have been here first.
            if let same = known() { return same }
            let isShared = id != nil && declarations[type, default: []].count < Self.maxDeclarations
            if isShared { declarations[type, default: []].append(new) }
            return new
        }
    }

    /// Writes what the app says about the state that surrounds a mutation.
    var context: (@Sendable (inout AttributeWriter) -> Void)? {
        get { lock.withLock { writeContext } }
        set {
            // What the app has given before is released without the lock, because code of the app's
            // may run then.
            let old = lock.withLock {
                defer { writeContext = newValue }
                return writeContext
            }
            withExtendedLifetime(old) {}
        }
    }

    /// Replaces the policy. The decisions that paths remember are not valid any more. Only
    /// ``TracedStores`` calls this, under its lock.
    fileprivate func replace(_ new: StorePolicy) {
        lock.lock()
        let isNew = new != policy
        policy = new
        lock.unlock()
        guard isNew, let id else { return }
        // Until the next client knows the policy, nothing is ignored: what waits for the start is
        // decided by that client.
        guard Recorder.isOpen else { return stamp.value = PolicyStamp.none.bits }
        keep(version: Recorder.record(.updatePolicy) {
            $0.u32(id)
            $0.text(new.json, limit: Limit.policyBytes)
        })
    }

    /// Declares the store to the core. Without a door, to the one that is open. Only
    /// ``TracedStores`` calls this, under its lock.
    fileprivate func declare(to door: UInt64?) {
        guard let id else { return }
        lock.lock()
        let policy = policy
        clients += 1
        lock.unlock()
        let write = { (draft: inout Draft) in
            draft.u32(id)
            draft.text(self.name)
            draft.text(policy.json, limit: Limit.policyBytes)
        }
        let answer = door.map { Recorder.record(to: $0, .declareStore, fields: write) }
        keep(version: answer ?? Recorder.record(.declareStore, fields: write))
    }

    private func keep(version answer: Int64) {
        if answer > 0 { stamp.value = PolicyStamp(client: client, version: UInt64(answer)).bits }
    }

    /// The client that knows the store, as a number.
    private var client: UInt64 { lock.withLock { clients } }

    /// What the core decides about a path. `nil` when it cannot say.
    func decide(_ path: String) -> RememberedDecision? {
        // The ring keeps what happened, not questions.
        guard let id, Recorder.isOpen else { return nil }
        // Asked for first: if another client answers, the decision is that of no policy, and the
        // next mutation asks again.
        let client = client
        let answer = Recorder.record(.decide) {
            $0.u32(id)
            $0.text(path, limit: Limit.pathBytes)
        }
        guard let answer = PathAnswer(answer) else { return nil }
        return RememberedDecision(by: PolicyStamp(client: client, version: answer.version), ignores: answer.ignores)
    }

    /// Records a mutation.
    func record(_ path: String, old: (any AttributeValue)?, new: (any AttributeValue)?, kind: MutationKind) {
        guard let id else {
            TracedStores.all.refused.add(1)
            return
        }
        // A context that changes a store would be asked for its own mutation, and so for ever.
        let context = context.flatMap { Self.isInContext ? nil : $0 }
        // What waits for the start may be lost there.
        let suppressed = Recorder.isOpen ? suppressed.take() : 0
        let answer = Recorder.record(.mutation, suppressed: UInt32(clamping: suppressed)) {
            $0.u32(id)
            $0.u8(kind.code)
            $0.text(path, limit: Limit.pathBytes)
            $0.optionalValue(old)
            $0.optionalValue(new)
            $0.attributes { attributes in
                guard let context else { return }
                Self.$isInContext.withValue(true) { context(&attributes) }
            }
        }
        // The next client has not heard of them.
        if answer == Answer.closed { self.suppressed.add(suppressed) }
    }

    /// Tells the core how many mutations were ignored here.
    func report() {
        lock.lock()
        for count in ignored.values { suppressed.add(count.take()) }
        lock.unlock()
        guard let id, Recorder.isOpen else { return }
        let count = suppressed.take()
        if count == 0 { return }
        let answer = Recorder.record(.suppressed, suppressed: UInt32(clamping: count)) { $0.u32(id) }
        if answer == Answer.closed { suppressed.add(count) }
    }
}

/// The stores of the process. Each start declares them again.
final class TracedStores: @unchecked Sendable {
    static let all = TracedStores()
    /// How many stores are found by their names. A client of the core has no more.
    static let maxStores = 256

    /// Mutations of stores that are too many.
    let refused = Count()
    /// Held while a store is created or gets another policy, and while a client is opened or
    /// closed. So a store is either declared with all others, or finds the door open.
    private let lock = NSLock()
    private var stores: [String: NamedStore] = [:]
    private var lastId = Facade.firstStore
    /// The first store that was too many.
    private var firstRefused: String?

    private var copy: [NamedStore] { lock.withLock { Array(stores.values) } }

    /// The store of a name. A policy that is given replaces the one that it has.
    func store(_ name: String, policy: StorePolicy?) -> NamedStore {
        lock.lock()
        defer { lock.unlock() }
        if let known = stores[name] {
            if let policy { known.replace(policy) }
            return known
        }
        if stores.count >= Self.maxStores {
            firstRefused = firstRefused ?? String(name.prefix(64))
            return NamedStore(name, id: nil, policy: policy ?? StorePolicy())
        }
        lastId += 1
        let store = NamedStore(name, id: lastId, policy: policy ?? StorePolicy())
        stores[name] = store
        if Recorder.isOpen { store.declare(to: nil) }
        return store
    }

    /// Replaces the policy of a store.
    func replace(_ policy: StorePolicy, of store: NamedStore) { lock.withLock { store.replace(policy) } }

    /// Declares every store to a client, and lets calls go to it from now on. The calls that waited
    /// for it come after the stores that they name.
    func open(_ door: UInt64) {
        lock.withLock {
            for store in stores.values { store.declare(to: door) }
            Recorder.open(door)
        }
    }

    /// Only counts calls from now on.
    func close() { lock.withLock { Recorder.close() } }

    /// Tells the core how many mutations were ignored here, so that its counts are complete when
    /// they are read.
    func report() { for store in copy { store.report() } }

    /// How many paths of each store are not remembered.
    var pathsNotRemembered: [String: UInt64] {
        lock.withLock { stores.mapValues { $0.pathsNotRemembered.value } }
    }

    /// Says that there are too many stores. `nil` when there are not.
    var problem: String? {
        lock.withLock { firstRefused }.map {
            "mutations of \"\($0)\" and later stores are not recorded: an app has at most \(Self.maxStores) traced stores"
        }
    }

    /// Forgets every store. For tests: the stores of a process are few, those of all tests are not.
    func forget() {
        lock.withLock {
            stores.removeAll()
            firstRefused = nil
        }
    }
}
