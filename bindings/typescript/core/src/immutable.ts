// What changes the state of an immutable store, seen around each call that may change it.

import { changes, isPlain } from "./diff.js";
import { counts } from "./recorder.js";
import type { TracedStore } from "./store.js";
import type { Attributes } from "./values.js";

/** How a store is seen. */
export interface Seen<State> {
  readonly store: TracedStore;
  /** The state as it is now. It may throw, or return `undefined` while there is none yet. */
  readonly read: () => State;
  /** Says what surrounds a mutation of this state. */
  readonly context?: (() => Attributes) | undefined;
  /** Whether a part of the state is left out. */
  readonly isLeftOut?: (key: string, value: unknown) => boolean;
}

/**
 * Runs calls that may change a state, and records what each has changed.
 *
 * A listener of the state may change it again before the call that has called it is over. What was
 * changed until then is recorded first, so that each change is recorded once and in its order.
 */
export class Door<State> {
  /** The state up to which each call that is under way has been recorded. */
  private readonly recordedTo: (State | undefined)[] = [];

  constructor(private readonly seen: Seen<State>) {}

  /** Runs a call that the app makes. Whatever it returns or throws is the app's. */
  run<T>(call: () => T): T {
    return this.around(call, () => this.catchUp());
  }

  /** Runs a call whose changes are none of the user's: it restores a state that was saved. */
  restore<T>(call: () => T): T {
    return this.around(call, () => this.skip());
  }

  private around<T>(call: () => T, finish: () => void): T {
    this.catchUp();
    this.recordedTo.push(this.read());
    try {
      return call();
    } finally {
      finish();
      this.recordedTo.pop();
      this.skip();
    }
  }

  /** Takes the state as it is for recorded. */
  private skip(): void {
    const last = this.recordedTo.length - 1;
    const now = last < 0 ? undefined : this.read();
    if (now !== undefined) this.recordedTo[last] = now;
  }

  private read(): State | undefined {
    try {
      return this.seen.read();
    } catch {
      // Redux does not let its state be read while a reducer runs.
      return undefined;
    }
  }

  /** Records what the innermost call has changed so far. */
  private catchUp(): void {
    const last = this.recordedTo.length - 1;
    if (last < 0) return;
    const [before, after] = [this.recordedTo[last], this.read()];
    // What cannot be read now is compared later. The first state is no mutation.
    if (after === undefined) return;
    this.recordedTo[last] = after;
    if (before === after || before === undefined) return;
    try {
      const { store, context } = this.seen;
      for (const mutation of changes(this.seenOf(before), this.seenOf(after))) store.mutated(mutation, context);
    } catch {
      counts.failures++;
    }
  }

  /** A state without what is left out, so that it is not searched. */
  private seenOf(state: unknown): unknown {
    const { isLeftOut } = this.seen;
    if (!isLeftOut || !isPlain(state)) return state;
    const parts = Object.entries(state);
    const kept = parts.filter(([key, value]) => !isLeftOut(key, value));
    return kept.length === parts.length ? state : Object.fromEntries(kept);
  }
}
