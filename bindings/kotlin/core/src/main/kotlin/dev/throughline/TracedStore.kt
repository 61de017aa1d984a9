@file:JvmName("Stores")

package dev.throughline

import dev.throughline.internal.Answer
import dev.throughline.internal.Call
import dev.throughline.internal.Draft
import dev.throughline.internal.Limit
import dev.throughline.internal.PathAnswer
import dev.throughline.internal.Recorder
import dev.throughline.internal.RememberedDecision
import dev.throughline.internal.TracedStores
import dev.throughline.internal.attributes
import dev.throughline.internal.guarded
import dev.throughline.internal.guardedBlock
import dev.throughline.internal.guardedValue
import dev.throughline.internal.write
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicInteger
import java.util.concurrent.atomic.AtomicIntegerFieldUpdater
import java.util.concurrent.atomic.AtomicLong

/**
 * The traced store of a name. Stores of one name are one store, with the policy that was set last:
 * without a [policy], it keeps the one that it has. There may be 256 names. Stores of further ones
 * record nothing; [Health.unknownCalls] counts their mutations, and [Health.problems] says so.
 *
 * ```kotlin
 * private val store = Throughline.tracedStore("Cart") { transient("isLoading") }
 * var isLoading by store.traced("isLoading", false)
 * ```
 */
@JvmOverloads
public fun Throughline.tracedStore(name: String, policy: Setup<StorePolicy>? = null): TracedStore =
    TracedStores.named(name, policy)

/**
 * A traced store: a name, a policy, and the paths of what it holds. Mutations become actions with
 * the name `{store}.{path}.Update`.
 */
public class TracedStore internal constructor(
    internal val id: Int,
    /** The name. */
    public val name: String,
    private var policy: String,
) {
    /**
     * The version of the policy, by which paths know that the decision they remember is old. It
     * says which client has counted it, too, because each begins anew. 0: the core was not asked
     * yet.
     */
    @Volatile
    @JvmField
    internal var version = 0L

    @Volatile
    private var context: Attributes? = null

    /** Mutations that were ignored here, and which the core does not know of yet. */
    private val suppressed = AtomicInteger()
    private val paths = ConcurrentHashMap<String, TracedPath>()

    /** How often a path was declared that is not remembered here, because there are too many. */
    private val unremembered = AtomicLong()
    internal val pathsNotRemembered: Long get() = unremembered.get()

    /**
     * Declares a path, for example `displayName` or `items[3].price`, of at most 1,024 bytes. It
     * remembers the decision about its mutations.
     *
     * The store remembers 1,024 paths. Further ones work, and are counted by
     * [StateCounts.pathsNotRemembered]: keep what this returns, instead of asking each time.
     */
    public fun path(path: String): TracedPath {
        paths[path]?.let { return it }
        // Not exact when several threads declare paths: then there may be a few more.
        if (paths.size >= MAX_PATHS) {
            unremembered.incrementAndGet()
            return TracedPath(this, path, false)
        }
        val declared = TracedPath(this, path, true)
        return paths.putIfAbsent(path, declared) ?: declared
    }

    /**
     * Sets what the app says about the state that surrounds a mutation: `context { put("items",
     * cart.size) }`.
     *
     * It is called on the thread of a mutation that is recorded, not for one that is ignored. When
     * several mutations make one action, the last result counts.
     */
    public fun context(context: Attributes): TracedStore = apply { this.context = context }

    /**
     * Records a mutation of a path for which it is not worth to keep a [TracedPath]. Its cause is
     * the current context.
     */
    @JvmOverloads
    public fun record(path: String, old: Any?, new: Any?, kind: MutationKind = MutationKind.SET): Unit =
        record(path, old, new, kind, context)

    internal fun record(path: String, old: Any?, new: Any?, kind: MutationKind, context: Attributes?) {
        // What waits for the start may be lost there, with the count.
        Recorder.record(Call.MUTATION, suppressed = if (Recorder.isOpen) takeSuppressed() else 0) {
            u32(id)
            u8(kind.code)
            text(path, Limit.PATH_UNITS)
            guardedValue(old)
            guardedValue(new)
            attributes { if (context != null) guarded({}) { writeOnce(context) } }
        }
    }

    /** A context that changes a store would be asked for its own mutation, and so for ever. */
    private fun Draft.writeOnce(context: Attributes) {
        val mine = Recorder.threadDraft()
        if (mine.isInContext) return
        mine.isInContext = true
        try {
            write(context)
        } finally {
            mine.isInContext = false
        }
    }

    /** Replaces the policy. It holds for the next mutation of every path. */
    public fun updatePolicy(block: Setup<StorePolicy>) {
        val policy = StorePolicy()
        if (guardedBlock { policy.with(block) }) TracedStores.replace(this, policy.json())
    }

    /** Under the lock of [TracedStores]. */
    internal fun replace(json: String) {
        if (json == policy) return
        policy = json
        // Before the start, the store is declared with it later.
        if (!Recorder.isOpen) return
        keepVersion(Recorder.record(Call.UPDATE_POLICY) {
            u32(id)
            text(json, Limit.POLICY_UNITS)
        })
    }

    /**
     * Declares the store to the core, under the lock of [TracedStores]. Without a door, to the one
     * that is open.
     */
    internal fun declare(door: Long = 0) {
        // What another client has decided does not count, even if this one refuses the policy.
        version = 0
        val write: Draft.() -> Unit = {
            u32(id)
            text(name)
            text(policy, Limit.POLICY_UNITS)
        }
        val call = Call.DECLARE_STORE
        keepVersion(if (door > 0) Recorder.recordTo(door, call, write) else Recorder.record(call, fields = write))
    }

    private fun keepVersion(answer: Long) {
        if (answer > 0) version = stamp(TracedStores.clients, answer)
    }

    /** What the core decides about a path. None, when it does not say. */
    internal fun decide(path: String): RememberedDecision {
        val stamp = version
        // The ring keeps what happened, not questions.
        if (!Recorder.isOpen) return RememberedDecision(0)
        val answer = PathAnswer(Recorder.record(Call.DECIDE) {
            u32(id)
            text(path, Limit.PATH_UNITS)
        })
        return if (answer.isDecided) {
            RememberedDecision.of(stamp(stamp shr CLIENT_SHIFT, answer.version), answer.ignores)
        } else {
            RememberedDecision(0)
        }
    }

    internal fun suppress(count: Int) {
        suppressed.addAndGet(count)
    }

    private fun takeSuppressed(): Int = suppressed.getAndSet(0)

    /** Tells the core how many mutations were ignored here. */
    internal fun report() {
        for (path in paths.values) path.handOverIgnored()
        if (!Recorder.isOpen) return
        val count = takeSuppressed()
        if (count > 0) Recorder.record(Call.SUPPRESSED, suppressed = count) { u32(id) }
    }

    private companion object {
        /**
         * How many paths a store remembers, as many as the core. A list with an element for each
         * product would otherwise grow with what the user sees. Swift has the same limit.
         */
        const val MAX_PATHS = 1_024

        /** Where the number of the client stands in [version]. */
        const val CLIENT_SHIFT = 40

        fun stamp(client: Long, version: Long): Long = client shl CLIENT_SHIFT or version
    }
}

/**
 * A path of a store, with the decision about it. A mutation that is ignored costs a comparison and
 * a count.
 */
public class TracedPath internal constructor(
    private val store: TracedStore,
    private val path: String,
    private val isRemembered: Boolean,
) {
    @Volatile
    private var decision = RememberedDecision(0)

    @Volatile
    private var ignored = 0

    /** Records that the value was [old] and is [new], unless they are equal. */
    public fun set(old: Any?, new: Any?): Unit = set(old, new, null)

    internal fun set(old: Any?, new: Any?, context: Attributes?) {
        val isSame = try {
            old == new
        } catch (failure: Throwable) {
            Recorder.failed(failure)
            return
        }
        if (!isSame) changed(old, new, context)
    }

    private fun changed(old: Any?, new: Any?, context: Attributes?) {
        val version = store.version
        if (version == 0L || !decision.isBy(version)) decide()
        if (decision.ignores(version)) {
            if (isRemembered) IGNORED.incrementAndGet(this) else store.suppress(1)
            return
        }
        if (context == null) store.record(path, old, new) else store.record(path, old, new, MutationKind.SET, context)
    }

    private fun decide() {
        decision = store.decide(path)
    }

    internal fun handOverIgnored() {
        val count = IGNORED.getAndSet(this, 0)
        if (count > 0) store.suppress(count)
    }

    private companion object {
        val IGNORED: AtomicIntegerFieldUpdater<TracedPath> =
            AtomicIntegerFieldUpdater.newUpdater(TracedPath::class.java, "ignored")
    }
}
