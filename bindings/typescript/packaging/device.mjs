// React Native itself, its renderer, its components and its handling of errors, with the packages in
// a bundle of Metro's, in a context of Node's. What stands below JavaScript is played: views are
// objects, and native modules answer nothing.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createContext, runInContext } from "node:vm";
import { app, write } from "./app.mjs";

const require = createRequire(join(app, "package.json"));

/** What a test finds in the bundle. */
const ENTRY = `
  import * as reactNative from "react-native";
  import * as React from "react";
  import * as throughline from "@throughline/react-native";
  import { recordTelemetry } from "@throughline/react-native/jest";
  import * as tracking from "react-native/Libraries/promiseRejectionTrackingOptions";
  globalThis.bundle = { reactNative, React, throughline, recordTelemetry, tracking };
`;

let bundled;

/** Bundles what tests use, for production. */
async function bundle() {
  write("device.js", ENTRY);
  const { loadConfig, runBuild } = require("metro");
  const config = { ...(await loadConfig({ cwd: app })), maxWorkers: 1, reporter: { update() {} } };
  const out = join(app, "device.bundle.js");
  await runBuild(config, { entry: "device.js", platform: "android", dev: false, minify: false, out });
  return readFileSync(out, "utf8");
}

/** A native module that has every method, and answers nothing. */
const module = (methods) => new Proxy(methods, { get: (known, name) => known[name] ?? (() => undefined) });

/** Where the bundle has been evaluated, with one surface on the screen. */
export class Device {
  /** What the renderer has shown last. */
  shown = [];
  #tag = 2;
  #send;
  /** What came to the native side as an exception. */
  exceptions = [];
  /** What came to the console as errors. */
  errors = [];

  /** @param globals what the engine has besides. */
  static async start(globals = {}) {
    bundled ??= bundle();
    return new Device(await bundled, globals);
  }

  constructor(code, globals) {
    const modules = {
      ExceptionsManager: module({ reportException: (data) => void this.exceptions.push(data) }),
      PlatformConstants: module({
        getConstants: () => ({ reactNativeVersion: { major: 0, minor: 88, patch: 1 }, Version: 34 }),
      }),
      NativeDOMCxx: module({ getParentNode: ({ tag }) => this.#parent(tag)?.instance ?? null }),
      NativePerformanceCxx: module({ getSupportedPerformanceEntryTypes: () => [] }),
      NativeMicrotasksCxx: module({ queueMicrotask }),
      AppState: module({ getConstants: () => ({ initialAppState: "active" }) }),
      DeviceInfo: module({
        getConstants: () => {
          const window = { width: 400, height: 800, scale: 2, fontScale: 1 };
          return { Dimensions: { window, screen: window, windowPhysicalPixels: window, screenPhysicalPixels: window } };
        },
      }),
    };
    const context = createContext({
      console: { ...console, error: (...args) => void this.errors.push(args) },
      performance,
      setTimeout,
      clearTimeout,
      setInterval,
      clearInterval,
      setImmediate,
      clearImmediate,
      queueMicrotask,
      RN$Bridgeless: true,
      __turboModuleProxy: (name) =>
        modules[name] ?? (name === "Throughline" ? null : module({ getConstants: () => ({}) })),
      nativeFabricUIManager: this.#renderer(),
      nativeModuleProxy: {},
      RN$registerCallableModule: () => undefined,
      ...globals,
    });
    context.global = context;
    context.globalThis = context;
    runInContext(code, context, { filename: "device.bundle.js" });
    this.globals = context;
    // What is thrown in the bundle is of its own realm.
    Object.assign(this, context.bundle, runInContext("({ Error, TypeError })", context));
  }

  #renderer() {
    const copy = (node, changed) => ({ ...node, ...changed });
    return {
      createNode: (tag, name, root, props, instance) => ({ tag, name, props, instance, children: [] }),
      cloneNode: (node) => copy(node, { children: [...node.children] }),
      cloneNodeWithNewChildren: (node, children = []) => copy(node, { children: [...children] }),
      cloneNodeWithNewProps: (node, props) =>
        copy(node, { props: { ...node.props, ...props }, children: [...node.children] }),
      cloneNodeWithNewChildrenAndProps: (node, children, props) =>
        copy(node, { props: { ...node.props, ...props }, children: [...children] }),
      createChildSet: () => [],
      appendChild: (parent, child) => (parent.children.push(child), parent),
      appendChildToSet: (set, child) => void set.push(child),
      completeRoot: (_root, set) => void (this.shown = set),
      registerEventHandler: (handler) => void (this.#send = handler),
      setIsJSResponder: () => undefined,
      dispatchCommand: () => undefined,
      measure: (_node, done) => done(0, 0, 400, 800, 0, 0),
      unstable_DefaultEventPriority: 16,
      unstable_DiscreteEventPriority: 1,
      unstable_ContinuousEventPriority: 4,
      unstable_IdleEventPriority: 32,
      unstable_getCurrentEventPriority: () => 16,
    };
  }

  /** Shows a component as an app's root. */
  async show(component) {
    const { AppRegistry } = this.reactNative;
    AppRegistry.registerComponent("App", () => component);
    AppRegistry.runApplication("App", { rootTag: 1, initialProps: {} });
    await this.settle();
  }

  /** Waits until React has done everything. */
  async settle() {
    for (let turn = 0; turn < 30; turn++) await new Promise((done) => setImmediate(done));
  }

  /** The view around the one with a tag. */
  #parent(tag, nodes = this.shown) {
    for (const node of nodes) {
      if (node.children.some((child) => child.tag === tag)) return node;
      const found = this.#parent(tag, node.children);
      if (found) return found;
    }
    return undefined;
  }

  /** The view that is shown with an id. */
  find(id, nodes = this.shown) {
    for (const node of nodes) {
      const found = node.props.testID === id || node.props.nativeID === id ? node : this.find(id, node.children);
      if (found) return found;
    }
    return undefined;
  }

  /** Sends a step of a touch to a view, as the platform does. */
  async touch(node, type, pageX = 5, fingers = 1) {
    const at = {
      identifier: 0,
      pageX,
      pageY: 5,
      locationX: pageX,
      locationY: 5,
      target: node.tag,
      timestamp: Date.now(),
    };
    const touches = /End|Cancel/.test(type) ? [] : Array(fingers).fill(at);
    this.#send(node.instance, type, { ...at, touches, changedTouches: [at], targetSurface: 1 });
    await this.settle();
  }

  async tap(node) {
    await this.touch(node, "topTouchStart");
    await this.touch(node, "topTouchEnd");
  }
}
