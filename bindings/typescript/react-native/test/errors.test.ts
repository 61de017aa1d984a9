import assert from "node:assert/strict";
import { test } from "node:test";
import { operation } from "@throughline/core";
import { ERROR_KIND_CRASH, ERROR_KIND_HANDLED } from "@throughline/core/calls";
import { traceConsoleErrors } from "../src/console.js";
import { traceErrors } from "../src/errors.js";
import { lastFatal } from "../src/found.js";
import { App, consoleErrors } from "./support.js";

type Handler = (error: unknown, isFatal?: boolean) => void;

const globals = globalThis as unknown as Record<string, unknown>;

/** `ErrorUtils` as React Native has it, with a handler that keeps what it is given. */
function errorUtils() {
  const handled: unknown[] = [];
  let handler: Handler = (error) => void handled.push(error);
  const utils = {
    setGlobalHandler: (to: Handler) => void (handler = to),
    getGlobalHandler: () => handler,
    reportError: (error: unknown) => handler(error, false),
    reportFatalError: (error: unknown) => handler(error, true),
  };
  globals["ErrorUtils"] = utils;
  return { ...utils, handled };
}

/** A second SDK, which does what all of them do. */
function secondSdk(utils: ReturnType<typeof errorUtils>) {
  const told: unknown[] = [];
  const before = utils.getGlobalHandler();
  utils.setGlobalHandler((error, isFatal) => {
    told.push(error);
    before(error, isFatal);
  });
  return { told, undo: () => utils.setGlobalHandler(before) };
}

test("a fatal error is marked before another handler can end the process", () => {
  const app = new App();
  const utils = errorUtils();
  let recordedBefore = -1;
  utils.setGlobalHandler(() => {
    recordedBefore = app.errors().length;
    throw new Error("the process ends");
  });
  const undo = traceErrors();
  const before = utils.getGlobalHandler();
  assert.throws(() => utils.reportFatalError(new TypeError("gone")), /the process ends/);
  assert.equal(recordedBefore, 1);
  const [error] = app.errors();
  assert.deepEqual([error!.kind, error!.type, error!.message], [ERROR_KIND_CRASH, "TypeError", "gone"]);
  assert.equal(error!.attributes["error.fatal"], true);
  assert.equal(error!.attributes["error.fatal.id"], lastFatal()!.id);
  assert.match(error!.stack, /errors\.test/);
  // What the app goes on to throw is not taken for the error that it was told of.
  assert.throws(() => utils.reportError(new Error("later")));
  assert.deepEqual(app.messages(), ["gone", "later"]);
  assert.equal(app.errors()[1]!.kind, ERROR_KIND_HANDLED);
  assert.equal(utils.getGlobalHandler(), before);
  undo();
  app.end();
});

test("a fatal error belongs to the innermost operation that it was thrown out of", async () => {
  const app = new App();
  const utils = errorUtils();
  const undo = traceErrors();
  const error = new TypeError("gone");
  const slots: number[] = [];
  const inner = (op: { slot: number }): never => {
    slots.push(op.slot);
    throw error;
  };
  try {
    operation("Checkout", () => operation("Pay", inner));
  } catch (thrown) {
    utils.reportFatalError(thrown);
  }
  const rejected = new RangeError("later");
  await operation("Save", async (op) => {
    slots.push(op.slot);
    await Promise.resolve();
    throw rejected;
  }).catch((thrown: unknown) => utils.reportFatalError(thrown));
  utils.reportFatalError(new Error("of none"));
  operation("Read", (op) => {
    slots.push(op.slot);
    utils.reportError(new Error("while it runs"));
  });
  assert.deepEqual(
    app.errors().map(({ slot }) => slot),
    [slots[0], slots[1], 0, slots[2]],
  );
  undo();
  app.end();
});

test("with a second SDK, each error is recorded once and told once, in every order", () => {
  for (const isOursFirst of [true, false]) {
    for (const isUndoneFirst of [true, false]) {
      const app = new App();
      const utils = errorUtils();
      let undo = isOursFirst ? traceErrors() : () => {};
      const other = secondSdk(utils);
      if (!isOursFirst) undo = traceErrors();
      utils.reportError(new Error("one"));
      assert.deepEqual([app.messages(), other.told.length, utils.handled.length], [["one"], 1, 1]);
      if (isUndoneFirst) {
        undo();
        utils.reportError(new Error("two"));
        assert.deepEqual([app.messages(), other.told.length, utils.handled.length], [["one"], 2, 2]);
        other.undo();
      } else {
        other.undo();
        undo();
      }
      const handled = utils.handled.length;
      utils.reportError(new Error("three"));
      assert.deepEqual([app.messages(), utils.handled.length], [["one"], handled + 1]);
      // Installed once more, it records once more, and once.
      const again = traceErrors();
      utils.reportError(new Error("four"));
      assert.deepEqual(app.messages(), ["one", "four"]);
      again();
      app.end();
    }
  }
});

test("what is thrown may be anything", () => {
  const app = new App();
  const utils = errorUtils();
  const undo = traceErrors();
  const cyclic = new Error("cyclic");
  cyclic.cause = new Error("inner", { cause: cyclic });
  const hostile = new Proxy(new Error("x"), {
    get: () => {
      throw new Error("do not look");
    },
  });
  const getters = Object.defineProperty(new Error("y"), "message", {
    get: () => {
      throw new Error("do not look");
    },
  });
  const thrown = [undefined, null, 0, "text", Symbol("s"), { code: 7 }, cyclic, hostile, getters, Object.freeze({})];
  for (const each of thrown) utils.reportError(each);
  assert.equal(utils.handled.length, thrown.length);
  assert.equal(app.errors().length, thrown.length);
  assert.match(String(app.errors()[6]!.attributes["error.cause"]), /^Error: inner$/);
  undo();
  app.end();
});

test("an error that React's own handler reports beside ErrorUtils is recorded once", async () => {
  const app = new App();
  const utils = errorUtils();
  const calls: unknown[] = [];
  const exceptionsManager = {
    // React Native's writes to the console, too.
    handleException(error: unknown, isFatal: boolean) {
      calls.push([error, isFatal]);
      console.error(error);
    },
  };
  utils.setGlobalHandler((error, isFatal) => exceptionsManager.handleException(error, isFatal === true));
  const before = exceptionsManager.handleException;
  await consoleErrors(() => {
    const undoConsole = traceConsoleErrors();
    const undo = traceErrors({ exceptionsManager });
    utils.reportFatalError(new Error("by ErrorUtils"));
    // Components whose errors no boundary catches come this way.
    const uncaught = Object.assign(new Error("by React"), { componentStack: "\n    at Profile" });
    exceptionsManager.handleException(uncaught, true);
    utils.reportError("a text");
    undo();
    undoConsole();
  });
  assert.deepEqual(app.messages(), ["by ErrorUtils", "by React", "a text"]);
  assert.equal(app.errors()[1]!.attributes["error.component_stack"], "\n    at Profile");
  assert.equal(calls.length, 3);
  assert.equal(exceptionsManager.handleException, before);
  app.end();
});

test("an error that was written to the console before it kills the app is still recorded as fatal", async () => {
  const app = new App();
  const utils = errorUtils();
  const written = await consoleErrors(() => {
    const undoConsole = traceConsoleErrors();
    const undo = traceErrors();
    const error = new Error("first seen, then fatal");
    console.error(error);
    utils.reportFatalError(error);
    utils.reportFatalError(error);
    undo();
    undoConsole();
  });
  assert.equal(written.length, 1);
  assert.deepEqual(
    app.errors().map(({ kind }) => kind),
    [ERROR_KIND_HANDLED, ERROR_KIND_CRASH],
  );
  app.end();
});

test("where React Native has listeners, the listener records, and ErrorUtils is left alone", () => {
  const app = new App();
  const utils = errorUtils();
  const before = utils.getGlobalHandler();
  const listeners: ((data: object) => void)[] = [];
  globals["RN$useAlwaysAvailableJSErrorHandling"] = true;
  globals["RN$registerExceptionListener"] = (listener: (data: object) => void) => void listeners.push(listener);
  try {
    const undo = traceErrors();
    const second = traceErrors();
    assert.equal(utils.getGlobalHandler(), before);
    assert.equal(listeners.length, 1, "a listener cannot be taken back, so there is one");
    const data = {
      name: "TypeError",
      message: "TypeError: x is not a function",
      isFatal: true,
      componentStack: "\n    at Cart",
      stack: [{ file: "index.bundle", methodName: "buy", lineNumber: 1, column: 42 }],
      extraData: {},
      preventDefault: () => assert.fail("the app's own handling goes on"),
    };
    listeners[0]!(data);
    second();
    listeners[0]!({ message: "plain", isFatal: false, extraData: { rawStack: "Error: plain\n    at raw" } });
    listeners[0]!({});
    undo();
    listeners[0]!(data);
    const [fatal, plain, empty] = app.errors();
    assert.equal(app.errors().length, 3);
    assert.deepEqual([fatal!.type, fatal!.message], ["TypeError", "x is not a function"]);
    assert.match(fatal!.stack, /at buy \(index\.bundle:1:42\)/);
    assert.equal(fatal!.attributes["error.fatal"], true);
    assert.equal(fatal!.attributes["error.component_stack"], "\n    at Cart");
    assert.equal(plain!.stack, "Error: plain\n    at raw");
    assert.equal(empty!.type, "Error");
  } finally {
    delete globals["RN$useAlwaysAvailableJSErrorHandling"];
    delete globals["RN$registerExceptionListener"];
    app.end();
  }
});

test("without ErrorUtils nothing is installed, and nothing throws", () => {
  delete globals["ErrorUtils"];
  traceErrors()();
});

test("console.error is recorded without what its objects hold, and never within itself", async () => {
  const app = new App();
  const secret = { password: "hunter2", toString: () => assert.fail("nobody asks an object what it says") };
  const written = await consoleErrors(() => {
    const undo = traceConsoleErrors();
    console.error("cannot save", secret, 7, null, undefined, [1, 2], () => 1, Symbol("x"));
    console.error(new RangeError("too much"), "more");
    console.error("x".repeat(1_000_000));
    console.error();
    const hostile = new Proxy(
      {},
      {
        get: () => {
          console.error("within");
          throw new Error("do not look");
        },
      },
    );
    console.error(hostile);
    undo();
    console.error("after");
  });
  assert.equal(app.messages()[0], "cannot save [object Object] 7 null undefined [Array of 2] [function] Symbol()");
  assert.deepEqual([app.errors()[1]!.type, app.messages()[1]], ["RangeError", "too much"]);
  assert.equal(app.messages()[2]!.length, 1_000);
  assert.ok(!app.messages().includes("after") && !app.messages().includes("within"));
  assert.ok(written.length >= 6);
  app.end();
});

test("console.error is given back in every order", async () => {
  await consoleErrors(() => {
    const original = console.error;
    const undo = traceConsoleErrors();
    const ours = console.error;
    const theirs = (...args: unknown[]) => ours(...args);
    console.error = theirs;
    undo();
    assert.equal(console.error, theirs, "another's wrapper stays");
    const app = new App();
    console.error("nobody records this");
    assert.deepEqual(app.messages(), []);
    const again = traceConsoleErrors();
    console.error("one");
    assert.deepEqual(app.messages(), ["one"]);
    again();
    assert.equal(console.error, theirs);
    console.error = original;
    app.end();
  });
});
