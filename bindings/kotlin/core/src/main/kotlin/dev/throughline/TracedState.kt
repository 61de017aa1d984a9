package dev.throughline

import dev.throughline.internal.Call
import dev.throughline.internal.Recorder
import dev.throughline.internal.attributes
import kotlinx.coroutines.ExperimentalForInheritanceCoroutinesApi
import kotlinx.coroutines.flow.MutableStateFlow
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicInteger
import java.util.concurrent.atomic.AtomicIntegerFieldUpdater
import kotlin.properties.ReadWriteProperty
import kotlin.reflect.KProperty

/** How much of a value is recorded. */
public enum class Capture {
    /** Nothing. */
    NONE,

    /** Booleans and numbers; of texts and bytes the length. */
    PRIMITIVE,

    /** As [PRIMITIVE], and of lists and maps the number of elements. */
    SUMMARY,

    /** Texts, lists and maps as they are, within 1,024 characters. */
    FULL,
}

/** What happened to a path. */
public enum class MutationKind(internal val code: Int) { SET(1), INSERT(2), DELETE(3), REPLACE(4), BATCH(5) }

/**
 * What of a store is recorded. Patterns are dotted keys with `[3]`, `*`, `**`, `[*]`: `items[*].price`, `**.isLoading`. One that
 * cannot be read shows in [Health.problems]; the store then records nothing.
 */
@ThroughlineDsl
public class StorePolicy internal constructor() {
    private val allow = ArrayList<String>()
    private val deny = ArrayList<String>()
    private val transient = ArrayList<String>()
    private val redact = ArrayList<String>()
    private val captures = ArrayList<Pair<String, Capture>>()

    /** Mutations of one path and cause within this time are one action, ms. 0: each its own. */
    public var coalesceMillis: Long = 250

    /** A value that is back where it was within this time leaves no action, ms. 0: it does. */
    public var ignoreIfRevertedMillis: Long = 0

    /** Actions per second; mutations beyond them are counted. */
    public var maxActionsPerSecond: Int = 20

    /** Capture where no rule says otherwise. */
    public var capture: Capture = Capture.PRIMITIVE

    /** Paths that may become actions. None: all. */
    public fun allow(vararg paths: String) {
        allow += paths
    }

    /** Paths that do not, whatever [allow] says. */
    public fun deny(vararg paths: String) {
        deny += paths
    }

    /** Paths that never make an action of their own: loading flags, scroll positions. */
    public fun transient(vararg paths: String) {
        transient += paths
    }

    /** Paths whose values are never captured. */
    public fun redact(vararg paths: String) {
        redact += paths
    }

    /** Capture for some paths; of several rules that match the last counts. */
    public fun capture(path: String, capture: Capture) {
        captures += path to capture
    }

    internal fun json(): String = buildString {
        append("{\"allow\":")
        list(allow.ifEmpty { listOf("**") })
        append(",\"deny\":")
        list(deny)
        append(",\"transient\":")
        list(transient)
        append(",\"redact\":")
        list(redact)
        append(",\"captures\":[")
        captures.forEachIndexed { at, (path, capture) ->
            if (at > 0) append(',')
            append("{\"paths\":")
            quoted(path)
            append(",\"capture\":\"").append(capture.name.lowercase()).append("\"}")
        }
        append("],\"capture\":\"").append(capture.name.lowercase())
        append("\",\"coalesce_ms\":").append(maxOf(0, coalesceMillis))
        append(",\"ignore_if_reverted_ms\":").append(maxOf(0, ignoreIfRevertedMillis))
        append(",\"max_actions_per_second\":").append(maxOf(0, maxActionsPerSecond)).append('}')
    }

    private fun StringBuilder.list(items: List<String>) {
        append('[')
        items.forEachIndexed { at, item ->
            if (at > 0) append(',')
            quoted(item)
        }
        append(']')
    }

    private fun StringBuilder.quoted(text: String) {
        append('"')
        for (char in text) {
            when {
                char == '"' || char == '\\' -> append('\\').append(char)
                char < ' ' || char.isSurrogate() -> append("\\u").append(char.code.toString(16).padStart(4, '0'))
                else -> append(char)
            }
        }
        append('"')
    }
}

/** The stores of the process: declared again at every start. */
internal object TracedStores {
    private val all = LinkedHashMap<String, TracedStore>()

    /** The store of a name: a second one, of another screen's model, is the same; its policy is the latest. */
    @Synchronized
    fun add(name: String, policy: StorePolicy): TracedStore {
        val json = policy.json()
        all[name]?.let { return it.apply { replace(json) } }
        val store = TracedStore(all.size + 1, name, json)
        all[name] = store
        if (Recorder.isOpen) store.declare()
        return store
    }

    @Synchronized
    private fun copy() = ArrayList(all.values)

    /** Called at the start, before the ring is replayed. */
    fun declareAll(door: Long) {
        for (store in copy()) store.declare(door)
    }

    /** Hands on what was suppressed here: the totals are right when somebody looks. */
    fun report() {
        for (store in copy()) store.report()
    }
}

/** A traced store: a name, a policy, and the paths of what it holds. Mutations become actions `{store}.{path}.Update`. */
public class TracedStore internal constructor(internal val id: Int, public val name: String, private var policy: String) {
    /** The policy's version, by which paths know that their decision is old. 0: the core has not been asked. */
    @Volatile
    @JvmField
    internal var version = 0L

    @Volatile
    private var context: (Attributes.() -> Unit)? = null

    private val suppressed = AtomicInteger()
    private val paths = ConcurrentHashMap<String, TracedPath>()

    /** Declares a path: `displayName`, `items[3].price`. It remembers the decision about it. */
    public fun path(path: String): TracedPath {
        paths[path]?.let { return it }
        val declared = TracedPath(this, path)
        return paths.putIfAbsent(path, declared) ?: declared
    }

    /**
     * What the app says of the store's surroundings when a mutation is recorded: `context { put("items", cart.size) }`. Called
     * on the thread of the mutation, not for ignored ones. Of several mutations that are one action the latest counts.
     */
    public fun context(context: Attributes.() -> Unit): TracedStore = apply { this.context = context }

    /** Records a mutation of a path that is not worth keeping. */
    public fun record(path: String, old: Any?, new: Any?, kind: MutationKind = MutationKind.SET): Unit =
        record(path, old, new, kind, context)

    internal fun record(path: String, old: Any?, new: Any?, kind: MutationKind, context: (Attributes.() -> Unit)?) {
        Recorder.record(Call.MUTATION, suppressed = take()) {
            u32(id)
            u8(kind.code)
            text(path, PATH_UNITS)
            heldOrNone(old)
            heldOrNone(new)
            attributes { if (context != null) guarded({}) { context() } }
        }
    }

    /** Replaces the policy. Decisions that were remembered are void. */
    public fun updatePolicy(block: StorePolicy.() -> Unit) {
        val policy = StorePolicy()
        if (guarded { policy.block() }) replace(policy.json())
    }

    @Synchronized
    internal fun replace(json: String) {
        if (json == policy) return
        policy = json
        // Before the start it is declared like that.
        if (!Recorder.isOpen) return
        see(Recorder.record(Call.UPDATE_POLICY) {
            u32(id)
            text(json, POLICY_UNITS)
        })
    }

    internal fun declare(door: Long = 0) {
        // Another client counts its versions anew.
        for (path in paths.values) path.forget()
        val write: dev.throughline.internal.Draft.() -> Unit = {
            u32(id)
            text(name)
            text(policy, POLICY_UNITS)
        }
        see(if (door > 0) Recorder.recordTo(door, Call.DECLARE_STORE, write) else Recorder.record(Call.DECLARE_STORE, fields = write))
    }

    private fun see(answer: Long) {
        if (answer > 0) version = answer
    }

    internal fun decide(path: String): Long = Recorder.record(Call.DECIDE) {
        u32(id)
        text(path, PATH_UNITS)
    }

    internal fun suppress(count: Int) {
        suppressed.addAndGet(count)
    }

    private fun take(): Int = suppressed.getAndSet(0)

    internal fun report() {
        for (path in paths.values) path.handOn()
        if (!Recorder.isOpen) return
        val count = take()
        if (count > 0) Recorder.record(Call.SUPPRESSED, suppressed = count) { u32(id) }
    }

    internal companion object {
        const val PATH_UNITS: Int = 1_100
        const val POLICY_UNITS: Int = 65_536
    }
}

/** A path of a store with the decision about it: an ignored mutation costs a comparison and a count. */
public class TracedPath internal constructor(private val store: TracedStore, private val path: String) {
    /** Twice the policy's version that decided, and whether it ignores the path. 0: not known. */
    @Volatile
    private var known = 0L

    @Volatile
    private var ignored = 0

    /** Records that the value was [old] and is [new], unless they are equal. */
    public fun set(old: Any?, new: Any?): Unit = set(old, new, null)

    internal fun set(old: Any?, new: Any?, context: (Attributes.() -> Unit)?) {
        val isSame = try {
            old == new
        } catch (failure: Throwable) {
            Recorder.failed(failure)
            return
        }
        if (!isSame) changed(old, new, context)
    }

    private fun changed(old: Any?, new: Any?, context: (Attributes.() -> Unit)?) {
        val version = store.version
        if (known shr 1 != version || version == 0L) decide()
        if (known == (version shl 1 or 1)) {
            IGNORED.incrementAndGet(this)
            return
        }
        if (context == null) store.record(path, old, new) else store.record(path, old, new, MutationKind.SET, context)
    }

    private fun decide() {
        // The ring is for what happened.
        if (!Recorder.isOpen) return
        // The version and a code: 0 records. Not positive: nobody knows, and nothing is remembered.
        val decided = store.decide(path)
        if (decided > 0) known = (decided shr 8 shl 1) or (if (decided and 0xff == 0L) 0 else 1)
    }

    internal fun forget() {
        known = 0
    }

    internal fun handOn() {
        val count = IGNORED.getAndSet(this, 0)
        if (count > 0) store.suppress(count)
    }

    private companion object {
        val IGNORED: AtomicIntegerFieldUpdater<TracedPath> =
            AtomicIntegerFieldUpdater.newUpdater(TracedPath::class.java, "ignored")
    }
}

/** Traces a store under a name: `Cart`. */
public fun Throughline.store(name: String, policy: StorePolicy.() -> Unit = {}): TracedStore =
    TracedStores.add(name, StorePolicy().apply { guarded { policy() } })

/** Runs a block of the app's; false when it threw, which is counted. */
private inline fun guarded(block: () -> Unit): Boolean = try {
    block()
    true
} catch (failure: Throwable) {
    Recorder.failed(failure)
    false
}

/**
 * A property whose assignments are mutations of a path:
 *
 * ```kotlin
 * private val state = Throughline.store("Cart") { transient("isLoading") }
 * var isLoading by state.traced("isLoading", false)
 * ```
 */
public fun <T> TracedStore.traced(path: String, initial: T): TracedProperty<T> = TracedProperty(path(path), initial)

/** The delegate of [traced]. As safe among threads as the plain field that it stands for. */
public class TracedProperty<T> internal constructor(private val path: TracedPath, private var value: T) : ReadWriteProperty<Any?, T> {
    override fun getValue(thisRef: Any?, property: KProperty<*>): T = value

    override fun setValue(thisRef: Any?, property: KProperty<*>, value: T) {
        val old = this.value
        this.value = value
        path.set(old, value)
    }
}

/** The paths of a traced flow's state, and its policy. */
@ThroughlineDsl
public class TracedPaths<T> internal constructor() {
    internal val readers = ArrayList<Pair<String, (T) -> Any?>>()
    internal val policy = StorePolicy()
    internal var context: (Attributes.(T) -> Unit)? = null

    /** Declares a path and how to read it: `path("displayName") { it.displayName }`. */
    public fun path(name: String, read: (T) -> Any?) {
        readers += name to read
    }

    /** The policy of the store. */
    public fun policy(block: StorePolicy.() -> Unit): Unit = policy.block()

    /** What the new state says beside the path: `context { put("items", it.items.size) }`. See [TracedStore.context]. */
    public fun context(block: Attributes.(T) -> Unit) {
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
 * `value =`, `emit`, `tryEmit` and the winning `compareAndSet` (also within `update`) are recorded, each change of a path
 * once. A value that equals the one before makes no mutation.
 */
public fun <T> MutableStateFlow<T>.traced(store: String, paths: TracedPaths<T>.() -> Unit): MutableStateFlow<T> {
    val declared = TracedPaths<T>().apply { guarded { paths() } }
    val traced = TracedStores.add(store, declared.policy)
    return TracedStateFlow(this, declared.readers.map { (name, read) -> traced.path(name) to read }, declared.context)
}

@OptIn(ExperimentalForInheritanceCoroutinesApi::class)
private class TracedStateFlow<T>(
    private val inner: MutableStateFlow<T>,
    private val paths: List<Pair<TracedPath, (T) -> Any?>>,
    private val context: (Attributes.(T) -> Unit)?,
) : MutableStateFlow<T> by inner {
    override var value: T
        get() = inner.value
        set(value) {
            // What was there before is only known to the one whose exchange won.
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
        val context = context?.let { said -> { attributes: Attributes -> attributes.said(new) } }
        for ((path, read) in paths) guarded { path.set(read(old), read(new), context) }
    }
}
