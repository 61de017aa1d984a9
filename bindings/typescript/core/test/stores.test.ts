import assert from "node:assert/strict";
import { test } from "node:test";
import { configureStore, createSlice } from "@reduxjs/toolkit";
import { createStore } from "zustand/vanilla";
import { persist } from "zustand/middleware";
import { CALL_DECLARE_STORE, CALL_UPDATE_POLICY } from "../src/calls.js";
import { changes, close, counts, tracedStore } from "../src/index.js";
import { traceRedux } from "../src/redux.js";
import { traceZustand } from "../src/zustand.js";
import { App, fieldsOf, freshName } from "./support.js";

test("a store that is looked up by its name keeps its policy", () => {
  const app = new App();
  const name = freshName();
  const store = tracedStore(name, { redact: ["**"] });
  assert.equal(tracedStore(name), store);
  assert.deepEqual(fieldsOf(app, CALL_UPDATE_POLICY), []);
  tracedStore(name, { redact: ["**"] });
  assert.deepEqual(fieldsOf(app, CALL_UPDATE_POLICY), []);
  tracedStore(name, { redact: ["secret"] });
  assert.equal(fieldsOf(app, CALL_UPDATE_POLICY).length, 1);
});

test("a store of before the start is declared with its policy, before what waited", () => {
  close();
  const store = tracedStore(freshName(), { deny: ["secret"] });
  const app = new App();
  const declared = fieldsOf(app, CALL_DECLARE_STORE).find((fields) => fields[4] === store.name);
  assert.match(String(declared?.[5]), /"deny":\["secret"\]/);
});

test("a new policy decides anew", () => {
  let denied = "a";
  const app = new App((path) => path === denied);
  const store = tracedStore(freshName());
  store.record("a", 1, 2);
  store.record("b", 1, 2);
  assert.deepEqual(app.mutations(), ["set b"]);
  denied = "b";
  store.updatePolicy({ deny: ["b"] });
  store.record("a", 1, 2);
  store.record("b", 1, 2);
  assert.deepEqual(app.mutations(), ["set a"]);
});

test("200,000 paths are decided and not all remembered", () => {
  const app = new App(() => true);
  app.suppressed();
  const store = tracedStore(freshName());
  for (let n = 0; n < 200_000; n++) store.record(`k${n}`, 0, 1);
  assert.equal(app.suppressed(), 200_000);
});

test("what a Redux action changes is recorded, and functions and RTK Query's slice are not", () => {
  const app = new App();
  const slice = createSlice({
    name: "cart",
    initialState: { items: [{ n: 1 }], coupon: "" },
    reducers: {
      coupon: (state, action: { payload: string }) => void (state.coupon = action.payload),
      add: (state) => void state.items.push({ n: 2 }),
    },
  });
  const api = (state = { queries: 0 }, action: { type: string }) =>
    action.type === "api" ? { queries: state.queries + 1 } : state;
  const store = configureStore({
    reducer: { cart: slice.reducer, api },
    middleware: (defaults) => defaults().concat(traceRedux({ name: freshName() })),
  });
  store.dispatch(slice.actions.coupon("TEN"));
  store.dispatch(slice.actions.coupon("TEN"));
  store.dispatch(((dispatch: (action: unknown) => void) => dispatch(slice.actions.add())) as never);
  store.dispatch({ type: "api" });
  assert.deepEqual(app.mutations(), ["set cart.coupon", "insert cart.items[1]"]);
});

test("Zustand is recorded at both doors once, and hydration is no mutation", async () => {
  const app = new App();
  interface Cart {
    n: number;
    add: () => void;
  }
  const storage = {
    getItem: () => Promise.resolve(JSON.stringify({ state: { n: 5 }, version: 0 })),
    setItem: () => Promise.resolve(),
    removeItem: () => Promise.resolve(),
  };
  const creator = traceZustand<Cart>((set) => ({ n: 0, add: () => set((state) => ({ n: state.n + 1 })) }), {
    name: freshName(),
  });
  const store = createStore<Cart>()(
    persist(creator, {
      name: "cart",
      storage: {
        getItem: () => storage.getItem().then((text) => JSON.parse(text)),
        setItem: storage.setItem,
        removeItem: storage.removeItem,
      },
    }),
  );
  await new Promise((done) => setTimeout(done, 10));
  assert.equal(store.getState().n, 5);
  assert.deepEqual(app.mutations(), []);
  store.getState().add();
  store.setState({ n: 9 });
  store.setState({ n: 9 });
  store.setState((state) => state);
  assert.deepEqual(app.mutations(), ["set n", "set n"]);
});

test("a nested set is recorded in the order in which it happened", () => {
  const app = new App();
  const store = createStore<{ a: number; b: number }>()(traceZustand(() => ({ a: 0, b: 0 }), { name: freshName() }));
  store.subscribe((state) => {
    if (state.b === 0) store.setState({ b: 1 });
  });
  store.setState({ a: 1 });
  assert.deepEqual(app.mutations(), ["set a", "set b"]);
  const redux = configureStore({
    reducer: (state = { a: 0, b: 0 }, action: { type: string }) =>
      action.type in state ? { ...state, [action.type]: 1 } : state,
    middleware: (defaults) => defaults().concat(traceRedux({ name: freshName() })),
  });
  redux.subscribe(() => {
    if (redux.getState().b === 0) redux.dispatch({ type: "b" });
  });
  redux.dispatch({ type: "a" });
  assert.deepEqual(app.mutations(), ["set a", "set b"]);
});

test("a change beyond the bound is one of the deepest parent that holds it, and says so", () => {
  const entities = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`id${n}`, { n }]));
  const before = { users: { entities, ids: [1] }, ui: { open: false } };
  const after = { ...before, users: { ...before.users, entities: { ...entities, id9999: { n: -1 } } } };
  const found = changes(before, after);
  assert.deepEqual(
    found.map(({ path, isIncomplete }) => [path, isIncomplete]),
    [["users.entities", true]],
  );
  const both = changes(before, { ...after, ui: { open: true } });
  assert.deepEqual(
    both.map(({ path, isIncomplete }) => [path, isIncomplete]),
    [["", true]],
  );
});

test("a diff knows maps, dates, instances and hostile objects", () => {
  class Money {
    #n;
    constructor(n: number) {
      this.#n = n;
    }
    get n() {
      return this.#n;
    }
  }
  const paths = (old: unknown, next: unknown) => changes(old, next).map(({ path, kind }) => `${kind} ${path}`);
  assert.deepEqual(
    paths(
      { m: new Map([["a", 1]]) },
      {
        m: new Map([
          ["a", 2],
          ["b", 1],
        ]),
      },
    ),
    ["set m.a", "insert m.b"],
  );
  assert.deepEqual(paths({ d: new Date(1) }, { d: new Date(1) }), []);
  assert.deepEqual(paths({ m: new Money(1) }, { m: new Money(2) }), ["replace m"]);
  assert.deepEqual(paths({ f: () => 1, s: Symbol("a") }, { f: () => 2, s: Symbol("b") }), []);
  const cyclic: Record<string, unknown> = { n: 1 };
  cyclic["self"] = cyclic;
  const other: Record<string, unknown> = { n: 1 };
  other["self"] = other;
  assert.ok(changes(cyclic, other).length <= 1);
  const failures = counts.failures;
  const store = tracedStore(freshName());
  const app = new App();
  store.record("hostile", null, {
    get bad(): never {
      throw new Error("getter");
    },
    big: 10n ** 30n,
    s: Symbol("x"),
    lone: "\ud800",
  });
  store.record("long", "", "x".repeat(10_000_000));
  assert.equal(app.mutations().length, 2);
  assert.ok(counts.failures > failures);
});

test("a store whose context changes the store is asked once", () => {
  const app = new App();
  const store = tracedStore(freshName());
  store.getContext = () => {
    store.record("seen", 0, 1);
    return { seen: true };
  };
  store.record("n", 0, 1);
  assert.deepEqual(app.mutations().sort(), ["set n", "set seen"]);
});
