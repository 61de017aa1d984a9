// Jotai: what is written to an atom, whoever writes it.

import type { WritableAtom } from "jotai";
import { changes } from "./diff.js";
import type { StorePolicy } from "./policy.js";
import { counts } from "./recorder.js";
import { tracedStore } from "./store.js";
import type { Attributes } from "./values.js";

/** What of an atom is traced. */
export interface JotaiTracing<Value> {
  /** The name of the store. Atoms with one name belong to one store. */
  readonly name: string;
  /** The path of the atom's value in that store, for example `items`. */
  readonly path: string;
  readonly policy?: StorePolicy;
  /** Says what surrounds a mutation. */
  readonly getContext?: (value: Value) => Attributes;
}

const traced = new WeakSet<object>();

/** A promise has no value yet, and its identity says nothing. */
const isState = (value: unknown): boolean => !(value instanceof Promise);

/**
 * Records what is written to an atom: by a component, by another atom's `write` (also behind an `await`), and by its
 * own `onMount`. Returns the same atom. What an atom of Jotai's restores from its storage is no mutation.
 *
 * ```ts
 * const itemsAtom = traceAtom(atom<string[]>([]), { name: "Cart", path: "items" });
 * ```
 */
export function traceAtom<Value, Args extends unknown[], Result, Atom extends WritableAtom<Value, Args, Result>>(
  atom: Atom & WritableAtom<Value, Args, Result>,
  tracing: JotaiTracing<Value>,
): Atom {
  const { name = "Jotai", path = "value", policy, getContext } = tracing ?? {};
  const store = tracedStore(name, policy);
  if (traced.has(atom)) return atom;
  traced.add(atom);
  const { write } = atom;
  const record = (old: Value, value: Value): void => {
    if (Object.is(old, value) || !isState(old) || !isState(value)) return;
    for (const mutation of changes(old, value)) {
      const inner = mutation.path;
      const whole = inner === "" || inner.startsWith("[") ? path + inner : `${path}.${inner}`;
      store.mutated({ ...mutation, path: whole }, getContext && (() => getContext(value)));
    }
  };
  atom.write = function (this: typeof atom, get, set, ...args) {
    const old = get(this);
    try {
      return write.call(this, get, set, ...args);
    } finally {
      try {
        record(old, get(this));
      } catch {
        counts.failures++;
      }
    }
  };
  return atom;
}
