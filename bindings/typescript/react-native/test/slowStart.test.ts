import assert from "node:assert/strict";
import { test } from "node:test";
import type { Client } from "../src/native.js";
import "./platform.js";

const throughline = await import("../src/index.js");
const { useNative } = await import("../src/client.js");

test("a start that takes long is no failure: calls wait for it, and a native side that fails meanwhile harms nobody", async () => {
  const recorded: unknown[] = [];
  const record = (...fields: unknown[]) => recorded.push(fields.at(-1));
  let asked = 0;
  const running = () => {
    if (++asked === 2) throw new Error("Exception in HostFunction");
    return asked < 4 ? undefined : ({ handle: 1, isRunning: () => true } as Client);
  };
  const door = () => ({ record, recordAt: record });
  const answer = async () => "{}";
  useNative({ start: () => '{"starting":true}', flush: answer, shutdown: answer, running, door });
  throughline.start("granted", { serviceName: "shop" });
  throughline.event("early");
  assert.deepEqual([throughline.isRunning(), recorded], [false, []]);
  while (!throughline.isRunning()) await new Promise((done) => setTimeout(done, 10));
  assert.deepEqual(recorded, ["early"]);
});
