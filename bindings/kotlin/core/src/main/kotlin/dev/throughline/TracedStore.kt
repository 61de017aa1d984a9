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
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicInteger
import java.util.concurrent.atomic.AtomicIntegerFieldUpdater

/**
 * Declares a traced store. Stores of one name are one store, with the policy that was set last.
 *
 * ```kotlin
 * private val store = Throughline.tracedStore("Cart") { transient("isLoading") }
 * var isLoading by store.traced("isLoading", false)
 * ```
 */
public fun Throughline.tracedStore(name: String, policy: StorePolicy.() -> Unit = {}): TracedStore =
    TracedStores.add(name, StorePolicy().apply { guardedBlock { policy() } })

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
     * The version of the policy, by which paths know that the decision they remember is old. 0: the
     * core was not asked yet.
     */
    @Volatile
    @JvmField
    internal var version = 0L

    @Volatile
    private var context: (AttributeWriter.() -> Unit)? = null

    /** Mutations that were ignored here, and which the core does not know of yet. */
    private val suppressed = AtomicInteger()
    private val paths = ConcurrentHashMap<String, TracedPath>()

    /**
     * Declares a path, for example `displayName` or `items[3].price`, of at most 1,024 bytes. It
     * remembers the decision about its mutations.
     */
    public fun path(path: String): TracedPath {
        paths[path]?.let { return it }
        val declared = TracedPath(this, path)
        return paths.putIfAbsent(path, declared) ?: declared
    }

    /**
     * Sets what the app says about the state that surrounds a mutation: `context { put("items",
     * cart.size) }`.
     *
     * It is called on the thread of a mutation that is recorded, not for one that is ignored. When
     * several mutations make one action, the last result counts.
     */
    public fun context(context: AttributeWriter.() -> Unit): TracedStore = apply { this.context = context }

    /**
     * Records a mutation of a path for which it is not worth to keep a [TracedPath]. Its cause is
     * the current context.
     */
    public fun record(path: String, old: Any?, new: Any?, kind: MutationKind = MutationKind.SET): Unit =
        record(path, old, new, kind, context)

    internal fun record(path: String, old: Any?, new: Any?, kind: MutationKind, context: (AttributeWriter.() -> Unit)?) {
        Recorder.record(Call.MUTATION, suppressed = takeSuppressed()) {
            u32(id)
            u8(kind.code)
            text(path, Limit.PATH_UNITS)
            guardedValue(old)
            guardedValue(new)
            attributes { if (context != null) guarded({}) { context() } }
        }
    }

    /** Replaces the policy. It holds for the next mutation of every path. */
    public fun updatePolicy(block: StorePolicy.() -> Unit) {
        val policy = StorePolicy()
        if (guardedBlock { policy.block() }) replace(policy.json())
    }

    @Synchronized
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

    /** Declares the store to the core. Without a door, to the one that is open. */
    internal fun declare(door: Long = 0) {
        // Another client counts the versions anew.
        for (path in paths.values) path.forget()
        val write: Draft.() -> Unit = {
            u32(id)
            text(name)
            text(policy, Limit.POLICY_UNITS)
        }
        val call = Call.DECLARE_STORE
        keepVersion(if (door > 0) Recorder.recordTo(door, call, write) else Recorder.record(call, fields = write))
    }

    private fun keepVersion(answer: Long) {
        if (answer > 0) version = answer
    }

    internal fun decide(path: String): PathAnswer {
        // The ring keeps what happened, not questions.
        if (!Recorder.isOpen) return PathAnswer(Answer.NOT_KEPT)
        return PathAnswer(Recorder.record(Call.DECIDE) {
            u32(id)
            text(path, Limit.PATH_UNITS)
        })
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
}

/**
 * A path of a store, with the decision about it. A mutation that is ignored costs a comparison and
 * a count.
 */
public class TracedPath internal constructor(private val store: TracedStore, private val path: String) {
    @Volatile
    private var decision = RememberedDecision(0)

    @Volatile
    private var ignored = 0

    /** Records that the value was [old] and is [new], unless they are equal. */
    public fun set(old: Any?, new: Any?): Unit = set(old, new, null)

    internal fun set(old: Any?, new: Any?, context: (AttributeWriter.() -> Unit)?) {
        val isSame = try {
            old == new
        } catch (failure: Throwable) {
            Recorder.failed(failure)
            return
        }
        if (!isSame) changed(old, new, context)
    }

    private fun changed(old: Any?, new: Any?, context: (AttributeWriter.() -> Unit)?) {
        val version = store.version
        if (version == 0L || !decision.isBy(version)) decide()
        if (decision.ignores(version)) {
            IGNORED.incrementAndGet(this)
            return
        }
        if (context == null) store.record(path, old, new) else store.record(path, old, new, MutationKind.SET, context)
    }

    private fun decide() {
        val answer = store.decide(path)
        // Without an answer, nothing is remembered.
        if (answer.isDecided) decision = RememberedDecision.of(answer)
    }

    internal fun forget() {
        decision = RememberedDecision(0)
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
