package dev.throughline.internal

import dev.throughline.StorePolicy
import dev.throughline.TracedStore

/** The stores of the process. Each start declares them again. */
internal object TracedStores {
    private val all = LinkedHashMap<String, TracedStore>()

    /**
     * The store of a name, with this policy from now on. A second one belongs to the model of
     * another screen.
     */
    @Synchronized
    fun add(name: String, policy: StorePolicy): TracedStore {
        val json = policy.json()
        all[name]?.let { return it.apply { replace(json) } }
        val store = TracedStore(Facade.FIRST_STORE + all.size + 1, name, json)
        all[name] = store
        if (Recorder.isOpen) store.declare()
        return store
    }

    @Synchronized
    private fun copy() = ArrayList(all.values)

    /** Declares every store, before calls that waited for the start are recorded. */
    fun declareAll(door: Long) {
        for (store in copy()) store.declare(door)
    }

    /**
     * Tells the core how many mutations were ignored here, so that its counts are complete when
     * they are read.
     */
    fun report() {
        for (store in copy()) store.report()
    }
}
