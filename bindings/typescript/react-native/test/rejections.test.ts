import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { close, operation, TraceContext } from "@throughline/core";
import { CALL_READ_CONTEXT } from "@throughline/core/calls";
import { traceConsoleErrors } from "../src/console.js";
import { traceRejections, type TrackerOptions } from "../src/rejections.js";
import { App, consoleErrors } from "./support.js";

const globals = globalThis as unknown as { HermesInternal?: unknown };

/** The one place that Hermes has for a tracker. */
function hermes(): { options: TrackerOptions } {
  const place: { options: TrackerOptions } = { options: {} };
  globals.HermesInternal = {
    hasPromise: () => true,
    enablePromiseRejectionTracker: (options: TrackerOptions) => void (place.options = options),
  };
  return place;
}

test("a rejection has the time before the tracker's timer, and a trace of its own", () => {
  const app = new App();
  const place = hermes();
  const undo = traceRejections();
  assert.equal(place.options.allRejections, true);
  const before = Date.now();
  operation("Unrelated", () => {
    place.options.onUnhandled!(1, new TypeError("soon"));
    place.options.onUnhandled!(2, new Error("late"));
  });
  const slack = Date.now() - before;
  const [soon, late] = app.errors();
  for (const [error, ms] of [
    [soon!, 100],
    [late!, 2_000],
  ] as const) {
    assert.ok(error.time! >= before - ms && error.time! <= before - ms + slack);
    assert.equal(error.attributes["error.unhandled_rejection"], true);
  }
  // Neither is said to be caused by what runs as the timer does.
  const apart = app.calls.filter(([call]) => call === CALL_READ_CONTEXT).map(([, , , slot]) => slot);
  assert.deepEqual([soon!.slot, late!.slot], apart);
  assert.equal(TraceContext.current.slot, 0);
  undo();
  app.end();
});

test("a handler that comes later amends the record", () => {
  const app = new App();
  const place = hermes();
  const undo = traceRejections();
  place.options.onUnhandled!(7, "no");
  place.options.onHandled!(7, "no");
  place.options.onHandled!(7, "no");
  place.options.onHandled!(8, "was never reported");
  const [log] = app.logs();
  assert.equal(app.logs().length, 1);
  assert.equal(log!["error.handled_late"], true);
  assert.equal(log!["error.rejection.id"], app.errors()[0]!.attributes["error.rejection.id"]);
  undo();
  app.end();
});

test("React Native's own options are called on, and what they report is recorded once", async () => {
  const app = new App();
  const place = hermes();
  const told: unknown[] = [];
  const written = await consoleErrors(() => {
    const undoConsole = traceConsoleErrors();
    const undo = traceRejections({
      others: {
        onUnhandled: (id, rejection) => {
          told.push(["unhandled", id, rejection]);
          console.error(new Error(`Uncaught (in promise, id: ${id})`, { cause: rejection }));
        },
        onHandled: (id) => void told.push(["handled", id]),
      },
    });
    place.options.onUnhandled!(1, "no");
    place.options.onHandled!(1);
    assert.deepEqual(app.messages(), ["no"]);
    undo();
    place.options.onUnhandled!(2, "after");
    assert.deepEqual(
      app.messages().filter((message) => message === "after"),
      [],
    );
    undoConsole();
  });
  assert.deepEqual(told, [
    ["unhandled", 1, "no"],
    ["handled", 1],
    ["unhandled", 2, "after"],
  ]);
  assert.equal(written.length, 2);
  app.end();
});

test("a promise may be rejected with anything, a million times, and nothing grows", () => {
  const app = new App();
  const place = hermes();
  const undo = traceRejections();
  const hostile = new Proxy(new Error("x"), {
    get: () => {
      throw new Error("do not look");
    },
  });
  for (const [id, each] of [undefined, null, 0, Symbol("s"), {}, hostile].entries()) {
    place.options.onUnhandled!(id, each);
  }
  assert.equal(app.errors().length, 6);
  app.calls.length = 0;
  for (let id = 10; id < 1_000; id++) place.options.onUnhandled!(id, "many");
  app.calls.length = 0;
  for (let id = 10; id < 1_000; id++) place.options.onHandled!(id);
  assert.equal(app.logs().length, 100);
  undo();
  app.end();
});

test("the polyfill's tracker is used where the engine has none", async () => {
  globals.HermesInternal = undefined;
  const require = createRequire(import.meta.url);
  const polyfill = require("promise/setimmediate/rejection-tracking") as {
    enable(options: TrackerOptions): void;
    disable(): void;
  };
  const Polyfilled = require("promise/setimmediate/core") as typeof Promise;
  const app = new App();
  const undo = traceRejections({ polyfill });
  const rejected = new Polyfilled((_, reject) => reject(new TypeError("by the polyfill")));
  const handled = new Polyfilled((_, reject) => reject(new TypeError("handled")));
  handled.then(undefined, () => {});
  await new Promise<void>((done) => {
    const look = () => (app.errors().length > 0 ? done() : void setTimeout(look, 10));
    look();
  });
  assert.deepEqual(app.messages(), ["by the polyfill"]);
  rejected.then(undefined, () => {});
  assert.equal(app.logs().length, 1);
  polyfill.disable();
  undo();
  app.end();
});

test("without a tracker, and before the start, nothing throws", () => {
  globals.HermesInternal = undefined;
  traceRejections()();
  const place = hermes();
  close();
  const undo = traceRejections();
  place.options.onUnhandled!(1, new Error("nobody records this"));
  undo();
  undo();
  globals.HermesInternal = {
    enablePromiseRejectionTracker: () => {
      throw new Error("not here");
    },
  };
  traceRejections()();
  globals.HermesInternal = undefined;
});
