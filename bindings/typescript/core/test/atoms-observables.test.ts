// Jotai and MobX. The suite runs once more with NODE_ENV=production, where `mobx.spy` would say nothing.

import assert from "node:assert/strict";
import { test } from "node:test";
import { atom, createStore } from "jotai/vanilla";
import { atomWithReducer, atomWithStorage, createJSONStorage } from "jotai/vanilla/utils";
import { makeAutoObservable, observable, runInAction } from "mobx";
import { CALL_MUTATION, CALL_START_OPERATION } from "../src/calls.js";
import { operation, problems } from "../src/index.js";
import { traceAtom } from "../src/jotai.js";
import { traceMobx } from "../src/mobx.js";
import { App, fieldsOf, freshName } from "./support.js";

test("a write to an atom is recorded once, whoever writes it", async () => {
  const app = new App();
  const name = freshName();
  const count = traceAtom(atom(0), { name, path: "count" });
  assert.equal(traceAtom(count, { name, path: "count" }), count, "tracing twice is once");
  const doubled = atom(
    (get) => get(count) * 2,
    (_get, set, value: number) => set(count, value / 2),
  );
  const later = atom(null, async (_get, set) => {
    await Promise.resolve();
    set(count, (before) => before + 1);
  });
  const store = createStore();
  store.set(count, 1);
  store.set(count, 1);
  store.set(doubled, 10);
  await store.set(later);
  assert.deepEqual(app.mutations(), ["set count", "set count", "set count"]);
  assert.equal(store.get(count), 6);
  const reduced = traceAtom(
    atomWithReducer(0, (value, more: number) => value + more),
    { name, path: "sum" },
  );
  store.set(reduced, 3);
  const mounted = traceAtom(atom("a"), { name, path: "mounted" });
  mounted.onMount = (set) => set("b");
  store.sub(mounted, () => undefined)();
  assert.deepEqual(app.mutations(), ["set sum", "set mounted"]);
  app.end();
});

test("of an atom that holds a tree, the parts that have changed are recorded, with their values and context", () => {
  const app = new App();
  const name = freshName();
  const tree = traceAtom(atom({ user: { name: "a", age: 1 }, list: [1, 2] }), {
    name,
    path: "session",
    getContext: ({ user }) => ({ age: user.age }),
  });
  const list = traceAtom(atom([{ title: "a" }]), { name, path: "todos" });
  const store = createStore();
  operation("Birthday", () => store.set(tree, (old) => ({ ...old, user: { ...old.user, age: 2 } })));
  const [fields] = fieldsOf(app, CALL_MUTATION);
  const slot = fieldsOf(app, CALL_START_OPERATION)[0]![3];
  assert.deepEqual([fields![1], ...fields!.slice(5)], [slot, "session.user.age", 1, 2, "age", 2]);
  app.calls.length = 0;
  store.set(list, (old) => [...old, { title: "b" }]);
  store.set(list, (old) => old.map((todo, at) => (at === 1 ? { title: "c" } : todo)));
  assert.deepEqual(app.mutations(), ["insert todos[1]", "set todos[1].title"]);
  app.end();
});

test("what an atom restores, a promise, and a write that throws, are what they are for the app", async () => {
  const app = new App();
  const name = freshName();
  const kept = new Map([["theme", '"dark"']]);
  const storage = createJSONStorage<string>(() => ({
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
  }));
  const theme = traceAtom(atomWithStorage("theme", "light", storage), { name, path: "theme" });
  const store = createStore();
  const end = store.sub(theme, () => undefined);
  assert.equal(store.get(theme), "dark");
  assert.deepEqual(app.mutations(), []);
  store.set(theme, "light");
  assert.equal(kept.get("theme"), '"light"');
  end();
  const inner = atom(0);
  const broken = traceAtom(
    atom(
      (get) => get(inner),
      (_get, set) => {
        set(inner, 1);
        throw new Error("half");
      },
    ),
    { name, path: "broken" },
  );
  assert.throws(() => store.set(broken), /half/);
  const async = traceAtom(atom<Promise<number>>(Promise.resolve(1)), { name, path: "async" });
  store.set(async, Promise.resolve(2));
  assert.equal(await store.get(async), 2);
  assert.deepEqual(app.mutations(), ["set theme", "set broken"]);
  app.end();
});

test("each change of a tree of observables is recorded with its path, as it happens", () => {
  const app = new App();
  const root = observable({
    user: { name: "a" },
    list: [{ done: false }, { done: false }],
    map: new Map<string, number | { deep: number }>([["k", 1]]),
    tags: new Set(["x"]),
  });
  const end = traceMobx(root, { name: freshName(), getContext: () => ({ screen: "Todos" }) });
  runInAction(() => {
    root.user.name = "b";
    root.user.name = "b";
    root.list[1]!.done = true;
    root.list.push({ done: false });
    root.list[2]!.done = true;
    root.list.unshift({ done: true });
    root.list[3]!.done = false;
    root.list.pop();
    root.map.set("k", 2);
    root.map.set("odd.key", { deep: 1 });
    (root.map.get("odd.key") as { deep: number }).deep = 2;
    root.map.delete("k");
    root.tags.add("y");
    root.user = { name: "c" };
    root.user.name = "d";
  });
  const contexts = fieldsOf(app, CALL_MUTATION).map((fields) => fields.slice(-2).join());
  assert.deepEqual([...new Set(contexts)], ["screen,Todos"]);
  assert.deepEqual(app.mutations(), [
    "set user.name",
    "set list[1].done",
    "insert list[2]",
    "set list[2].done",
    "batch list",
    "set list[3].done",
    "delete list[3]",
    "set map.k",
    'insert map["odd.key"]',
    'set map["odd.key"].deep',
    "delete map.k",
    "insert tags",
    "replace user",
    "set user.name",
  ]);
  end();
  runInAction(() => (root.user.name = "e"));
  assert.deepEqual(app.mutations(), []);
  app.end();
});

test("classes, shared and detached observables, and references upwards, have the paths that they have", () => {
  const app = new App();
  class Todo {
    title = "a";
    parent: Todos | undefined = undefined;
    constructor() {
      makeAutoObservable(this);
    }
    get shout(): string {
      return this.title.toUpperCase();
    }
  }
  class Todos {
    items: Todo[] = [];
    selected: Todo | undefined = undefined;
    constructor() {
      makeAutoObservable(this);
    }
    add(): Todo {
      const todo = new Todo();
      todo.parent = this;
      this.items.push(todo);
      return this.items.at(-1)!;
    }
  }
  const todos = new Todos();
  const end = traceMobx(todos, { name: freshName() });
  const [first, second] = [todos.add(), todos.add()];
  runInAction(() => (todos.selected = first));
  runInAction(() => (first.title = "b"));
  runInAction(() => (todos.selected = undefined));
  runInAction(() => (first.title = "c"));
  runInAction(() => void todos.items.shift());
  // It refers to the list, and the list does not to it.
  runInAction(() => (first.title = "detached"));
  runInAction(() => (second.title = "d"));
  assert.deepEqual(app.mutations(), [
    "insert items[0]",
    "insert items[1]",
    "set selected",
    "set items[0].title",
    "set selected",
    "set items[0].title",
    "batch items",
    "set items[0].title",
  ]);
  end();
  app.end();
});

test("10,000 observables that are sorted, and one that is twice in a list, are followed as before", () => {
  const app = new App();
  const list = observable(Array.from({ length: 9_000 }, (_, n) => ({ n })));
  const end = traceMobx(list, { name: freshName() });
  runInAction(() => list.replace(list.slice().reverse()));
  runInAction(() => (list[0]!.n = -1));
  runInAction(() => list.replace([list[5]!, list[5]!]));
  runInAction(() => void list.pop());
  runInAction(() => (list[0]!.n = -2));
  assert.deepEqual(app.mutations(), ["batch ", "set [0].n", "batch ", "delete [1]", "set [0].n"]);
  end();
  app.end();
});

test("a tree that is too large is followed in part, which is said, and nothing else is traced", () => {
  const app = new App();
  const name = freshName();
  const large = observable(Array.from({ length: 10_005 }, (_, n) => ({ n })));
  const end = traceMobx(large, { name });
  runInAction(() => (large[0]!.n = -1));
  runInAction(() => (large[10_004]!.n = -1));
  assert.deepEqual(app.mutations(), ["set [0].n"]);
  assert.ok(problems().some((problem) => problem.includes(name)));
  end();
  assert.doesNotThrow(traceMobx({ plain: true }, { name }));
  assert.doesNotThrow(traceMobx(null as never));
  app.end();
});
