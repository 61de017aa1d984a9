import assert from "node:assert/strict";
import { test } from "node:test";
import { findNative } from "@throughline/react-native/native";
import type { Native } from "@throughline/react-native/native";
import { CALL_ACTION, CALL_START_OPERATION, FACADE_FIRST_SLOT } from "@throughline/core/calls";
import { ask } from "../test/host.js";

function native(): Native {
  const found = findNative();
  if (typeof found !== "object") throw new Error(found ?? "there is no native module");
  return found;
}

test("JavaScript attaches to a client that was started natively, and reaches all of it", () => {
  assert.equal(native().running(), undefined, "nothing runs yet");
  const handle = ask<number>({ ask: "start", traceHosts: ["127.0.0.1"] });
  const client = native().running()!;
  assert.equal(client.handle, handle);
  assert.match(client.sessionId()!, /^[0-9a-f]{8}-[0-9a-f-]{27}$/);
  assert.match(client.installationId()!, /^[0-9a-f]{8}-[0-9a-f-]{27}$/);
  const { record } = native().door(handle);
  assert.equal(record(CALL_START_OPERATION, 0, 0, FACADE_FIRST_SLOT + 1, "Checkout"), 1);
  assert.match(client.traceId(FACADE_FIRST_SLOT + 1)!, /^[0-9a-f]{32}$/);
  const headers = client.traceHeaders("http://127.0.0.1/", FACADE_FIRST_SLOT + 1, { Accept: "text/plain" });
  assert.match(headers!["traceparent"]!, new RegExp(`^00-${client.traceId(FACADE_FIRST_SLOT + 1)}-`));
  assert.deepEqual(client.traceHeaders("http://127.0.0.2/", FACADE_FIRST_SLOT + 1, {}), {});
  // Half of a pair is no text, and what only looks like one is.
  for (const odd of ["\ud800", "\udc00x", "\\ud800", "\ud83d\ude00"]) {
    const existing = { [`x-${odd}`]: odd };
    assert.ok(client.traceHeaders(`http://127.0.0.1/${odd}`, FACADE_FIRST_SLOT + 1, existing)?.["traceparent"], odd);
  }
  const { isEnabled, journal, panics, problems } = client.health()!;
  assert.deepEqual([isEnabled, journal === "off", panics, problems.length], [true, false, 0, 0]);
});

test("what JavaScript switches off is off, and a rate that cannot work is refused", async () => {
  const client = native().running()!;
  assert.equal(client.setSessionSampleRate(2), false);
  assert.equal(client.setTraceSampleRate(0.5), true);
  assert.equal(client.setConsent("perhaps" as "granted"), false);
  assert.equal(client.pauseDestination("unknown"), false);
  assert.equal(client.pauseDestination("default"), true);
  // Destinations are known when the queue is open.
  await native().flush(20_000);
  assert.deepEqual(
    client.health()!.destinations.map((destination) => destination.isPausedByApp),
    [true],
  );
  assert.equal(client.resumeDestination("default"), true);
  assert.equal(client.setEnabled(false), true);
  assert.equal(native().door(client.handle).record(CALL_ACTION, 0, 0, 4, "off"), 0);
  assert.equal(client.setEnabled(true), true);
});

test("after a shutdown nothing is found, and the old client answers without harm", async () => {
  const client = native().running()!;
  await native().flush(20_000);
  assert.equal(JSON.parse(await native().shutdown(20_000)).complete, true);
  assert.equal(native().running(), undefined);
  assert.ok(!client.isRunning());
  assert.equal(client.sessionId(), undefined);
  assert.equal(client.traceHeaders("http://127.0.0.1/", 1, {}), undefined, "nobody keeps it any more");
  assert.equal(client.health(), undefined);
  assert.equal(native().door(client.handle).record(CALL_ACTION, 0, 0, 4, "closed"), -1);
  assert.equal(native().door(999).record(CALL_ACTION, 0, 0, 4, "nobody"), -1);
});

test("a getter that records while the door writes a call harms neither, and numbers that are no tags are no calls", () => {
  const handle = ask<number>({ ask: "start", traceHosts: [] });
  const { record } = native().door(handle);
  const nested: number[] = [];
  const bytes = {
    get buffer(): ArrayBuffer {
      nested.push(record(CALL_ACTION, 0, 0, 4, "inner", "long", "x".repeat(2_000)));
      return new ArrayBuffer(8);
    },
    byteOffset: 0,
    byteLength: 8,
  };
  assert.equal(record(CALL_ACTION, 0, 0, 4, "outer", "bytes", bytes as never, "after", 1), 1);
  assert.deepEqual(nested, [1]);
  for (const tag of [NaN, 1e300, -1e300, Infinity]) {
    assert.equal(record(CALL_ACTION, 0, 0, 4, "tap", "k", [tag, 1]), -2);
    assert.equal(native().door(tag).record(CALL_ACTION, 0, 0, 4, "nobody"), -1);
  }
  ask({ ask: "shutdown" });
});
