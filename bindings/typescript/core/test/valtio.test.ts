import assert from "node:assert/strict";
import { test } from "node:test";
import { proxy, ref, snapshot, subscribe } from "valtio/vanilla";
import { proxyMap, proxySet } from "valtio/vanilla/utils";
import { problems } from "../src/index.js";
import { createTracedState, proxiesOutside } from "../src/valtio.js";
import { App, freshName } from "./support.js";

// Made before the hook, which the first traced state installs.
const early = proxy({ theme: { dark: false } });

const traced = <T extends object>(initial: T): T => createTracedState(initial, { name: freshName() });

test("an assignment is a mutation of its path, and an equal one is none", () => {
  const app = new App();
  const state = traced({ user: { name: "Ada", tags: ["a"] }, n: 0, nothing: undefined as number | undefined });
  state.user.name = "Grace";
  state.user.name = "Grace";
  state.n = NaN;
  state.n = NaN;
  state.n = 0;
  state.n = -0;
  state.nothing = undefined;
  assert.deepEqual(app.mutations(), ["set user.name", "set n", "set n", "set n"]);
});

test("a new object is one mutation and not one for each of its keys", () => {
  const app = new App();
  const state = traced({ user: { name: "Ada", age: 1, address: { city: "London" } } as object });
  state.user = { name: "Grace", age: 2, address: { city: "Arlington" } };
  assert.deepEqual(app.mutations(), ["replace user"]);
  (state.user as { address: { city: string } }).address.city = "New York";
  assert.deepEqual(app.mutations(), ["set user.address.city"]);
});

test("keys that come and go are inserted and deleted, and deleting nothing is no mutation", () => {
  const app = new App();
  const state = traced<Record<string, number | undefined>>({ a: 1 });
  state["b"] = undefined;
  delete state["a"];
  delete state["never"];
  state["odd.key"] = 1;
  assert.deepEqual(app.mutations(), ["insert b", "delete a", 'insert ["odd.key"]']);
});

test("a call that changes an array is one mutation, and one that changes nothing is none", () => {
  const app = new App();
  const state = traced({
    items: [{ n: 3 }, { n: 1 }, { n: 2 }] as { n: number }[],
    numbers: [1, 2, 3],
    none: [] as number[],
  });
  state.items.push({ n: 4 });
  state.items.push({ n: 5 }, { n: 6 });
  state.items.pop();
  state.items.shift();
  state.items.unshift({ n: 0 });
  state.items.splice(1, 1);
  state.items.sort((a, b) => b.n - a.n);
  state.items.reverse();
  assert.deepEqual(app.mutations(), [
    "insert items[3]",
    "batch items",
    "delete items[5]",
    "batch items",
    "batch items",
    "batch items",
    "batch items",
    "batch items",
  ]);
  state.numbers.sort();
  state.numbers.splice(1, 0);
  state.none.pop();
  state.none.reverse();
  assert.deepEqual(app.mutations(), []);
  state.numbers.length = 1;
  state.numbers[1] = 9;
  assert.deepEqual(
    app.mutations(),
    ["batch numbers", "insert numbers[1]"].map((text) => text.replace("batch", "set")),
  );
  assert.equal(state.items.push, state.items.push, "a method is one function");
});

test("an element that has moved has the path of where it is now", () => {
  const app = new App();
  const state = traced({ items: [{ n: 1 }, { n: 2 }] });
  const second = state.items[1]!;
  second.n = 20;
  state.items.shift();
  second.n = 200;
  assert.deepEqual(app.mutations(), ["set items[1].n", "batch items", "set items[0].n"]);
});

test("a detached proxy records nothing", () => {
  const app = new App();
  const state = traced({ user: { name: "Ada" } as { name: string } | undefined });
  const user = state.user!;
  state.user = undefined;
  user.name = "Grace";
  assert.deepEqual(app.mutations(), ["set user"]);
});

test("a proxy in two states is a mutation of each, and two paths in one state are one", () => {
  const app = new App();
  const shared = proxy({ n: 0 });
  const [first, second] = [traced({ a: shared, b: shared }), traced({ c: shared })];
  shared.n++;
  assert.deepEqual(app.mutations(), ["set a.n", "set c.n"]);
  assert.equal(first.a.n + second.c.n, 2);
});

test("a cycle ends", () => {
  const app = new App();
  const state = traced({ node: { name: "a" } as { name: string; self?: object } });
  state.node.self = state.node;
  state.node.name = "b";
  assert.deepEqual(app.mutations(), ["insert node.self", "set node.name"]);
});

test("parents that were thrown away are not kept by the child that they shared", () => {
  const app = new App();
  const state = traced({ user: { n: 0 }, view: {} as object });
  for (let round = 0; round < 300; round++) state.view = { user: state.user };
  app.mutations();
  state.user.n++;
  assert.deepEqual(app.mutations(), ["set user.n"]);
});

test("operations of proxyMap and proxySet are one mutation each, and equal values none", () => {
  const app = new App();
  const state = traced({
    map: proxyMap<string, { n: number } | number>([
      ["old", { n: 1 }],
      ["one", 1],
    ]),
    set: proxySet<string>(["a"]),
  });
  state.map.set("new", { n: 2 });
  state.map.set("one", 1);
  state.map.set("one", 2);
  state.map.delete("one");
  state.map.delete("one");
  assert.deepEqual(app.mutations(), ["insert map.new", "set map.one", "delete map.one"]);
  (state.map.get("old") as { n: number }).n = 10;
  (state.map.get("new") as { n: number }).n = 20;
  assert.deepEqual(app.mutations(), ["set map.old.n", "set map.new.n"]);
  state.map.clear();
  state.map.clear();
  state.set.add("b");
  state.set.add("b");
  state.set.delete("a");
  state.set.clear();
  state.set.clear();
  assert.deepEqual(app.mutations(), ["batch map", "insert set", "delete set", "batch set"]);
});

test("ref values are not looked into", () => {
  const app = new App();
  const secret = ref({
    get value(): string {
      throw new Error("looked into");
    },
  });
  const state = traced({ socket: undefined as object | undefined });
  state.socket = secret;
  assert.deepEqual(app.mutations(), ["set socket"]);
});

test("what a setter writes is seen once", () => {
  const app = new App();
  const state = traced({
    first: "Ada",
    last: "L",
    get full() {
      return `${this.first} ${this.last}`;
    },
    set full(name: string) {
      [this.first, this.last] = name.split(" ") as [string, string];
    },
  });
  state.full = "Grace H";
  assert.deepEqual(app.mutations(), ["set first", "set last"]);
});

test("an exception of the app's own reaches the app, and one of ours does not", () => {
  const app = new App();
  const state = traced({ list: Object.freeze([1]) as number[], n: 0 });
  const failing = createTracedState(
    { n: 0 },
    {
      name: freshName(),
      getContext: () => {
        throw new Error("context");
      },
    },
  );
  failing.n = 1;
  assert.equal(failing.n, 1);
  subscribe(
    state,
    () => {
      throw new Error("subscriber");
    },
    true,
  );
  assert.throws(() => (state.n = 1), /subscriber/);
  app.mutations();
});

test("ignored mutations are counted and do not cross", () => {
  const app = new App((path) => path.endsWith("isLoading"));
  const state = traced({ isLoading: false, deep: { isLoading: false }, n: 0 });
  for (let round = 0; round < 10; round++) {
    state.isLoading = !state.isLoading;
    state.deep.isLoading = !state.deep.isLoading;
    state.deep.isLoading = state.deep.isLoading;
  }
  assert.equal(app.calls.filter(([call]) => call === 65).length, 0);
  assert.equal(app.suppressed(), 20);
});

test("proxies of before the hook are found by their snapshots, and health says so", () => {
  const app = new App();
  const before = proxiesOutside();
  const state = traced({ settings: early as { theme: { dark: boolean } } | undefined, n: 0 });
  early.theme.dark = true;
  state.n = 1;
  assert.deepEqual(app.mutations(), ["set settings.theme.dark", "set n"]);
  assert.equal(proxiesOutside(), before + 1);
  assert.ok(
    problems().some((problem) => problem.includes("`settings` was made before")),
    problems().join(),
  );
  state.settings = undefined;
  app.mutations();
  early.theme.dark = false;
  assert.deepEqual(app.mutations(), []);
  assert.equal(proxiesOutside(), before);
});

test("an untraced proxy works as without us", () => {
  const app = new App();
  const plain = proxy({ list: [1], n: 0 });
  plain.list.push(2);
  plain.n++;
  assert.deepEqual([app.mutations(), snapshot(plain)], [[], { list: [1, 2], n: 1 }]);
});
