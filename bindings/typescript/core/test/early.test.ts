import assert from "node:assert/strict";
import { test } from "node:test";
import { CALL_CUSTOM } from "../src/calls.js";
import { counts, event } from "../src/index.js";
import { App, fieldsOf } from "./support.js";

// A file of its own, because a process starts once.
test("of what is recorded before the start, the latest 100 calls wait, and the others are counted", () => {
  for (let n = 0; n < 150; n++) event(`early${n}`);
  assert.equal(counts.lostEarlyCalls, 50);
  const app = new App();
  event("late");
  const names = fieldsOf(app, CALL_CUSTOM).map((fields) => fields[3]);
  assert.deepEqual(names, [...Array.from({ length: 100 }, (_, n) => `early${n + 50}`), "late"]);
});
