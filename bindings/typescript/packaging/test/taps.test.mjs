// Taps in React Native's own renderer, with its own `Pressable`. What is C++ on a device is played here.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { app, write } from "../app.mjs";

const require = createRequire(join(app, "package.json"));

/** What the app's bundle runs on: the shadow tree of Fabric, and native modules that know nothing. */
const HOST = `
const [micro, now] = [queueMicrotask, performance.now.bind(performance)];
const box = (node, done) => done(0, 0, 100, 40, 0, 0);
const parent = ({ instanceHandle }) => {
  let fiber = instanceHandle.return;
  while (fiber && fiber.tag !== 5) fiber = fiber.return;
  return fiber;
};
const modules = {
  ExceptionsManager: { reportException: ({ message }) => process.stderr.write(message + "\\n") },
  NativeDOMCxx: { linkRootNode: (_, instanceHandle) => ({ instanceHandle }), getParentNode: parent, measure: box },
  NativeMicrotasksCxx: { queueMicrotask: (work) => micro(work) },
  NativePerformanceCxx: { now, getSupportedPerformanceEntryTypes: () => [] },
  PlatformConstants: { getConstants: () => ({ isTesting: true, reactNativeVersion: { major: 0, minor: 88, patch: 1 } }) },
};
const nothing = new Proxy({}, { get: (_, name) => (name === "getConstants" ? () => ({}) : () => undefined) });
globalThis.fabric = {
  createNode: (tag, view, _, props, instanceHandle) => ({ tag, view, props, instanceHandle, children: [] }),
  cloneNodeWithNewChildren: (node, children = []) => ({ ...node, children }),
  cloneNodeWithNewProps: (node, props) => ({ ...node, props }),
  cloneNodeWithNewChildrenAndProps: (node, children, props) => ({ ...node, children, props }),
  createChildSet: () => [],
  appendChild: (node, child) => void node.children.push(child),
  appendChildToSet: (set, child) => void set.push(child),
  completeRoot: (_, set) => void (fabric.root = set),
  registerEventHandler: (dispatch) => void (fabric.dispatch = dispatch),
  measure: box,
  setIsJSResponder() {},
};
Object.assign(globalThis, {
  window: globalThis,
  global: globalThis,
  nativeFabricUIManager: fabric,
  nativeLoggingHook: (text) => process.stderr.write(text + "\\n"),
  RN$Bridgeless: true,
  RN$registerCallableModule() {},
  __turboModuleProxy: (name) => (name === "Throughline" ? null : (modules[name] ?? nothing)),
});
`;

/** The app, which presses two buttons and prints what was recorded when each of them was told. */
const APP = `
import { createElement as h } from "react";
import { Pressable, Text, View } from "react-native";
import ReactFabric from "react-native/Libraries/Renderer/shims/ReactFabric";
import { start, TouchBoundary } from "@throughline/react-native";
import { recordTelemetry } from "@throughline/react-native/jest";

const telemetry = recordTelemetry();
start("granted", { serviceName: "shop" }, { fetch: false, xhr: false, longTasks: false });
const told = [];
const press = (name) => () => void told.push([name, ...telemetry.names("action")]);
const CancelButton = () => h(Pressable, { onPress: press("cancel") }, h(Text, null, "Cancel"));
const buttons = [h(Pressable, { key: 1, testID: "buy", onPress: press("buy") }, h(Text, null, "Buy")), h(CancelButton, { key: 2 })];
const texts = (nodes) => nodes.flatMap((node) => (node.view === "RCTText" ? [node] : texts(node.children)));
function touch({ instanceHandle, tag }, type, isDown) {
  const finger = { identifier: 0, target: tag, pageX: 5, pageY: 5, timestamp: Date.now() };
  fabric.dispatch(instanceHandle, type, { ...finger, changedTouches: [finger], touches: isDown ? [finger] : [] });
}
ReactFabric.render(h(TouchBoundary, null, h(View, null, buttons)), 1, null, true);
function pressAll([text, ...others]) {
  if (!text) {
    process.stdout.write(JSON.stringify(told));
    return;
  }
  touch(text, "topTouchStart", true);
  setTimeout(() => {
    touch(text, "topTouchEnd", false);
    // A button that was pressed for a moment is told a little later.
    setTimeout(pressAll, 200, others);
  });
}
setTimeout(() => pressAll(texts(fabric.root)), 100);
`;

test("a tap on React Native's own Pressable begins before onPress, and has its name", async () => {
  write("taps/app.js", APP);
  const { loadConfig, runBuild } = require("metro");
  const config = { ...(await loadConfig({ cwd: app })), maxWorkers: 1, reporter: { update() {} } };
  const out = join(app, "taps/bundle.js");
  await runBuild(config, { entry: "taps/app.js", platform: "android", dev: false, minify: false, out });
  write(
    "taps/run.cjs",
    `${HOST}require("node:vm").runInThisContext(require("node:fs").readFileSync(process.argv[2], "utf8"));`,
  );
  const printed = execFileSync(process.execPath, [join(app, "taps/run.cjs"), out], {
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.deepEqual(JSON.parse(printed), [
    ["buy", "buy"],
    ["cancel", "buy", "CancelButton"],
  ]);
});
