import assert from "node:assert/strict";
import { test } from "node:test";
import { close, open } from "@throughline/core";
import { CALL_MEASUREMENT } from "@throughline/core/calls";
import { RecordingSink } from "@throughline/core/testing";
import { traceHeap } from "@throughline/react-native/heap";

test("Hermes tells how much of its heap is used", () => {
  const sink = new RecordingSink();
  open(sink, () => {});
  const measured = () => sink.calls.filter(([call]) => call === CALL_MEASUREMENT).map((fields) => fields[6] as number);
  traceHeap()();
  // It is used by what is kept, and not by what was.
  const kept = Array.from({ length: 100_000 }, (_, n) => ({ n }));
  traceHeap()();
  const [before, size, after] = measured();
  assert.ok(before! > 0 && size! >= before! && after! > before! + kept.length);
  close();
});
