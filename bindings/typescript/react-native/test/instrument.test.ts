import assert from "node:assert/strict";
import { test } from "node:test";
import "./platform.js";

type Handler = (error: unknown, isFatal?: boolean) => void;

/** React Native's `ErrorUtils`, with the red box, or the end of the app, as its first handler. */
const shown: unknown[] = [];
let handler: Handler = (error) => void shown.push(error);
const redBox = handler;
/** The engine's one place for a tracker. */
let tracker: { onUnhandled?: (id: number, rejection: unknown) => void } = {};
Object.assign(globalThis, {
  ErrorUtils: { getGlobalHandler: () => handler, setGlobalHandler: (next: Handler) => void (handler = next) },
  HermesInternal: {
    hasPromise: () => true,
    enablePromiseRejectionTracker: (options: typeof tracker) => void (tracker = options),
  },
});

const { recordTelemetry } = await import("../src/jest.js");
const { health, shutdown, start } = await import("../src/index.js");

const configuration = { serviceName: "shop" };
let failures = 0;
/** An error that nobody has seen yet. */
const fresh = (): Error => new Error(`failure ${++failures}`);

test("every kind is recorded by default, except the console, and each can be switched off", async () => {
  const { error: consoleError } = console;
  const seen: Record<string, string[]> = {};
  const kinds = ["errors", "rejections", "consoleErrors"] as const;
  for (const on of [undefined, ...kinds]) {
    console.error = () => undefined;
    handler = redBox;
    tracker = {};
    const telemetry = recordTelemetry();
    const rest = Object.fromEntries(kinds.map((kind) => [kind, kind === on]));
    start("granted", configuration, on === undefined ? {} : rest);
    const thrown = [fresh(), fresh(), fresh()];
    handler(thrown[0], true);
    tracker.onUnhandled?.(1, thrown[1]);
    console.error(thrown[2]);
    seen[on ?? "default"] = kinds.filter((_, at) => telemetry.names("error").includes(thrown[at]!.message));
    await shutdown();
  }
  console.error = consoleError;
  assert.deepEqual(seen, {
    default: ["errors", "rejections"],
    errors: ["errors"],
    rejections: ["rejections"],
    consoleErrors: ["consoleErrors"],
  });
});

test("a fatal error is marked before the handlers of others run, also when it is nothing at all", async () => {
  const telemetry = recordTelemetry();
  let recordedBefore = -1;
  handler = () => void (recordedBefore = telemetry.of("error").length);
  start("granted", configuration);
  for (const [at, thrown] of [null, undefined, 7, fresh(), Object.create(null)].entries()) {
    handler(thrown, true);
    assert.equal(recordedBefore, at + 1);
  }
  for (const { attributes, details } of telemetry.of("error")) {
    assert.deepEqual([attributes["error.fatal"], details["errorKind"]], [true, "crash"]);
  }
  await shutdown();
  handler = redBox;
});

/** Another SDK, which chains as all of them do, and which knows only itself. */
class Other {
  readonly got: unknown[] = [];
  private before = handler;
  private mine: Handler | undefined;

  install(): void {
    this.before = handler;
    const { before } = this;
    this.mine = (error, isFatal) => {
      if (this.mine) this.got.push(error);
      before(error, isFatal);
    };
    handler = this.mine;
  }

  remove(): void {
    if (handler === this.mine) handler = this.before;
    this.mine = undefined;
  }
}

test("with another SDK, in every order of installing and removing, each sees each error once", async () => {
  for (const isOursFirst of [true, false]) {
    for (const areOursLeftFirst of [true, false]) {
      handler = redBox;
      shown.length = 0;
      const telemetry = recordTelemetry();
      const other = new Other();
      if (!isOursFirst) other.install();
      start("granted", configuration);
      if (isOursFirst) other.install();
      const [both, one, none] = [fresh(), fresh(), fresh()];
      handler(both, false);
      if (areOursLeftFirst) await shutdown();
      else other.remove();
      handler(one, false);
      if (areOursLeftFirst) other.remove();
      else await shutdown();
      handler(none, false);
      const names = [both, ...(areOursLeftFirst ? [] : [one])].map(({ message }) => message);
      const order = `ours first: ${isOursFirst}, ours leave first: ${areOursLeftFirst}`;
      assert.deepEqual(telemetry.names("error"), names, order);
      assert.deepEqual(other.got, areOursLeftFirst ? [both, one] : [both], order);
      assert.deepEqual(shown, [both, one, none], order);
    }
  }
});

test("fifty starts and shutdowns leave the globals as they were", async () => {
  handler = redBox;
  const { error: consoleError } = console;
  const { fetch: platformFetch } = globalThis;
  for (let n = 0; n < 50; n++) {
    recordTelemetry();
    start("granted", configuration, { consoleErrors: true, longTasks: true });
    await shutdown();
  }
  assert.deepEqual([handler === redBox, console.error === consoleError, fetch === platformFetch], [true, true, true]);
});

test("what an app adds begins with the client and ends with it, and a failure of it is no failure of the start", async () => {
  const { traceWebSockets } = await import("@throughline/core/websocket");
  class Platform {}
  Object.assign(globalThis, { WebSocket: Platform });
  recordTelemetry();
  const broken = (): never => {
    throw new Error("not here");
  };
  start("granted", configuration, { more: [broken, traceWebSockets] });
  assert.notEqual(globalThis.WebSocket, Platform);
  assert.ok(new WebSocket("ws://127.0.0.1") instanceof Platform);
  assert.match(health()!.problems.join(), /not here/);
  await shutdown();
  assert.equal(globalThis.WebSocket, Platform);
});

test("the start of the process is what the native side knows, and is measured without a further call", async () => {
  const telemetry = recordTelemetry();
  const asked: string[] = [];
  const side = telemetry as unknown as { processStart(): number };
  side.processStart = () => (asked.push("processStart"), asked.length === 1 ? Date.now() - 700 : 0);
  start("granted", configuration);
  await shutdown();
  start("granted", configuration);
  assert.equal(asked.length, 2);
  const starts = telemetry.of("vital");
  assert.deepEqual(telemetry.names("vital"), ["app.start.javascript"]);
  assert.ok((starts[0]!.details["value"] as number) >= 700);
  assert.deepEqual(starts[0]!.attributes, { "app.start.type": "cold" });
  await shutdown();
});
