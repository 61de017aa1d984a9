import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import {
  CALL_CUSTOM,
  CALL_END_SPAN,
  CALL_START_OPERATION,
  OUTCOME_CANCELLED,
  OUTCOME_FAILED,
  OUTCOME_SUCCEEDED,
  OUTCOME_TIMED_OUT,
} from "../src/calls.js";
import {
  action,
  bind,
  close,
  counts,
  error,
  event,
  operation,
  startOperation,
  tracedStore,
  TraceContext,
} from "../src/index.js";
import { App, fieldsOf, freshName } from "./support.js";

const outcomes = (app: App) => fieldsOf(app, CALL_END_SPAN).map((fields) => fields[4]);

test("the context lasts for the synchronous turn, and goes on where it is taken along", async () => {
  const app = new App();
  const contexts: unknown[] = [];
  const note = (name: string) => {
    event(name);
    contexts.push([name, fieldsOf(app, CALL_CUSTOM).at(-1)?.[1]]);
  };
  let later: (() => void) | undefined;
  await operation("Rename", async (op) => {
    note("first turn");
    later = bind(() => note("bound"));
    await Promise.resolve();
    note("after the await");
    op.run(() => note("run"));
  });
  later?.();
  const slot = fieldsOf(app, CALL_START_OPERATION)[0]![3];
  assert.deepEqual(contexts, [
    ["first turn", slot],
    ["after the await", 0],
    ["run", slot],
    ["bound", slot],
  ]);
  assert.deepEqual(outcomes(app), [OUTCOME_SUCCEEDED]);
});

test("an operation fails with what it throws, which the app gets too", async () => {
  const app = new App();
  assert.throws(
    () =>
      operation("Sync", () => {
        throw new TypeError("no");
      }),
    /no/,
  );
  await assert.rejects(
    operation("Async", async () => {
      throw new Error("later");
    }),
    /later/,
  );
  assert.deepEqual(outcomes(app), [OUTCOME_FAILED, OUTCOME_FAILED]);
  assert.deepEqual(fieldsOf(app, CALL_END_SPAN)[0]?.slice(5), ["TypeError", "no"]);
});

test("cancelled and timed out are outcomes of their own", async () => {
  const app = new App();
  const cancelled = new AbortController();
  const sleep = (signal: AbortSignal) =>
    new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  const running = operation("Search", () => sleep(cancelled.signal), { signal: cancelled.signal });
  cancelled.abort("the user typed on");
  await assert.rejects(running, (reason) => reason === "the user typed on");
  const timeout = AbortSignal.timeout(1);
  // The timer of such a signal does not keep a process alive.
  const awake = setTimeout(() => undefined, 60_000);
  await assert.rejects(operation("Load", () => sleep(timeout), { signal: timeout }));
  clearTimeout(awake);
  assert.deepEqual(outcomes(app), [OUTCOME_CANCELLED, OUTCOME_TIMED_OUT]);
});

test("a rejection that the app does not handle is still one that nobody handles", () => {
  const module = new URL("../src/index.js", import.meta.url).href;
  const script = `
    import { operation } from ${JSON.stringify(module)};
    process.on("unhandledRejection", (reason) => console.log("nobody handles", reason.message));
    operation("Forgotten", async () => { throw new Error("forgotten"); });
    operation("Handled", async () => { throw new Error("handled"); }).catch(() => {});
  `;
  const said = execFileSync(process.execPath, ["--input-type=module", "--eval", script], { encoding: "utf8" });
  assert.equal(said, "nobody handles forgotten\n");
});

test("what comes after the end is counted", () => {
  close();
  const before = { ...counts };
  event("too late");
  assert.equal(counts.closedCalls, before.closedCalls + 1);
});

test("nothing that an app hands over throws", () => {
  const app = new App();
  const store = tracedStore(freshName());
  const hostile: unknown[] = [
    undefined,
    null,
    Symbol("s"),
    1n,
    NaN,
    -0,
    Object.create(null),
    new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error("trap");
        },
      },
    ),
    {
      toString() {
        throw new Error("toString");
      },
    },
    "\udfff",
    [[[[[[[[[[1]]]]]]]]]],
    new Map([[{}, 1]]),
    new WeakMap(),
  ];
  for (const value of hostile) {
    action(value as string, { value } as never);
    action("named", value as never);
    error(value, value as never);
    store.record(value as string, value, { value });
    TraceContext.from(value as never).run(() => undefined);
    startOperation(value as string, value as never).fail(value);
  }
  assert.ok(app.calls.length > 50);
});
