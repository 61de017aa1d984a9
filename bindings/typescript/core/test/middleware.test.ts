// Redux and Zustand among the middleware that apps put around them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { combineReducers, configureStore } from "@reduxjs/toolkit";
import { createApi, fakeBaseQuery } from "@reduxjs/toolkit/query";
import { legacy_createStore, applyMiddleware, type Reducer } from "redux";
import { createStore, type StateCreator } from "zustand/vanilla";
import { combine, devtools, persist, subscribeWithSelector, type PersistStorage } from "zustand/middleware";
import { immer } from "zustand/middleware/immer";
import { CALL_MUTATION } from "../src/calls.js";
import { changes, counts } from "../src/index.js";
import { traceRedux } from "../src/redux.js";
import { traceZustand } from "../src/zustand.js";
import { App, fieldsOf, freshName } from "./support.js";

interface Cart {
  n: number;
  add: () => void;
}
/** A middleware, whatever it makes of the types. */
type Middleware = (creator: unknown) => unknown;
const plain: StateCreator<Cart> = (set, get) => ({ n: 0, add: () => set({ n: get().n + 1 }) });

const storages = {
  synchronous: { getItem: () => ({ state: { n: 5 }, version: 0 }), setItem() {}, removeItem() {} },
  asynchronous: {
    getItem: () => Promise.resolve({ state: { n: 5 }, version: 0 }),
    setItem: () => Promise.resolve(),
    removeItem: () => Promise.resolve(),
  },
};

test("in every order of persist, immer, devtools and ours, a change is one and hydration is none", async () => {
  for (const [kind, storage] of Object.entries(storages)) {
    const ours = (creator: unknown) => traceZustand(creator as StateCreator<Cart>, { name: freshName() });
    const persisted = (creator: unknown) =>
      persist(creator as StateCreator<Cart>, { name: "cart", storage: storage as unknown as PersistStorage<Cart> });
    const all = [ours, persisted, immer, devtools] as Middleware[];
    const orders = (rest: Middleware[]): Middleware[][] =>
      rest.length < 2
        ? [rest]
        : rest.flatMap((one) => orders(rest.filter((other) => other !== one)).map((order) => [one, ...order]));
    for (const order of orders(all)) {
      const app = new App();
      const creator = order.reduceRight((inner: unknown, outer) => outer(inner), plain);
      const store = createStore<Cart>()(creator as StateCreator<Cart>);
      await new Promise((done) => setTimeout(done, 2));
      const at = `${kind}, ${order.map((one) => all.indexOf(one)).join()}`;
      assert.equal(store.getState().n, 5, at);
      assert.deepEqual(app.mutations(), [], `hydration: ${at}`);
      store.getState().add();
      store.setState({ n: 9 });
      assert.deepEqual(app.mutations(), ["set n", "set n"], at);
      await (store as unknown as { persist: { rehydrate: () => unknown } }).persist.rehydrate();
      assert.deepEqual(app.mutations(), [], `hydration again: ${at}`);
    }
  }
});

test("what a creator sets while it creates the state is its first state and no mutation", () => {
  const app = new App();
  const store = createStore<{ n: number }>()(
    traceZustand(
      (set) => {
        set({ n: 1 });
        return { n: 2 };
      },
      { name: freshName() },
    ),
  );
  store.setState({ n: 3 });
  assert.deepEqual(app.mutations(), ["set n"]);
  const combined = createStore(
    subscribeWithSelector(
      traceZustand(
        combine({ n: 0 }, () => ({})),
        { name: freshName() },
      ),
    ),
  );
  combined.setState({ n: 1 });
  assert.deepEqual(app.mutations(), ["set n"]);
});

test("two stores of one name have each its own context", () => {
  const app = new App();
  const name = freshName();
  const zustand = [1, 2].map((id) =>
    createStore<{ id: number; n: number }>()(
      traceZustand(() => ({ id, n: 0 }), { name, getContext: (state) => ({ id: state.id }) }),
    ),
  );
  const middleware = traceRedux<{ id: number; n: number }>({ name, getContext: (state) => ({ id: state.id }) });
  const redux = [3, 4].map((id) =>
    legacy_createStore(
      ((state = { id, n: 0 }, action: { type: string }) =>
        action.type === "n" ? { ...state, n: state.n + 1 } : state) as Reducer<{ id: number; n: number }>,
      applyMiddleware(middleware),
    ),
  );
  for (const store of zustand) store.setState({ n: 1 });
  for (const store of redux) store.dispatch({ type: "n" });
  assert.deepEqual(
    fieldsOf(app, CALL_MUTATION).map((fields) => fields.at(-1)),
    [1, 2, 3, 4],
  );
});

test("the slice of RTK Query is left out by whatever name it has", async () => {
  const app = new App();
  const api = createApi({
    reducerPath: "shopApi",
    baseQuery: fakeBaseQuery(),
    keepUnusedDataFor: 0,
    endpoints: (build) => ({ item: build.query<number, number>({ queryFn: (n) => ({ data: n }) }) }),
  });
  const store = configureStore({
    reducer: combineReducers({
      shopApi: api.reducer,
      n: (n: number = 0, { type }: { type: string }) => (type === "n" ? n + 1 : n),
    }),
    middleware: (defaults) => defaults().concat(api.middleware, traceRedux({ name: freshName() })),
  });
  const query = store.dispatch(api.endpoints.item.initiate(1));
  await query;
  query.unsubscribe();
  store.dispatch({ type: "n" });
  assert.deepEqual(app.mutations(), ["set n"]);
});

test("a replaced reducer, a restored state and a time machine are no mutations, and blame no later action", () => {
  const app = new App();
  const first: Reducer = (state: { n: number } = { n: 0 }, action) => {
    if (action.type === "persist/REHYDRATE") return { n: 100 };
    return action.type === "n" ? { ...state, n: state.n + 1 } : state;
  };
  const store = legacy_createStore(first, applyMiddleware(traceRedux({ name: freshName() })));
  store.dispatch({ type: "n" });
  store.replaceReducer(((state: object = {}, action: { type: string }) =>
    action.type === "n" ? { ...state, n: 1_000 } : { ...state, m: 1 }) as never);
  assert.deepEqual(app.mutations(), ["set n"]);
  store.dispatch({ type: "n" });
  assert.deepEqual(app.mutations(), ["set n"]);
  store.replaceReducer(first);
  store.dispatch({ type: "persist/REHYDRATE" });
  assert.deepEqual(app.mutations(), []);
});

test("an error of the app's own reaches the app as it is, and is not ours", () => {
  const app = new App();
  let store: ReturnType<typeof legacy_createStore> | undefined;
  const reducer: Reducer = (state: { n: number } = { n: 0 }, action) => {
    if (action.type === "nested") store!.dispatch({ type: "n" });
    if (action.type === "throws") throw new Error("reducer");
    return state;
  };
  store = legacy_createStore(reducer, applyMiddleware(traceRedux({ name: freshName() })));
  assert.throws(() => store!.dispatch({ type: "nested" }), /Reducers may not dispatch actions|Redux error #9/);
  assert.throws(() => store!.dispatch({ type: "throws" }), /reducer/);
  assert.throws(() => store!.dispatch(5 as never), /plain objects|Actions must be|Redux error/);
  assert.deepEqual(app.mutations(), []);
});

test("a state that is an instance of a class is compared as a whole, and not by what it is made of", () => {
  class Immutable {
    constructor(private readonly root: object) {}
    with(n: number): Immutable {
      return new Immutable({ ...this.root, n });
    }
  }
  const app = new App();
  const store = legacy_createStore(
    ((state: Immutable = new Immutable({}), action: { type: string }) =>
      action.type === "n" ? state.with(1) : state) as Reducer<Immutable>,
    applyMiddleware(traceRedux({ name: freshName() })),
  );
  store.dispatch({ type: "n" });
  assert.deepEqual(app.mutations(), ["replace "]);
});

test("sets and large maps are compared by their entries, up to the bound", () => {
  const paths = (old: unknown, next: unknown) =>
    changes(old, next).map(({ path, kind, isIncomplete }) => `${kind} ${path}${isIncomplete ? " incomplete" : ""}`);
  assert.deepEqual(paths({ s: new Set([1]) }, { s: new Set([1]) }), []);
  assert.deepEqual(paths({ s: new Set([1, 2]) }, { s: new Set([2, 3]) }), ["delete s", "insert s"]);
  let read = 0;
  class Counted extends Map<number, number> {
    override *keys(): MapIterator<number> {
      for (const key of super.keys()) {
        read++;
        yield key;
      }
    }
  }
  const large = () => new Counted(Array.from({ length: 100_000 }, (_, n) => [n, n]));
  assert.deepEqual(paths({ m: large() }, { m: large() }), ["replace m incomplete"]);
  assert.ok(read <= 2_000, `${read} keys were read`);
  assert.ok(counts);
});

test("without a description of the tracing, a store is still the app's", () => {
  new App();
  const store = createStore<Cart>()(traceZustand(plain, undefined as never));
  store.getState().add();
  assert.equal(store.getState().n, 1);
  traceRedux(null as never);
});
