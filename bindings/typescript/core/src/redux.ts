// Redux: what an action has changed in the state.

import type { Middleware } from "redux";
import { Door } from "./immutable.js";
import type { StorePolicy } from "./policy.js";
import { tracedStore } from "./store.js";
import type { Attributes } from "./values.js";

/** What of a Redux store is traced. */
export interface ReduxTracing<State> {
  /** The name of the store. Default: `Redux`. */
  readonly name?: string;
  readonly policy?: StorePolicy;
  /** Says what surrounds a mutation. */
  readonly getContext?: (state: State) => Attributes;
  /**
   * The keys of the state that are not traced. Default: `api`, where RTK Query keeps the answers
   * of requests, thousands of values that no user has changed.
   */
  readonly except?: readonly string[];
}

/**
 * A middleware that records what actions change. Put it last, so that it sees what reaches the
 * reducers.
 *
 * ```ts
 * configureStore({ reducer, middleware: (defaults) => defaults().concat(traceRedux({ name: "Shop" })) });
 * ```
 */
export function traceRedux<State = unknown>(tracing: ReduxTracing<State> = {}): Middleware<object, State> {
  const store = tracedStore(tracing.name ?? "Redux", tracing.policy);
  const except = new Set(tracing.except ?? ["api"]);
  return (api) => {
    const { getContext } = tracing;
    if (getContext) store.getContext = () => getContext(api.getState());
    const door = new Door(store, api.getState, except);
    // A thunk changes nothing itself; what it dispatches comes here again.
    return (next) => (action) => (typeof action === "function" ? next(action) : door.run(() => next(action)));
  };
}
