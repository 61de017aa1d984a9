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

/** The paths of the state of a traced flow, and its policy. */
@ThroughlineDsl
public class TracedPaths<T> internal constructor() {
    internal val readers = ArrayList<Pair<String, (T) -> Any?>>()
    internal val policy = StorePolicy()
    internal var context: (AttributeWriter.(T) -> Unit)? = null

    /** Declares a path and how to read it: `path("displayName") { it.displayName }`. */
    public fun path(name: String, read: (T) -> Any?) {
        readers += name to read
    }

    /** Sets the policy of the store. */
    public fun policy(block: StorePolicy.() -> Unit): Unit = policy.block()

    /**
     * Sets what the new state says besides the path: `context { put("items", it.items.size) }`. See
     * [TracedStore.context].
     */
    public fun context(block: AttributeWriter.(T) -> Unit) {
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
 */
public fun <T> MutableStateFlow<T>.traced(store: String, paths: TracedPaths<T>.() -> Unit): MutableStateFlow<T> {
    val declared = TracedPaths<T>().apply { guardedBlock { paths() } }
    val traced = TracedStores.add(store, declared.policy)
    return TracedStateFlow(this, declared.readers.map { (name, read) -> traced.path(name) to read }, declared.context)
}

@OptIn(ExperimentalForInheritanceCoroutinesApi::class)
private class TracedStateFlow<T>(
    private val inner: MutableStateFlow<T>,
    private val paths: List<Pair<TracedPath, (T) -> Any?>>,
    private val context: (AttributeWriter.(T) -> Unit)?,
) : MutableStateFlow<T> by inner {
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
        val context = context?.let { write -> { attributes: AttributeWriter -> attributes.write(new) } }
        for ((path, read) in paths) guardedBlock { path.set(read(old), read(new), context) }
    }
}
