import assert from "node:assert/strict";
import { test } from "node:test";
import { close, open } from "@throughline/core";
import { CALL_ERROR, CALL_LOG } from "@throughline/core/calls";
import { RecordingSink } from "@throughline/core/testing";
import { traceRejections } from "@throughline/react-native/rejections";

test("Hermes tells of rejections that nobody handles, and of a handler that comes late", async () => {
  const sink = new RecordingSink();
  open(sink, () => {});
  const undo = traceRejections();
  const rejected = Promise.reject(new TypeError("nobody handles this"));
  void Promise.reject(new RangeError("handled")).catch(() => {});
  const broken = async () => {
    await Promise.resolve();
    throw new ReferenceError("in an async function");
  };
  void broken();
  const errors = () => sink.calls.filter(([call]) => call === CALL_ERROR).map((fields) => fields[6]);
  for (let turn = 0; turn < 200 && errors().length < 2; turn++) await new Promise((done) => setTimeout(done, 10));
  assert.deepEqual(errors().sort(), ["in an async function", "nobody handles this"]);
  await rejected.catch(() => {});
  await new Promise((done) => setTimeout(done, 10));
  assert.equal(sink.calls.filter(([call]) => call === CALL_LOG).length, 1);
  undo();
  close();
});
