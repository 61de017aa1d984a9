// What changes the state of an immutable store, seen around each call that may change it.

import { changes } from "./diff.js";
import { counts } from "./recorder.js";
import type { TracedStore } from "./store.js";

/**
 * Runs calls that may change a state, and records what each has changed.
 *
 * A listener of the state may change it again before the call that has called it is over. What was
 * changed until then is recorded first, so that each change is recorded once and in its order.
 */
export class Door<State> {
  /** The state up to which each call that is under way has been recorded. */
  private readonly recordedTo: State[] = [];

  constructor(
    private readonly store: TracedStore,
    private readonly read: () => State,
    private readonly except?: ReadonlySet<string>,
  ) {}

  run<T>(call: () => T): T {
    this.catchUp();
    this.recordedTo.push(this.read());
    try {
      return call();
    } finally {
      this.catchUp();
      this.recordedTo.pop();
      if (this.recordedTo.length > 0) this.recordedTo[this.recordedTo.length - 1] = this.read();
    }
  }

  /** Records what the innermost call has changed so far. */
  private catchUp(): void {
    const last = this.recordedTo.length - 1;
    if (last < 0) return;
    const [before, after] = [this.recordedTo[last], this.read()];
    this.recordedTo[last] = after;
    if (before === after) return;
    try {
      for (const mutation of changes(without(before, this.except), without(after, this.except)))
        this.store.mutated(mutation);
    } catch {
      counts.failures++;
    }
  }
}

/** A state without some of its keys, so that they are not searched. */
function without(state: unknown, except: ReadonlySet<string> | undefined): unknown {
  if (!except?.size || typeof state !== "object" || state === null || Array.isArray(state)) return state;
  return Object.fromEntries(Object.entries(state).filter(([key]) => !except.has(key)));
}
