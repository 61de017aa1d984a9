import assert from "node:assert/strict";
import { test } from "node:test";
import { event, flush, health, shutdown, start } from "@throughline/react-native";
import { CALL_FAULT } from "@throughline/core/calls";
import { findNative, type Native } from "@throughline/react-native/native";
import { ask, type Arrived } from "../test/host.js";

for (const place of ["record", "before_commit", "transport"]) {
  test(`a panic in ${place} is counted, JavaScript goes on, and the next 1,000 events arrive`, async () => {
    start("granted", { serviceName: "panicked", startJitter: false });
    const native = findNative() as Native;
    const { record } = native.door(native.running()!.handle);
    const before = health()!.panics;
    event("before");
    record(CALL_FAULT, 0, 0, place);
    for (let n = 0; n < 1_000; n++) event("after", { n });
    // The panic may make one flush fail, but no event may be lost.
    let isComplete = false;
    for (let flushes = 0; flushes < 3 && !isComplete; flushes++) ({ isComplete } = await flush(20_000));
    assert.equal(isComplete, true);
    const { logs } = ask<{ logs: Arrived[] }>({ ask: "received" });
    const after = logs.filter(({ name }) => name === "after").map(({ attributes }) => attributes["n"]);
    assert.equal(new Set(after).size, 1_000);
    assert.equal(after.length, 1_000);
    assert.equal(logs.filter(({ name }) => name === "before").length, 1);
    assert.equal(health()!.panics, before + 1, "the panic is counted");
    await shutdown(20_000);
  });
}
