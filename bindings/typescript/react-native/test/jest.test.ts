import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import "./platform.js";

const { recordTelemetry } = await import("../src/jest.js");
const throughline = await import("../src/index.js");
const { createTracedState } = await import("@throughline/core/valtio");

const platformFetch = globalThis.fetch;
const configuration = { serviceName: "shop" };

test("an app's test reads what was recorded, by the words of the app", async () => {
  const telemetry = recordTelemetry();
  throughline.start("granted", configuration);
  throughline.startView("Profile");
  throughline.startAction("Save", { screen: 2 });
  throughline.error(new TypeError("no name"), { field: "name" });
  throughline.event("Saved", { list: [1, { two: 2 }], big: 2n });
  await throughline.operation("UpdateDisplayName", async () => undefined);
  assert.deepEqual(telemetry.names("view"), ["Profile"]);
  const [action] = telemetry.of("action");
  assert.deepEqual(action, { kind: "action", name: "Save", details: { actionType: "tap" }, attributes: { screen: 2 } });
  const [error] = telemetry.of("error");
  assert.equal(error!.name, "no name");
  assert.deepEqual(
    [error!.details["type"], error!.details["errorKind"], error!.attributes],
    ["TypeError", "handled", { field: "name" }],
  );
  assert.deepEqual(telemetry.of("event")[0]!.attributes, { list: [1, { two: 2 }], big: 2n });
  assert.deepEqual(telemetry.names("operation"), ["UpdateDisplayName"]);
  assert.equal(telemetry.of("spanEnd")[0]!.details["outcome"], "succeeded");
  assert.deepEqual({ ...telemetry.configuration }, { serviceName: "shop", consent: "granted" });
  telemetry.clear();
  assert.deepEqual(telemetry.records, []);
});

test("mutations name their store, also after the records were cleared", () => {
  const telemetry = recordTelemetry((path) => path === "isLoading");
  throughline.start("granted", configuration);
  const profile = createTracedState({ displayName: "", isLoading: false }, { name: "UserProfile" });
  telemetry.clear();
  profile.isLoading = true;
  profile.displayName = "Ada";
  assert.deepEqual(
    telemetry.of("mutation").map(({ name, details }) => [details["store"], name, details["old"], details["new"]]),
    [["UserProfile", "displayName", "", "Ada"]],
  );
});

test("a request is recorded once, and not after the shutdown, which gives the app its fetch back", async () => {
  const telemetry = recordTelemetry();
  throughline.start("granted", configuration, { xhr: false });
  const server = createServer((_request, response) => response.end("a")).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/a`;
  try {
    await (await fetch(url)).text();
  } finally {
    server.close();
  }
  assert.deepEqual(telemetry.names("request"), [url]);
  assert.deepEqual(await throughline.flush(), { isComplete: true, delivered: telemetry.records.length, waiting: 0 });
  assert.equal(await throughline.shutdown(), true);
  assert.equal(globalThis.fetch, platformFetch);
  throughline.event("late");
  assert.deepEqual(telemetry.names("event"), []);
});

test("what a test records does not grow without bound", () => {
  const telemetry = recordTelemetry();
  throughline.start("granted", configuration);
  for (let n = 0; n < 25_000; n++) throughline.event(String(n));
  assert.equal(telemetry.records.length, 10_000);
  assert.equal(telemetry.names("event").at(-1), "24999");
});

test("a second test begins with nothing, and the first one's records stay as they are", () => {
  const first = recordTelemetry();
  throughline.start("granted", configuration);
  throughline.event("first");
  const second = recordTelemetry();
  throughline.event("early");
  throughline.start("granted", configuration);
  throughline.event("second");
  assert.deepEqual([first.names("event"), second.names("event")], [["first"], ["early", "second"]]);
  assert.notEqual(throughline.sessionId(), undefined);
});
