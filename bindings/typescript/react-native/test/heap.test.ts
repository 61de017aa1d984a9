import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { CALL_MEASUREMENT } from "@throughline/core/calls";
import "./platform.js";
import { App } from "./support.js";

const { AppState } = (await import("react-native")) as unknown as {
  AppState: { currentState: string; addEventListener: unknown };
};
const { traceHeap } = await import("../src/heap.js");
const globals = globalThis as { HermesInternal?: unknown };
const change = { to: (_state: string): void => undefined };
let isRemoved = false;
AppState.addEventListener = (_type: string, listener: (state: string) => void) => {
  change.to = listener;
  return { remove: () => void (isRemoved = true) };
};

test("the heap is measured in the foreground alone, every 10 s at most", () => {
  mock.timers.enable({ apis: ["setInterval"] });
  const app = new App();
  globals.HermesInternal = { getInstrumentedStats: () => ({ js_allocatedBytes: 100, js_heapSize: 400 }) };
  const samples = () => app.calls.filter(([call]) => call === CALL_MEASUREMENT).map((fields) => fields.slice(4, 7));
  const end = traceHeap({ everyMs: 1 });
  const first = [
    ["app.js.heap.used", "By", 100],
    ["app.js.heap.size", "By", 400],
  ];
  assert.deepEqual(samples(), first);
  mock.timers.tick(9_999);
  assert.equal(samples().length, 2);
  mock.timers.tick(1);
  assert.equal(samples().length, 4);
  change.to("background");
  mock.timers.tick(100_000);
  assert.equal(samples().length, 4);
  change.to("active");
  assert.equal(samples().length, 6);
  end();
  mock.timers.tick(100_000);
  assert.deepEqual([samples().length, isRemoved], [6, true]);
  mock.timers.reset();
  app.end();
});

test("an engine that tells nothing, or something else, costs nothing", () => {
  const app = new App();
  const refuses = () => {
    throw new Error("not here");
  };
  for (const hermes of [undefined, {}, { getInstrumentedStats: refuses }, { getInstrumentedStats: () => null }]) {
    globals.HermesInternal = hermes;
    traceHeap()();
  }
  globals.HermesInternal = { getInstrumentedStats: () => ({ js_heapSize: "large" }) };
  traceHeap()();
  assert.deepEqual(app.calls, []);
  app.end();
});
