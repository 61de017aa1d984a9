// Zustand: what changes its state, at both of its doors.

import type { StateCreator, StoreMutatorIdentifier } from "zustand";
import { Door } from "./immutable.js";
import type { StorePolicy } from "./policy.js";
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

/**
 * A middleware that records what changes the state: the `set` of the creator, and `setState` of the
 * store. Put it innermost, around the creator, so that what `persist` restores is no mutation.
 *
 * ```ts
 * const useCart = create(persist(traceZustand((set) => ({ items: [] }), { name: "Cart" }), { name: "cart" }));
 * ```
 */
export const traceZustand: Traced = (creator, tracing) => (set, get, api) => {
  const store = tracedStore(tracing.name, tracing.policy);
  const { getContext } = tracing;
  if (getContext) store.getContext = () => getContext(get());
  const door = new Door(store, get);
  const traced =
    <Args extends unknown[]>(inner: (...args: Args) => void) =>
    (...args: Args): void =>
      door.run(() => inner(...args));
  api.setState = traced(api.setState as (...args: unknown[]) => void) as typeof api.setState;
  return creator(traced(set as (...args: unknown[]) => void) as typeof set, get, api);
};
