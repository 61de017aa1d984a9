package dev.throughline.internal

import dev.throughline.Setup
import dev.throughline.StorePolicy
import dev.throughline.TracedStore
import dev.throughline.with

/**
 * The stores of the process. Each start declares them again.
 *
 * One lock covers the list, the policies, and the step in which a start declares all stores and
 * lets calls through. So a store, or a policy, is either there when that step begins, or sees an
 * open client.
 */
internal object TracedStores {
    /** How many names there may be: as many as the core takes. Further stores record nothing. */
    private const val MAX_STORES = 256

    private val all = LinkedHashMap<String, TracedStore>()

    /** How often a store was asked for whose name is one too many. */
    private var refused = 0

    /** How often stores were declared: which client the version of a policy belongs to. */
    var clients = 0L
        private set

    /**
     * The store of a name. A second one belongs to the model of another screen. Only a policy that
     * is given replaces the one that the store has.
     */
    fun named(name: String, policy: Setup<StorePolicy>?): TracedStore =
        // The app's own code runs outside the lock.
        withPolicy(name, policy?.let(::read))

    /** The policy that a block sets. When it throws, that is counted, and what it has set holds. */
    fun read(setup: Setup<StorePolicy>): String = StorePolicy().apply { guardedBlock { with(setup) } }.json()

    @Synchronized
    fun withPolicy(name: String, json: String?): TracedStore {
        all[name]?.let { return it.apply { if (json != null) replace(json) } }
        val policy = json ?: StorePolicy().json()
        if (all.size >= MAX_STORES) {
            refused++
            // No store is declared with this number, so that the core counts the mutations as
            // unknown.
            return TracedStore(Facade.FIRST_STORE, name, policy)
        }
        val store = TracedStore(Facade.FIRST_STORE + all.size + 1, name, policy)
        all[name] = store
        if (Recorder.isOpen) store.declare()
        return store
    }

    /** Replaces the policy of a store. */
    @Synchronized
    fun replace(store: TracedStore, json: String): Unit = store.replace(json)

    /** Declares every store, and lets calls go to the core from now on. */
    @Synchronized
    fun open(door: Long) {
        clients++
        for (store in all.values) store.declare(door)
        Recorder.open(door)
    }

    @Synchronized
    private fun copy() = ArrayList(all.values)

    /** How many paths of each store are not remembered. */
    fun pathsNotRemembered(): Map<String, Long> = copy().associate { it.name to it.pathsNotRemembered }

    /** What a developer should know of the stores. */
    @Synchronized
    fun problems(): List<String> = if (refused == 0) emptyList() else {
        listOf("traced stores were asked for by more than $MAX_STORES names, $refused times: those record nothing")
    }

    /**
     * Tells the core how many mutations were ignored here, so that its counts are complete when
     * they are read.
     */
    fun report() {
        for (store in copy()) store.report()
    }
}
