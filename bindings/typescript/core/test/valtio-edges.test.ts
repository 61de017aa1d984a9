// Valtio where its states are unusual: what an adapter may lose, repeat, misname or keep alive.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { proxy, ref, snapshot, subscribe } from "valtio/vanilla";
import { proxyMap } from "valtio/vanilla/utils";
import { CALL_MUTATION } from "../src/calls.js";
import { problems } from "../src/index.js";
import { createTracedState, proxiesOutside } from "../src/valtio.js";
import { App, fieldsOf, freshName } from "./support.js";

// Made before the hook, which the first traced state installs.
const early = proxy({ n: 0, theme: { dark: false } });
const earlyRoot = proxy({ n: 0, user: { name: "Ada" } });
const earlyBroken = proxy({
  isBroken: false,
  n: 0,
  get doubled(): number {
    if (this.isBroken) throw new Error("computed");
    return this.n * 2;
  },
});
const earlyGrowing = proxy({ items: [] as number[] });
const earlyShared = proxy({ n: 0 });

const traced = <T extends object>(initial: T): T => createTracedState(initial, { name: freshName() });

/** The mutations as `path: old → new`. */
const values = (app: App): string[] => {
  const found = fieldsOf(app, CALL_MUTATION).map((fields) => `${fields[5]}: ${fields[6]} → ${fields[7]}`);
  app.calls.length = 0;
  return found;
};

/** Waits until the garbage is collected, which Node does on demand with `--expose-gc` alone. */
async function collected(): Promise<void> {
  const { gc } = globalThis as { gc?: () => void };
  assert.ok(gc, "run Node with --expose-gc");
  for (let n = 0; n < 10; n++) {
    await new Promise((done) => setTimeout(done, 1));
    gc();
  }
}

test("a write whose subscriber throws is recorded all the same", () => {
  const app = new App();
  const state = traced({ n: 0, list: [1, 2, 3] });
  subscribe(
    state,
    () => {
      throw new Error("subscriber");
    },
    true,
  );
  assert.throws(() => (state.n = 1), /subscriber/);
  assert.throws(() => state.list.splice(0, 1), /subscriber/);
  assert.throws(() => Reflect.deleteProperty(state, "n"), /subscriber/);
  assert.deepEqual(app.mutations(), ["set n", "batch list", "delete n"]);
});

test("a subscriber that writes at once does not change the values or the order of what it answers to", () => {
  const app = new App();
  const state = traced({ n: 0 });
  subscribe(state, () => void (state.n > 10 && (state.n = 10)), true);
  state.n = 50;
  assert.deepEqual(values(app), ["n: 0 → 50", "n: 50 → 10"]);
});

test("what a setter of a class writes is one mutation, of what it has written", () => {
  class Person {
    first = "Ada";
    get name(): string {
      return this.first;
    }
    set name(value: string) {
      this.first = value;
    }
  }
  class Employee extends Person {
    salary = 1;
  }
  const app = new App();
  const state = traced({ person: new Person(), employee: new Employee() });
  state.person.name = "Grace";
  state.employee.name = "Linus";
  state.employee.salary = 2;
  assert.deepEqual(app.mutations(), ["set person.first", "set employee.first", "set employee.salary"]);
});

test("what was cut off an array has no path any more", () => {
  const app = new App();
  const state = traced({ items: [{ n: 0 }, { n: 1 }], map: proxyMap([["a", { n: 0 }]]) });
  const [, second] = state.items;
  const inMap = state.map.get("a")!;
  second!.n = 2;
  state.items.length = 1;
  state.map.clear();
  app.mutations();
  second!.n = 3;
  inMap.n = 3;
  assert.deepEqual(app.mutations(), []);
});

test("a method that is called on another array says nothing of the one it was read from", () => {
  const app = new App();
  const state = traced({ a: [1], b: [2] });
  state.a.push.call(state.b, 3);
  const own: number[] = [];
  state.a.push.call(own, 4);
  assert.deepEqual([app.mutations(), own], [["insert b[1]"], [4]]);
});

test("keys that come and go do not stay with the adapter", async () => {
  const app = new App();
  const state = traced({ map: proxyMap<object, number>() });
  const gone: WeakRef<object>[] = [];
  for (let n = 0; n < 50; n++) {
    const key = { n };
    gone.push(new WeakRef(key));
    state.map.set(key, n);
    state.map.delete(key);
  }
  app.mutations();
  await collected();
  assert.ok(gone.filter((key) => key.deref()).length < 5);
});

test("a proxy that exists already is traced itself, and not through another one", () => {
  const app = new App();
  const late = proxy({ n: 0, user: { name: "Ada" } });
  assert.equal(traced(late), late);
  late.n = 1;
  late.user.name = "Grace";
  assert.deepEqual(app.mutations(), ["set n", "set user.name"]);
  assert.equal(traced(earlyRoot), earlyRoot);
  earlyRoot.n = 1;
  earlyRoot.user.name = "Grace";
  assert.deepEqual(app.mutations(), ["set n", "set user.name"]);
});

test("a state of before the hook that is traced again, as in each render, is not recorded again", () => {
  const app = new App();
  const name = freshName();
  const before = proxiesOutside();
  for (let render = 0; render < 5; render++) createTracedState(early, { name });
  early.n++;
  assert.deepEqual(app.mutations(), ["set n"]);
  assert.equal(proxiesOutside(), before + 1);
});

test("a computed value that throws in a snapshot reaches no write of the app", () => {
  const app = new App();
  traced(earlyBroken);
  earlyBroken.isBroken = true;
  earlyBroken.n = 1;
  earlyBroken.isBroken = false;
  assert.deepEqual(app.mutations(), ["set n", "set doubled"]);
});

test("a state of before the hook that grows beyond the limit is no longer compared, and health says so", () => {
  const app = new App();
  createTracedState(earlyGrowing, { name: "Growing" });
  earlyGrowing.items.push(1);
  assert.equal(app.mutations().length, 1);
  earlyGrowing.items.push(...Array.from({ length: 2_000 }, (_, n) => n));
  app.mutations();
  earlyGrowing.items.push(1);
  assert.deepEqual(app.mutations(), []);
  assert.ok(problems().some((problem) => problem.includes("Growing") && problem.includes("1000 values")));
});

test("states that a screen has thrown away are not kept by a proxy that they shared", async () => {
  const app = new App();
  const screens: WeakRef<object>[] = [];
  const before = proxiesOutside();
  for (let n = 0; n < 20; n++) {
    const screen = traced({ shared: earlyShared, n });
    screens.push(new WeakRef(screen));
  }
  app.calls.length = 0;
  await collected();
  assert.ok(screens.filter((screen) => screen.deref()).length < 3, "the screens are gone");
  earlyShared.n++;
  assert.ok(app.mutations().length < 3);
  assert.ok(proxiesOutside() < before + 3, "and no longer counted");
});

test("each state has its own context, also when another has the same name", () => {
  const app = new App();
  const name = freshName();
  const getContext = (state: { id: string }) => ({ id: state.id });
  const first = createTracedState({ id: "first", n: 0 }, { name, getContext });
  const second = createTracedState({ id: "second", n: 0 }, { name, getContext });
  first.n = 1;
  second.n = 1;
  const contexts = fieldsOf(app, CALL_MUTATION).map((fields) => fields.at(-1));
  assert.deepEqual(contexts, ["first", "second"]);
});

test("a context that changes the state changes neither the values nor the number of what is recorded", () => {
  const app = new App();
  const state: { n: number; seen: number } = createTracedState(
    { n: 0, seen: 0 },
    { name: freshName(), getContext: (state) => ({ seen: ++state.seen }) },
  );
  state.n = 1;
  state.n = 2;
  assert.deepEqual(values(app).sort(), ["n: 0 → 1", "n: 1 → 2", "seen: 0 → 1", "seen: 1 → 2"]);
});

test("an object of another copy of Valtio is reported, because what its copy writes is not seen", () => {
  const app = new App();
  const other = createRequire(import.meta.url)("valtio/vanilla") as typeof import("valtio/vanilla");
  assert.notEqual(other.proxy, proxy, "two copies");
  const has = (path: string) =>
    problems().some((problem) => problem.includes("second copy of Valtio") && problem.includes(path));
  const foreign = other.proxy({ n: 0 });
  const state = createTracedState({ own: { n: 0 }, foreign }, { name: "Foreign" });
  assert.ok(has("Foreign"), problems().join("\n"));
  state.foreign.n = 1;
  assert.deepEqual([app.mutations(), foreign.n], [["set foreign.n"], 1]);
  const wrapped = createTracedState({ n: 0 }, { name: "Wrapped" });
  const around = other.proxy({ inner: wrapped });
  around.inner.n = 1;
  assert.ok(has("Wrapped"), problems().join("\n"));
  assert.deepEqual(app.mutations(), ["set n"]);
});

test("an object of the app's with accessors or traps is not called to find that out", () => {
  new App();
  const seen: string[] = [];
  const state = traced({
    set password(value: string) {
      seen.push(value);
    },
    get computed(): number {
      seen.push("computed");
      return 1;
    },
  });
  assert.deepEqual(seen, []);
  assert.ok(state);
});

test("untraced arrays have no trap between them and the app", () => {
  const app = new App();
  traced({ hooked: true });
  const plain = proxy({ list: [1, 2] });
  assert.equal(plain.list.push, Array.prototype.push);
  const state = traced({ plain });
  state.plain.list.push(3, 4);
  assert.deepEqual(app.mutations(), ["batch plain.list"]);
});

test("a deep chain, a wide parent and a ref within a snapshot are as in plain Valtio", () => {
  const app = new App();
  type Chain = { next?: Chain; n: number };
  let chain: Chain = { n: 0 };
  for (let n = 1; n < 200; n++) chain = { next: chain, n };
  const secret = ref({ inner: { n: 1 } });
  const state = traced({ chain, wide: Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [n, n])), secret });
  let last: Chain = state.chain;
  while (last.next) last = last.next;
  last.n = 1;
  state.wide["4999"] = 0;
  assert.equal(state.secret, secret);
  state.secret.inner.n = 2;
  assert.equal(snapshot(state).secret.inner, secret.inner);
  assert.equal(app.mutations().length, 2);
});

test("without a description of the tracing, the state is still the app's", () => {
  new App();
  const state = createTracedState({ n: 0 }, undefined as never);
  state.n = 1;
  assert.equal(state.n, 1);
});

test("whom Valtio listens to is as without us, whatever a property held before", () => {
  const key = Symbol("key");
  const make = () => ({ n: 1 });
  for (const [name, at] of [
    ["a text", "part"],
    ["a symbol", key],
  ] as const) {
    for (const wrap of [(value: object) => value, proxy, ref]) {
      const heard = (state: Record<string | symbol, unknown>): number[] => {
        let times = 0;
        subscribe(state, () => times++, true);
        const counts: number[] = [];
        const write = (to: unknown) => {
          (to as { n: number }).n++;
          counts.push(times);
        };
        write(state[at]);
        const before = state[at];
        state[at] = 5;
        write(before);
        state[at] = wrap(make());
        write(state[at]);
        state[at] = () => undefined;
        state[at] = before;
        write(before);
        Reflect.deleteProperty(state, at);
        write(before);
        return counts;
      };
      const plain = heard(proxy({ [at]: wrap(make()) }));
      assert.deepEqual(heard(traced({ [at]: wrap(make()) })), plain, `${name}, ${wrap.name}`);
    }
  }
});
