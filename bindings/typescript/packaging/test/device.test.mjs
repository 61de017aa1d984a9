import assert from "node:assert/strict";
import { test } from "node:test";
import { Device } from "../device.mjs";

/** A device whose app has started. */
async function started(globals) {
  const device = await Device.start(globals);
  const { createElement } = device.React;
  const telemetry = device.recordTelemetry();
  device.throughline.start("granted", { serviceName: "shop" });
  /** Shows something within our boundary. */
  const show = (...children) => device.show(() => createElement(device.throughline.TouchBoundary, null, ...children));
  const names = (kind) => [...telemetry.names(kind)];
  return { device, telemetry, names, show, element: createElement, native: device.reactNative };
}

const wait = (ms) => new Promise((done) => setTimeout(done, ms));

test("React Native's own buttons name their taps, which begin before the app's handlers run", async () => {
  const { device, names, show, element, native } = await started();
  const seen = [];
  const onPress = () => void seen.push(names("action").at(-1));
  const SaveButton = () => element(native.Pressable, { onPress }, element(native.Text, { testID: "text" }, "Ada"));
  const Row = () => element(native.Pressable, { onPress }, element(native.View, { nativeID: "row" }));
  await show(
    element(native.Pressable, { testID: "pressable", onPress }),
    element(native.TouchableOpacity, { testID: "opacity", onPress }),
    element(native.Button, { testID: "button", title: "Ada", onPress }),
    element(native.View, { testID: "home" }, element(SaveButton), element(Row)),
  );
  for (const id of ["pressable", "opacity", "button", "text", "row"]) await device.tap(device.find(id));
  assert.deepEqual(names("action"), ["pressable", "opacity", "button", "text", "Row"]);
  assert.deepEqual(seen, names("action"));
});

test("a tap is recorded once by boundaries within one another, and within a modal", async () => {
  const { device, names, show, element, native } = await started();
  const onPress = () => {};
  await show(
    element(device.throughline.TouchBoundary, null, element(native.Pressable, { testID: "inner", onPress })),
    element(native.Modal, { visible: true }, element(native.Pressable, { testID: "modal", onPress })),
  );
  await device.tap(device.find("inner"));
  await device.tap(device.find("modal"));
  assert.deepEqual(names("action"), ["inner", "modal"]);
});

test("a press that was a long one is no tap as well, and a slow tap is one", async () => {
  const { device, names, show, element, native } = await started();
  const calls = [];
  const onPress = () => void calls.push("press");
  const onLongPress = () => void calls.push("long");
  await show(
    element(native.Pressable, { testID: "menu", onPress, onLongPress, delayLongPress: 20 }),
    element(native.Pressable, { testID: "slow", onPress }),
  );
  for (const id of ["menu", "slow"]) {
    const view = device.find(id);
    await device.touch(view, "topTouchStart");
    // Pressability counts from when the press has become visible, 130 ms after the touch at most.
    await wait(400);
    await device.touch(view, "topTouchEnd");
  }
  await device.tap(device.find("menu"));
  assert.deepEqual(calls, ["long", "press", "press"]);
  assert.deepEqual(names("action"), ["slow", "menu"]);
});

test("a touch that React Native takes for no press is none here either", async () => {
  const { device, names, show, element, native } = await started();
  const calls = [];
  await show(element(native.Pressable, { testID: "row", onPress: () => void calls.push("press") }));
  const view = device.find("row");
  await device.touch(view, "topTouchStart");
  await device.touch(view, "topTouchCancel");
  await device.touch(view, "topTouchStart");
  await device.touch(view, "topTouchMove", 300);
  await device.touch(view, "topTouchEnd", 300);
  await device.touch(view, "topTouchStart");
  await device.touch(view, "topTouchStart", 5, 2);
  await device.touch(view, "topTouchEnd");
  assert.deepEqual(names("action"), []);
});
