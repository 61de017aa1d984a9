// The client as it starts, ends, and starts again.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import {
  ACTION_TYPE_TAP,
  CALL_ACTION,
  CALL_CUSTOM,
  CALL_DECLARE_STORE,
  CALL_MUTATION,
  CALL_START_OPERATION,
  FACADE_FIRST_SLOT,
  FACADE_FIRST_STORE,
} from "../src/calls.js";
import {
  action,
  close,
  counts,
  declareStores,
  event,
  measure,
  longTask,
  open,
  recordQueueFlush,
  recordSyncFailure,
  setGlobalAttribute,
  setUser,
  startOperation,
  tracedStore,
  TraceContext,
  vital,
} from "../src/index.js";
import { RecordingSink } from "../src/testing.js";
import { App, fieldsOf, freshName } from "./support.js";

const module = (name: string) => new URL(`../src/${name}.js`, import.meta.url).href;

/** What another runtime of JavaScript says of itself, as after a reload. */
const otherRuntime = (): { slot: number; store: number } =>
  JSON.parse(
    execFileSync(
      process.execPath,
      [
        "--input-type=module",
        "--eval",
        `import { declareStores, open, startOperation, tracedStore } from ${JSON.stringify(module("index"))};
         import { RecordingSink } from ${JSON.stringify(module("testing"))};
         const sink = new RecordingSink();
         open(sink, declareStores);
         for (let n = Math.round(Math.random() * 5); n > 0; n--) tracedStore("Other" + n);
         tracedStore("Cart");
         startOperation("Pay");
         console.log(JSON.stringify({ slot: sink.calls.find(([call]) => call === ${CALL_START_OPERATION})[3],
           store: sink.calls.filter(([call]) => call === ${CALL_DECLARE_STORE}).at(-1)[3] }));`,
      ],
      { encoding: "utf8" },
    ),
  ) as { slot: number; store: number };

test("a runtime that was reloaded does not take the slots of the one before, which the client still has", () => {
  const runtimes = [otherRuntime(), otherRuntime(), otherRuntime()];
  assert.equal(new Set(runtimes.map(({ slot }) => slot)).size, 3);
  for (const { slot } of runtimes) {
    assert.ok(Number.isSafeInteger(slot) && slot > FACADE_FIRST_SLOT && slot < FACADE_FIRST_SLOT + 2 ** 48);
  }
});

test("a store has the same number after a reload, however many others came before it", () => {
  const runtimes = [otherRuntime(), otherRuntime(), otherRuntime()];
  assert.equal(new Set(runtimes.map(({ store }) => store)).size, 1);
  for (const { store } of runtimes) assert.ok(store > FACADE_FIRST_STORE && store < FACADE_FIRST_STORE + 2 ** 24);
});

test("what waited for the start is as it was, and one call that fails costs no other", () => {
  close();
  // Only before the first start do calls wait, so another process stands for it.
  const script = `
    import { declareStores, event, open } from ${JSON.stringify(module("index"))};
    import { RecordingSink } from ${JSON.stringify(module("testing"))};
    const bytes = new Uint8Array([1, 2, 3]);
    event("bytes", { bytes });
    bytes.fill(9);
    event("bad");
    event("good");
    class Sink extends RecordingSink {
      recordAt(time, ...fields) {
        if (fields[3] === "bad") throw new Error("bad");
        return super.recordAt(time, ...fields);
      }
    }
    const sink = new Sink();
    open(sink, declareStores);
    console.log(JSON.stringify(sink.calls.map(([, , , name, , value]) => [name, value && Array.from(value)])));`;
  const said = execFileSync(process.execPath, ["--input-type=module", "--eval", script], { encoding: "utf8" });
  assert.deepEqual(JSON.parse(said), [
    ["bytes", [1, 2, 3]],
    ["good", null],
  ]);
});

test("mutations that were ignored are told before the client is closed, and later ones are not told to the next", () => {
  const store = tracedStore(freshName());
  const app = new App(() => true);
  store.record("a", 0, 1);
  store.record("a", 1, 2);
  close();
  const told = () => app.calls.reduce((sum, fields) => sum + (fields[2] as number), 0);
  assert.equal(told(), 2);
  const { closedCalls } = counts;
  store.record("a", 2, 3);
  assert.equal(counts.closedCalls, closedCalls + 1, "it is a call after the shutdown");
  const next = new App(() => true);
  assert.equal(next.suppressed(), 0);
});

test("after the shutdown, no code of the app's is called and nothing of it is kept", () => {
  const store = tracedStore(freshName());
  let asked = 0;
  store.getContext = () => ({ asked: ++asked });
  new App();
  close();
  store.record("a", 0, {
    get read(): number {
      return ++asked;
    },
  });
  assert.equal(asked, 0);
});

test("mutations that a sink fails to take leave the count of the ignored ones to the next", () => {
  class Failing extends RecordingSink {
    isFailing = false;
    override record(...fields: Parameters<RecordingSink["record"]>): number {
      if (this.isFailing) throw new Error("sink");
      return super.record(...fields);
    }
  }
  const sink = new Failing((path) => path === "ignored");
  open(sink, declareStores);
  const store = tracedStore(freshName());
  store.record("ignored", 0, 1);
  store.record("known", 0, 1);
  store.record("ignored", 1, 2);
  sink.isFailing = true;
  store.record("known", 1, 2);
  sink.isFailing = false;
  store.record("known", 2, 3);
  const told = sink.calls.filter(([call]) => call === CALL_MUTATION).map((fields) => fields[2]);
  assert.deepEqual(told, [1, 1]);
});

test("a policy that cannot be read records nothing instead of everything", () => {
  const app = new App();
  const cyclic: Record<string, unknown> = { deny: ["token"] };
  cyclic["self"] = cyclic;
  for (const policy of [cyclic, { deny: ["token"], coalesceMs: 250n }, { deny: ["token"], coalesceMs: NaN }]) {
    tracedStore(freshName(), policy as never);
    const [declared] = fieldsOf(app, CALL_DECLARE_STORE).slice(-1);
    assert.match(String(declared?.[5]), /./, "an empty policy is the default one");
    const read = JSON.parse(String(declared?.[5])) as string | { coalesce_ms?: unknown };
    assert.ok(typeof read === "string" || read.coalesce_ms === null, "the core refuses both");
  }
});

test("values of wrong types cost their own call alone", () => {
  const app = new App();
  app.calls.length = 0;
  const hostile = [Symbol("n"), 1n, { valueOf: () => assert.fail("valueOf") }, NaN, "x", null] as never[];
  for (const value of hostile) {
    measure("gauge", "m", value);
    vital("v", value);
    longTask(value);
    recordQueueFlush(value, value);
    recordSyncFailure("rpc", value, value, value);
    setGlobalAttribute(value, value);
    setUser(value);
    event("e", value);
    startOperation("o", value).retry(value);
  }
  assert.equal(app.calls.length, 10 * hostile.length);
});

test("nothing large of the app's is converted before it is cut", () => {
  const app = new App();
  let read = 0;
  const many = new Proxy(
    {},
    {
      ownKeys: () => Array.from({ length: 20_000 }, (_, n) => `k${n}`),
      getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true, value: 1 }),
      get: () => ++read,
    },
  );
  event("many", many as never);
  event("text", "x".repeat(10_000_000) as never);
  event("big", { big: 2n ** 4_000_000n });
  event("nested", { list: Array.from({ length: 300 }, () => Array.from({ length: 300 }, () => "x")) });
  assert.ok(read <= 2_100, `${read} values were read`);
  const sizes = fieldsOf(app, CALL_CUSTOM).map((fields) => fields.length);
  assert.deepEqual(sizes.slice(0, 2), [2_004, 4]);
  assert.ok(String(fieldsOf(app, CALL_CUSTOM)[2]?.[5]).length <= 2_050);
});

test("one element that cannot be read costs that element, in lists as in maps", () => {
  const app = new App();
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  event("e", { list: [1, proxy as never, 3], map: { a: 1, b: proxy as never } });
  assert.deepEqual(fieldsOf(app, CALL_CUSTOM)[0]?.slice(4), ["list", [6, 1, null, 3], "map", [7, "a", 1, "b", null]]);
});

test("headers of a message may be of the class of that name", () => {
  const app = new App();
  TraceContext.from(new Headers({ traceparent: "00-a", authorization: "secret" }) as never);
  assert.deepEqual(app.calls.at(-1)?.slice(4), ["traceparent", "00-a"]);
});

test("an action says the same in short as in full, whatever its attributes are", () => {
  const app = new App();
  const kept = () => fieldsOf(app, CALL_ACTION).at(-1)?.slice(3);
  class Own {
    a = 1;
    get inherited(): number {
      return assert.fail("a getter of the class");
    }
  }
  const throws = {
    a: 1,
    get b(): number {
      throw new Error("mine");
    },
  };
  const expected: [attributes: unknown, fields: unknown[]][] = [
    [undefined, []],
    [null, []],
    ["text", []],
    [7, []],
    [{}, []],
    [{ a: 1, b: "x", c: true }, ["a", 1, "b", "x", "c", true]],
    [{ a: 1, b: 2, c: 3, d: 4 }, ["a", 1, "b", 2, "c", 3, "d", 4]],
    [{ a: undefined, b: null, c: 3 }, ["c", 3]],
    [{ a: { b: 1 } }, ["a", [7, "b", 1]]],
    [{ a: 1n }, ["a", [2, "1"]]],
    [{ a: "x".repeat(3_000) }, ["a", "x".repeat(2_050)]],
    [{ ["k".repeat(200)]: 1 }, ["k".repeat(130), 1]],
    [new Own(), ["a", 1]],
    [throws, ["a", 1]],
  ];
  for (const [attributes, fields] of expected) {
    action("buy", attributes as never, "tap");
    assert.deepEqual(kept(), [ACTION_TYPE_TAP, "buy", ...fields]);
    startOperation("o").run(() => action("buy", attributes as never, "tap"));
    assert.deepEqual(kept(), [ACTION_TYPE_TAP, "buy", ...fields], "within an operation");
  }
  action("x".repeat(1_000));
  assert.equal(String(kept()?.[1]).length, 514);
  action(Symbol("n") as never);
  assert.equal(kept()?.[1], "Symbol(n)");
  assert.equal(fieldsOf(app, CALL_ACTION).length, 2 * expected.length + 2, "each once");
});

test("an action of an unknown type does not become another action, which its attributes name", () => {
  const app = new App();
  for (const type of ["longPress", "toString"]) action("Checkout", { count: 1, Buy: "x" }, type as "tap");
  const made = fieldsOf(app, CALL_ACTION);
  assert.deepEqual(
    made.map(([, , , , ...what]) => what),
    [
      ["Checkout", "count", 1, "Buy", "x"],
      ["Checkout", "count", 1, "Buy", "x"],
    ],
  );
  // No type of the core's, which refuses and counts the call.
  assert.ok(made.every(([, context, suppressed, type]) => context === 0 && suppressed === 0 && !(Number(type) > 0)));
  app.end();
});
