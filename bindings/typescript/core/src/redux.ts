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
   * The keys of the state that are not traced. Default: `api`, and whatever else RTK Query keeps the answers
   * of requests under: thousands of values that no user has changed.
   */
  readonly except?: readonly string[];
}

/** Whether a part of a state is what RTK Query keeps: it has its usual name, or says itself what its name is. */
function isQueries(key: string, value: unknown): boolean {
  if (key === "api") return true;
  if (typeof value !== "object" || value === null || !("queries" in value && "config" in value)) return false;
  return (value.config as { reducerPath?: unknown } | null)?.reducerPath === key;
}

/**
 * A middleware that records what actions change. Put it last, so that it sees what reaches the
 * reducers. What `redux-persist` restores is no mutation.
 *
 * ```ts
 * configureStore({ reducer, middleware: (defaults) => defaults().concat(traceRedux({ name: "Shop" })) });
 * ```
 */
export function traceRedux<State = unknown>(tracing: ReduxTracing<State> = {}): Middleware<object, State> {
  const { name = "Redux", policy, getContext, except } = tracing ?? {};
  const store = tracedStore(name, policy);
  const names = except && new Set(except);
  return (api) => {
    const door = new Door({
      store,
      read: api.getState,
      context: getContext && (() => getContext(api.getState())),
      isLeftOut: names ? (key) => names.has(key) : isQueries,
    });
    return (next) => (action) => {
      // A thunk changes nothing itself; what it dispatches comes here again.
      if (typeof action === "function") return next(action);
      const isRestored = (action as { type?: unknown } | null | undefined)?.type === "persist/REHYDRATE";
      return isRestored ? door.restore(() => next(action)) : door.run(() => next(action));
    };
  };
}
