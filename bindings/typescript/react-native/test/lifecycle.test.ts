// The client of the process as it comes late, ends natively, and is replaced, while JavaScript goes on.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { ANSWER_CLOSED, ANSWER_DONE, CALL_CUSTOM, CALL_START_VIEW } from "@throughline/core/calls";
import type { Field } from "@throughline/core";
import type { Client, Native } from "../src/native.js";
import { copyOf } from "./platform.js";

const throughline = await import("../src/index.js");
const { useNative } = await import("../src/client.js");
const { show } = await import("../src/views.js");
const { recordTelemetry } = await import("../src/jest.js");

const configuration = { serviceName: "shop" };
let handles = 0;

/** The native side of a process, in which code that is not JavaScript starts and ends clients, too. */
class Process implements Native {
  /** By handle: what the client was given. */
  readonly calls = new Map<number, Field[][]>();
  /** How often the running client was asked for. */
  asked = 0;
  runs: number | undefined;
  answer = "{}";
  /** The decisions that clients were told, with their handles. */
  readonly consents: [number, string][] = [];

  processStart(): number {
    return 0;
  }

  startNatively(): number {
    this.runs = ++handles;
    this.calls.set(this.runs, []);
    return this.runs;
  }

  start(): string {
    return this.answer;
  }

  flush = async (): Promise<string> => '{"isComplete":true,"delivered":0,"waiting":0}';

  async shutdown(): Promise<string> {
    this.runs = undefined;
    return '{"complete":true}';
  }

  running(): Client | undefined {
    this.asked++;
    const handle = this.runs;
    if (handle === undefined) return undefined;
    return {
      handle,
      isRunning: () => this.runs === handle,
      traceHeaders: () => ({}),
      traceId: () => undefined,
      sessionId: () => `session-${handle}`,
      setConsent: (consent) => !!this.consents.push([handle, consent]),
    } as Partial<Client> as Client;
  }

  door(handle: number): ReturnType<Native["door"]> {
    const record = (...fields: Field[]): number => {
      if (this.runs !== handle) return ANSWER_CLOSED;
      this.calls.get(handle)!.push(fields);
      return ANSWER_DONE;
    };
    return { record, recordAt: (_, ...fields) => record(...fields) };
  }

  /** The names of the events, or of other calls, that a client was given. */
  named(handle: number, code = CALL_CUSTOM, at = 3): Field[] {
    return this.calls.get(handle)!.flatMap((fields) => (fields[0] === code ? [fields[at]!] : []));
  }
}

/** Runs work, in which time stands still unless the work moves it. */
async function inTime(work: (pass: (ms: number) => void) => unknown): Promise<void> {
  mock.timers.enable({ apis: ["Date"], now: Date.now() + 10_000 });
  try {
    await work((ms) => mock.timers.tick(ms));
  } finally {
    mock.timers.reset();
  }
}

test("a client that native code has replaced gets the call that finds the old one closed", () =>
  inTime(async () => {
    const process = new Process();
    useNative(process);
    const first = process.startNatively();
    assert.equal(throughline.attach(), true);
    throughline.event("one");
    const second = process.startNatively();
    throughline.event("two");
    throughline.event("three");
    assert.deepEqual([process.named(first), process.named(second)], [["one"], ["two", "three"]]);
    assert.equal(throughline.sessionId(), `session-${second}`);
    const third = process.startNatively();
    assert.equal(throughline.sessionId(), `session-${third}`, "a question finds it, too");
    await throughline.shutdown();
  }));

test("while no client runs, it is looked for once a second at most, and found without the app's help", () =>
  inTime(async (pass) => {
    const process = new Process();
    useNative(process);
    process.startNatively();
    throughline.attach();
    process.runs = undefined;
    const before = process.asked;
    for (let n = 0; n < 1_000; n++) throughline.event("nobody");
    for (let n = 0; n < 1_000; n++) assert.equal(throughline.isRunning(), false);
    assert.equal(process.asked, before + 1);
    const next = process.startNatively();
    pass(1_000);
    throughline.event("found");
    assert.equal(throughline.isRunning(), true);
    assert.deepEqual([process.named(next), process.asked], [["found"], before + 2]);
    await throughline.shutdown();
    // What JavaScript has ended itself is not taken up again behind its back.
    process.startNatively();
    pass(10_000);
    throughline.event("after the shutdown");
    assert.deepEqual([throughline.isRunning(), throughline.sessionId()], [false, undefined]);
  }));

test("a clock that is set back does not keep JavaScript from its client", () =>
  inTime(async () => {
    const process = new Process();
    useNative(process);
    assert.equal(throughline.attach(), false);
    throughline.event("waits");
    mock.timers.setTime(1_000);
    const handle = process.startNatively();
    throughline.event("found");
    assert.deepEqual(process.named(handle), ["waits", "found"]);
    await throughline.shutdown();
  }));

test("a start that takes longer than the platform waits for is no error, and nothing of the app's is lost", () =>
  inTime(async (pass) => {
    const process = new Process();
    useNative(process);
    const plain = globalThis.fetch;
    throughline.start("granted", configuration);
    assert.equal(throughline.isRunning(), false);
    assert.notEqual(globalThis.fetch, plain, "requests are seen while the client is on its way");
    throughline.event("early");
    const handle = process.startNatively();
    pass(1_000);
    throughline.event("late");
    assert.deepEqual(process.named(handle), ["early", "late"]);
    await throughline.shutdown();
    assert.equal(globalThis.fetch, plain);
  }));

test("a refusal reaches the client that was started natively, and no later start takes it back", () =>
  inTime(async (pass) => {
    const process = new Process();
    useNative(process);
    process.answer = '{"attached":true}';
    const first = process.startNatively();
    throughline.start("denied", configuration);
    throughline.start("pending", configuration);
    throughline.start("granted", configuration);
    assert.deepEqual(process.consents, [[first, "denied"]]);
    await throughline.shutdown();
    // The native start takes longer than JavaScript waits.
    process.answer = '{"attached":true,"starting":true}';
    throughline.start("denied", configuration);
    assert.equal(process.consents.length, 1);
    const second = process.startNatively();
    pass(1_000);
    throughline.event("found");
    const third = process.startNatively();
    pass(1_000);
    throughline.event("replaced");
    assert.deepEqual(process.consents, [
      [first, "denied"],
      [second, "denied"],
    ]);
    assert.deepEqual(process.named(third), ["replaced"]);
    await throughline.shutdown();
    // The user answers before the client is there.
    assert.equal(throughline.attach(), false);
    assert.equal(throughline.setConsent("granted"), false);
    const last = process.startNatively();
    pass(1_000);
    throughline.event("found");
    assert.deepEqual(process.consents.at(-1), [last, "granted"]);
    await throughline.shutdown();
    // The newest decision holds.
    throughline.setConsent("denied");
    process.answer = "{}";
    const started = process.startNatively();
    throughline.start("granted", configuration);
    assert.ok(!process.consents.some(([handle]) => handle === started));
    await throughline.shutdown();
  }));

test("an app that attaches before its native start is attached as soon as the client runs", () =>
  inTime(async (pass) => {
    const process = new Process();
    useNative(process);
    const { error } = console;
    assert.equal(throughline.attach({ consoleErrors: true }), false);
    throughline.event("early");
    const handle = process.startNatively();
    pass(1_000);
    assert.equal(throughline.isRunning(), true);
    assert.deepEqual(process.named(handle), ["early"]);
    assert.notEqual(console.error, error);
    await throughline.shutdown();
    assert.equal(console.error, error);
  }));

test("a client that fails while it is looked for costs the app nothing", () =>
  inTime(async (pass) => {
    const process = new Process();
    useNative(process);
    process.startNatively();
    throughline.attach();
    process.runs = undefined;
    process.running = () => {
      throw new Error("Exception in HostFunction");
    };
    throughline.event("nobody");
    pass(1_000);
    assert.equal(throughline.attach(), false);
    assert.equal(throughline.isRunning(), false);
    assert.deepEqual(throughline.traceHeaders("http://a.example"), {});
    await throughline.shutdown();
  }));

test("the client that comes next knows the view that is shown", () =>
  inTime(async () => {
    const process = new Process();
    useNative(process);
    const owner = {};
    show(owner, "Before");
    const first = process.startNatively();
    throughline.attach();
    show(owner, "Cart");
    const second = process.startNatively();
    throughline.event("on");
    await throughline.shutdown();
    show(owner, "Home");
    const third = process.startNatively();
    throughline.attach();
    assert.deepEqual(
      [first, second, third].map((handle) => process.named(handle, CALL_START_VIEW)),
      [["Before", "Cart"], ["Cart"], ["Home"]],
    );
    await throughline.shutdown();
  }));

test("JavaScript of another version than the app, as an update over the air brings it, harms nobody", async () => {
  const { findNative, index } = await copyOf("update", {
    install: () => true,
    start: () => assert.fail("a library of another version is not called"),
  });
  assert.match(String(findNative()), /has version none/);
  const warnings: unknown[][] = [];
  const { warn } = console;
  console.warn = (...args) => void warnings.push(args);
  try {
    index.startView("Home");
    assert.equal(index.attach(), false);
    assert.equal(index.attach(), false);
    assert.throws(
      () => index.start("granted", configuration),
      (thrown: unknown) => thrown instanceof index.ThroughlineError && thrown.kind === "library",
    );
    index.event("nobody");
    assert.deepEqual([index.isRunning(), index.health(), index.setConsent("denied")], [false, undefined, false]);
    await assert.rejects(index.flush(), { kind: "library" });
    await assert.rejects(index.shutdown(), { kind: "library" });
  } finally {
    console.warn = warn;
  }
  assert.equal(warnings.length, 1);
  assert.match(String(warnings[0]), /build the app again/);
});

test("a native module that cannot be made does not keep the app from loading", async () => {
  const { findNative, index } = await copyOf("broken", () => {
    throw new Error("couldn't find DSO to load: libthroughline_ffi.so");
  });
  assert.match(String(findNative()), /couldn't find DSO/);
  assert.throws(() => index.start("granted", configuration), { kind: "library" });
  assert.equal(index.attach(), false);
});

test("of two copies of the package in one app, one alone records what nobody calls for", async () => {
  const first = recordTelemetry();
  throughline.start("granted", configuration, { xhr: false });
  const copy = await copyOf("second", null);
  const second = copy.jest.recordTelemetry();
  copy.index.start("granted", configuration, { xhr: false });
  await fetch("http://127.0.0.1:9/nobody").catch(() => undefined);
  assert.equal([...first.names("request"), ...second.names("request")].length, 1);
  await copy.index.shutdown();
  await throughline.shutdown();
});
