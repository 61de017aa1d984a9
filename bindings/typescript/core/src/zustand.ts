// Zustand: what changes its state, at both of its doors.

import type { StateCreator, StoreMutatorIdentifier } from "zustand";
import { Door } from "./immutable.js";
import type { StorePolicy } from "./policy.js";
import { guarded } from "./recorder.js";
import { tracedStore } from "./store.js";
import type { Attributes } from "./values.js";

/** What of a Zustand store is traced. */
export interface ZustandTracing<State> {
  /** The name of the store. */
  readonly name: string;
  readonly policy?: StorePolicy;
  /** Says what surrounds a mutation. */
  readonly getContext?: (state: State) => Attributes;
}

type Traced = <
  State,
  In extends [StoreMutatorIdentifier, unknown][] = [],
  Out extends [StoreMutatorIdentifier, unknown][] = [],
>(
  creator: StateCreator<State, In, Out>,
  tracing: ZustandTracing<State>,
) => StateCreator<State, In, Out>;

/** What `persist` puts on a store. */
interface Persisted {
  readonly persist?: { readonly hasHydrated?: () => boolean };
}

/**
 * Whether a call restores what was saved: `persist` replaces the whole state while it is not hydrated. It does so
 * through us when it is inside.
 */
const restores = (api: Persisted, args: readonly unknown[]): boolean =>
  args[1] === true && guarded(() => api.persist?.hasHydrated?.() === false, false);

/**
 * A middleware that records what changes the state: the `set` of the creator, and `setState` of the
 * store. What `persist` restores is no mutation. Put it innermost, around the creator: then it sees each value before
 * other middleware changes it.
 *
 * ```ts
 * const useCart = create(persist(traceZustand((set) => ({ items: [] }), { name: "Cart" }), { name: "cart" }));
 * ```
 */
export const traceZustand: Traced = (creator, tracing) => (set, get, api) => {
  const { name = "Zustand", policy, getContext } = tracing ?? {};
  const door = new Door({
    store: tracedStore(name, policy),
    read: get,
    context: getContext && (() => getContext(get())),
  });
  const traced =
    <Args extends unknown[]>(inner: (...args: Args) => void) =>
    (...args: Args): void =>
      restores(api as Persisted, args) ? door.restore(() => inner(...args)) : door.run(() => inner(...args));
  api.setState = traced(api.setState as (...args: unknown[]) => void) as typeof api.setState;
  return creator(traced(set as (...args: unknown[]) => void) as typeof set, get, api);
};
