// Every export is called with whatever a careless app hands over: before the start, while the client
// runs, and after the shutdown.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Attributes } from "@throughline/core";
import "./platform.js";

const throughline = await import("../src/index.js");
const { recordTelemetry } = await import("../src/jest.js");

/** Throws whatever is done with it. */
const hostile = new Proxy(() => undefined, {
  get: () => {
    throw new RangeError("do not look");
  },
  getPrototypeOf: () => {
    throw new RangeError("do not look");
  },
  ownKeys: () => {
    throw new RangeError("do not look");
  },
  apply: () => {
    throw new RangeError("do not call");
  },
});
const cyclic: Record<string, unknown> = {};
cyclic["self"] = cyclic;
class Private {
  #hidden = 1;
  get value(): number {
    return this.#hidden;
  }
}
const revoked = Proxy.revocable({}, {});
revoked.revoke();

const BAD: unknown[] = [
  undefined,
  null,
  true,
  NaN,
  -1,
  1n,
  10n ** 5_000n,
  "",
  "\ud800",
  "x".repeat(10_000_000),
  Symbol("s"),
  {},
  { [Symbol("key")]: 1, toString: null },
  cyclic,
  Object.freeze({ a: 1 }),
  Object.create(null),
  [],
  new Private(),
  Object.create(new Private()),
  {
    get a(): string {
      throw new RangeError("do not look");
    },
    get signal(): string {
      throw new RangeError("do not look");
    },
    get attributes(): string {
      throw new RangeError("do not look");
    },
  },
  hostile,
  revoked.proxy,
  new Map([[{}, 1]]),
  new Date(NaN),
];

/** What is called otherwise: classes, components, hooks, what waits, and what runs the app's own code. */
const APART =
  /^(ThroughlineError|ErrorBoundary|TouchBoundary|use.*|Span|Operation|TraceContext|start|flush|shutdown|operation|bind)$/;

const calls = Object.entries(throughline).filter(([name]) => !APART.test(name)) as [
  string,
  (...args: unknown[]) => unknown,
][];

/** Calls everything, and takes back what can be taken back. */
function all(): void {
  const failures = new Set<string>();
  for (const [name, call] of calls) {
    for (const [at, bad] of BAD.entries()) {
      for (const args of [[bad], ["name", bad], [bad, bad, bad], ["counter", "name", bad, bad, bad]]) {
        try {
          const answer = call(...args);
          if (name.startsWith("trace") && typeof answer === "function") answer();
        } catch (error) {
          failures.add(`${name} of value ${at} throws: ${(error as Error).stack?.split("\n", 3).join("")}`);
        }
      }
    }
  }
  assert.deepEqual([...failures], []);
}

test("no call throws, whatever it is given, before the start, while the client runs, and afterwards", async () => {
  assert.ok(calls.length >= 35, `${calls.length}`);
  recordTelemetry();
  all();
  throughline.start("granted", { serviceName: "shop" });
  all();
  await throughline.shutdown();
  all();
});

test("start, flush and shutdown fail with one type of error alone", async () => {
  const isOurs = (thrown: unknown): boolean => thrown instanceof throughline.ThroughlineError;
  for (const bad of BAD) {
    recordTelemetry();
    for (const args of [
      [bad, bad, bad],
      ["granted", bad],
      ["granted", { serviceName: "shop" }, bad],
    ] as unknown as Parameters<typeof throughline.start>[]) {
      try {
        throughline.start(...args);
      } catch (error) {
        assert.ok(isOurs(error), String((error as Error).stack));
      }
    }
    await throughline.flush(bad as number).catch((error: unknown) => assert.ok(isOurs(error)));
    await throughline.shutdown(bad as number).catch((error: unknown) => assert.ok(isOurs(error)));
  }
});

test("an operation whose options are no options runs the app's code, and gives it back what it returns", async () => {
  recordTelemetry();
  throughline.start("granted", { serviceName: "shop" });
  for (const [at, bad] of BAD.entries()) {
    assert.equal(
      throughline.operation(bad as string, () => at, bad as object),
      at,
    );
    assert.throws(
      () =>
        throughline.operation(
          "fails",
          () => {
            throw new EvalError("mine");
          },
          bad as object,
        ),
      EvalError,
    );
    const op = throughline.startOperation(bad as string, bad as Attributes);
    op.set(bad as Attributes);
    op.event(bad as string, bad as Attributes);
    op.link(bad as typeof op);
    op.retry(bad as number);
    op.traceHeaders(bad as string, bad as Record<string, string>);
    op.child(bad as string, bad as Attributes).fail(bad);
    op.keep(bad as string);
    throughline.TraceContext.from(bad as Record<string, string>);
    throughline.TraceContext.take(bad as string);
    op.fail(bad);
    assert.equal(throughline.bind(() => at)(), at);
  }
  await throughline.shutdown();
});
