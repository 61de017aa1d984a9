import assert from "node:assert/strict";
import { test } from "node:test";
import type { Native } from "../src/native.js";
import "./platform.js";

const throughline = await import("../src/index.js");
const { useNative } = await import("../src/client.js");
const { ThroughlineError } = throughline;

const configuration = { serviceName: "shop" };

/** What was thrown, which has to be of our own type. */
async function failure(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    assert.ok(error instanceof ThroughlineError, `${error}`);
    return error.kind;
  }
  return "none";
}

const broken = (answers: Partial<Native>): Native => ({
  start: () => "{}",
  flush: async () => "{}",
  shutdown: async () => "{}",
  processStart: () => 0,
  running: () => undefined,
  door: () => ({ record: () => 1, recordAt: () => 1 }),
  ...answers,
});

test("without the native module nothing fails, and one warning says that nothing is recorded", async () => {
  const warnings: unknown[][] = [];
  const { warn } = console;
  console.warn = (...args) => void warnings.push(args);
  try {
    throughline.start("granted", configuration);
    throughline.start("granted", configuration);
    assert.equal(throughline.attach(), false);
    throughline.startView("Home");
    throughline.error(null);
    throughline.setUser({ id: "1" });
    assert.equal((await throughline.flush()).isComplete, false);
    assert.equal(await throughline.shutdown(), true);
    assert.deepEqual([throughline.health(), throughline.sessionId()], [undefined, undefined]);
    const diagnosis = await throughline.diagnose(1);
    assert.equal(diagnosis.findings[0]!.cause, "native_library");
    assert.match(diagnosis.text, /Data does not arrive.*install the pods/s);
    assert.deepEqual(throughline.traceHeaders("http://a.example"), {});
  } finally {
    console.warn = warn;
  }
  assert.equal(warnings.length, 1);
  assert.match(String(warnings[0]), /Expo Go/);
});

test("a configuration that is no JSON is refused with our own error, whatever it does", async () => {
  useNative(broken({}));
  const throws = {
    get serviceName(): string {
      throw new RangeError("mine");
    },
  };
  const cyclic: Record<string, unknown> = { serviceName: "shop" };
  cyclic["resource"] = cyclic;
  const bad: unknown[] = [
    throws,
    cyclic,
    { serviceName: 1n },
    { serviceName: "shop", toJSON: () => undefined },
    {
      toJSON() {
        throw Object.create(null);
      },
    },
  ];
  for (const given of bad)
    assert.equal(await failure(() => throughline.start("granted", given as never)), "invalidConfig");
});

test("a native module that fails, or that answers nonsense, gives our own error", async () => {
  const fails = () => {
    throw new Error("Exception in HostFunction");
  };
  useNative(broken({ start: fails, running: fails, flush: fails, shutdown: () => Promise.reject(null) }));
  assert.equal(await failure(() => throughline.start("granted", configuration)), "library");
  assert.equal(throughline.attach(), false, "where an app does not catch, nothing is thrown");
  assert.equal(await failure(() => throughline.flush()), "library");
  assert.equal(await failure(() => throughline.shutdown()), "library");
  for (const answer of ["", "null", "7", undefined as unknown as string]) {
    useNative(broken({ start: () => answer, flush: async () => answer, shutdown: async () => answer }));
    assert.equal(await failure(() => throughline.start("granted", configuration)), "library");
    assert.equal(await failure(() => throughline.flush()), "library");
    assert.equal(await failure(() => throughline.shutdown()), "library");
  }
});

test("the configuration crosses as it was given, and null is as good as nothing", async () => {
  const given: string[] = [];
  useNative(broken({ start: (json) => (given.push(json), '{"error":"storage","reason":"full"}') }));
  assert.equal(
    await failure(() => throughline.start("pending", { serviceName: "shop", flushIntervalMs: 500 })),
    "storage",
  );
  assert.equal(await failure(() => throughline.start("granted", null as never)), "storage");
  assert.deepEqual(
    given.map((json) => JSON.parse(json) as unknown),
    [{ serviceName: "shop", flushIntervalMs: 500, consent: "pending" }, { consent: "granted" }],
  );
});

test("globals that are missing or frozen do not keep the app from starting, and health says so", async () => {
  const { recordTelemetry } = await import("../src/jest.js");
  const known = ["fetch", "error"].map((key, at) => [at ? console : globalThis, key] as const);
  const before = known.map(([owner, key]) => Object.getOwnPropertyDescriptor(owner, key)!);
  known.forEach(([owner, key], at) => Object.defineProperty(owner, key, { ...before[at]!, writable: false }));
  try {
    const telemetry = recordTelemetry();
    throughline.start("granted", configuration, null as never);
    throughline.event("on");
    assert.deepEqual(telemetry.names("event"), ["on"]);
    assert.equal(await throughline.shutdown(), true);
    throughline.start("granted", configuration, { consoleErrors: true });
    assert.match(throughline.health()!.problems.join("\n"), /console\.error cannot be instrumented/);
    assert.equal(await throughline.shutdown(), true);
  } finally {
    known.forEach(([owner, key], at) => Object.defineProperty(owner, key, before[at]!));
  }
});
