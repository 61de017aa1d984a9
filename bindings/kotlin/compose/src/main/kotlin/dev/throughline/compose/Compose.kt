package dev.throughline.compose

import androidx.compose.foundation.gestures.awaitEachGesture
import androidx.compose.foundation.gestures.awaitFirstDown
import androidx.compose.foundation.gestures.waitForUpOrCancellation
import androidx.compose.runtime.MutableState
import androidx.compose.runtime.SnapshotMutationPolicy
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.snapshots.Snapshot
import androidx.compose.runtime.structuralEqualityPolicy
import androidx.compose.ui.Modifier
import androidx.compose.ui.input.pointer.PointerEventPass
import androidx.compose.ui.input.pointer.pointerInput
import dev.throughline.Throughline
import dev.throughline.TracedPath
import dev.throughline.TracedStore

/**
 * The same state, whose assignments are mutations of a path:
 *
 * ```kotlin
 * private val store = Throughline.tracedStore("Cart") { transient("isLoading") }
 * var isLoading by mutableStateOf(false).traced(store.path("isLoading"))
 * ```
 *
 * An assignment is recorded when it is made, even if its snapshot is never applied. Assigning an
 * equal value is no mutation. A state that is traced as this path already is traced once.
 */
public fun <T> MutableState<T>.traced(path: TracedPath): MutableState<T> =
    if (this is TracedMutableState && this.path === path) this else TracedMutableState(this, path)

/**
 * A new state whose assignments are mutations of a path: `var note by store.mutableStateOf("note",
 * "")`.
 */
public fun <T> TracedStore.mutableStateOf(
    path: String,
    initial: T,
    policy: SnapshotMutationPolicy<T> = structuralEqualityPolicy(),
): MutableState<T> = mutableStateOf(initial, policy).traced(path(path))

private class TracedMutableState<T>(private val inner: MutableState<T>, val path: TracedPath) : MutableState<T> {
    override var value: T
        get() = inner.value
        set(value) {
            // Reading here must not make the composition that assigns depend on the state.
            val old = Snapshot.withoutReadObservation { inner.value }
            inner.value = value
            path.set(old, value)
        }

    override fun component1(): T = value

    override fun component2(): (T) -> Unit = { value = it }
}

/**
 * Records taps as actions with the name [target]. A tap is recorded before its handlers run, so
 * that what they do belongs to it. A gesture that becomes a scroll is no tap. No event is consumed.
 */
public fun Modifier.traceTap(target: String): Modifier = pointerInput(target) {
    awaitEachGesture {
        awaitFirstDown(requireUnconsumed = false, pass = PointerEventPass.Initial)
        if (waitForUpOrCancellation(PointerEventPass.Initial) != null) Throughline.tap(target)
    }
}
