@file:JvmName("TracedStates")

package dev.throughline

import dev.throughline.internal.TracedStores
import dev.throughline.internal.guardedBlock
import kotlinx.coroutines.ExperimentalForInheritanceCoroutinesApi
import kotlinx.coroutines.flow.MutableStateFlow
import kotlin.properties.ReadWriteProperty
import kotlin.reflect.KProperty

/**
 * A property whose assignments are mutations of a path. Assigning an equal value is none.
 *
 * ```kotlin
 * private val store = Throughline.tracedStore("Cart") { transient("isLoading") }
 * var isLoading by store.traced("isLoading", false)
 * ```
 */
public fun <T> TracedStore.traced(path: String, initial: T): TracedProperty<T> = TracedProperty(path(path), initial)

/** The delegate of [traced]. It is as safe among threads as a plain field. */
public class TracedProperty<T> internal constructor(
    private val path: TracedPath,
    private var value: T,
) : ReadWriteProperty<Any?, T> {
    override fun getValue(thisRef: Any?, property: KProperty<*>): T = value

    override fun setValue(thisRef: Any?, property: KProperty<*>, value: T) {
        val old = this.value
        this.value = value
        path.set(old, value)
    }
}

/** Writes attributes of a state: the block of [TracedPaths.context]. */
public fun interface StateAttributes<T> {
    /** Writes them. */
    public fun AttributeWriter.write(state: T)
}

/** The paths of the state of a traced flow, and its policy. */
@ThroughlineDsl
public class TracedPaths<T> internal constructor() {
    internal val readers = ArrayList<Pair<String, (T) -> Any?>>()
    internal var policy: String? = null
    internal var context: StateAttributes<T>? = null

    /** Declares a path and how to read it: `path("displayName") { it.displayName }`. */
    public fun path(name: String, read: (T) -> Any?) {
        readers += name to read
    }

    /** Sets the policy of the store. Without this, the store keeps the one that it has. */
    public fun policy(block: Setup<StorePolicy>) {
        policy = TracedStores.read(block)
    }

    /**
     * Sets what the new state says besides the path: `context { put("items", it.items.size) }`. See
     * [TracedStore.context].
     */
    public fun context(block: StateAttributes<T>) {
        context = block
    }
}

/**
 * The same flow, whose changes are mutations of the declared paths.
 *
 * ```kotlin
 * private val state = MutableStateFlow(Profile()).traced("UserProfile") {
 *     path("displayName") { it.displayName }
 *     path("isLoading") { it.isLoading }
 *     policy { transient("isLoading") }
 * }
 * ```
 *
 * `value =`, `emit`, `tryEmit` and the `compareAndSet` that wins (also within `update`) are
 * recorded, each change of a path once. Setting an equal value is no mutation.
 * A path that the flow has already, of the same store, is read by the new block alone.
 */
public fun <T> MutableStateFlow<T>.traced(store: String, paths: Setup<TracedPaths<T>>): MutableStateFlow<T> {
    val declared = TracedPaths<T>().apply { guardedBlock { with(paths) } }
    val traced = TracedStores.withPolicy(store, declared.policy)
    val readers = LinkedHashMap<String, (T) -> Any?>()
    val before = (this as? TracedStateFlow<T>)?.takeIf { it.store === traced }
    before?.let { readers.putAll(it.readers) }
    readers.putAll(declared.readers)
    return TracedStateFlow(before?.inner ?: this, traced, readers, declared.context ?: before?.context)
}

@OptIn(ExperimentalForInheritanceCoroutinesApi::class)
private class TracedStateFlow<T>(
    val inner: MutableStateFlow<T>,
    val store: TracedStore,
    val readers: Map<String, (T) -> Any?>,
    val context: StateAttributes<T>?,
) : MutableStateFlow<T> by inner {
    private val paths: List<Pair<TracedPath, (T) -> Any?>> = readers.map { (name, read) -> store.path(name) to read }

    override var value: T
        get() = inner.value
        set(value) {
            // Only the thread whose exchange wins knows which value was there before.
            while (true) {
                val old = inner.value
                if (inner.compareAndSet(old, value)) return changed(old, value)
            }
        }

    override suspend fun emit(value: T) {
        this.value = value
    }

    override fun tryEmit(value: T): Boolean {
        this.value = value
        return true
    }

    override fun compareAndSet(expect: T, update: T): Boolean {
        val won = inner.compareAndSet(expect, update)
        if (won) changed(expect, update)
        return won
    }

    private fun changed(old: T, new: T) {
        if (old === new) return
        val context = context?.let { of ->
            Attributes {
                val writer = this
                of.run { writer.write(new) }
            }
        }
        for ((path, read) in paths) guardedBlock { path.set(read(old), read(new), context) }
    }
}
