import assert from "node:assert/strict";
import { test } from "node:test";
import type { Field } from "@throughline/core";
import { App, host } from "./host.js";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Vector = { [key: string]: Json };

const vectors = JSON.parse(host.readFile("tests/vectors/draft.json")) as { drafts: Vector[] };

/** The codes of calls by their names, and of each field's words: as the one table has them. */
const codes = (() => {
  const found: Record<string, number> = {};
  const source = host.readFile("bindings/typescript/core/src/calls.ts");
  for (const [, name, code] of source.matchAll(/^export const (\w+) = (-?\d+);/gm))
    found[name as string] = Number(code);
  return found;
})();

/** The enum of a field whose value is a word. */
const enumOf = (call: string, key: string): string | undefined => {
  if (key === "type") return "ACTION_TYPE";
  if (key === "kind") return call === "mutation" ? "MUTATION_KIND" : "ERROR_KIND";
  return { source: "ERROR_SOURCE", severity: "SEVERITY", instrument: "INSTRUMENT", outcome: "OUTCOME" }[key];
};

const NUMBERS = new Set(["slot", "other", "duration_ns", "bytes", "count", "depth"]);

/** A value as this package hands it over. */
function value(json: Json): Field {
  const [[kind, said]] = Object.entries(json as Record<string, Json>) as [[string, Json]];
  switch (kind) {
    case "none":
      return null;
    case "bool":
      return said as boolean;
    case "int":
      return typeof said === "number" ? said : [codes["TAG_INT"]!, said as string];
    case "double":
      return [codes["TAG_DOUBLE"]!, typeof said === "number" ? said : Number(said)];
    case "bytes":
      return Uint8Array.from((said as string).match(/../g) ?? [], (byte) => parseInt(byte, 16));
    case "list":
      return [codes["TAG_LIST"]!, ...(said as Json[]).map(value)];
    case "map":
      return [codes["TAG_MAP"]!, ...(said as [string, Json][]).flatMap(([key, element]) => [key, value(element)])];
    default:
      return said as string;
  }
}

/** The fields of a vector's call, in their order. */
function fieldsOf(vector: Vector): Field[] {
  const call = String(vector["call"]);
  const fields: Field[] = [
    codes[`CALL_${call.toUpperCase()}`]!,
    Number(vector["context"] ?? 0),
    Number(vector["suppressed"] ?? 0),
  ];
  for (const [key, json] of Object.entries(vector)) {
    const words = enumOf(call, key);
    if (["vector", "call", "context", "suppressed", "time_ns", "hex"].includes(key)) continue;
    if (key === "attributes")
      fields.push(...(json as [string, Json][]).flatMap(([name, element]) => [name, value(element)]));
    else if (key === "headers") fields.push(...(json as string[][]).flat());
    else if (key === "phases") {
      fields.push(
        (json as string[][]).flatMap(([phase, start, duration]) => [
          codes[`PHASE_${phase!.toUpperCase()}`]!,
          Number(start),
          Number(duration),
        ]),
      );
    } else if (words) fields.push(codes[`${words}_${String(json).toUpperCase()}`]!);
    else if (NUMBERS.has(key)) fields.push(Number(json));
    else if (typeof json === "object") fields.push(value(json));
    else fields.push(json);
  }
  return fields;
}

test("every vector is written as the core reads it", () => {
  for (const vector of vectors.drafts) {
    const time = Number(vector["time_ns"] ?? 0);
    const bytes = host.draft(time / 1e6, ...fieldsOf(vector));
    assert.ok(bytes, `${vector["vector"]} is a call`);
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    const expected = String(vector["hex"]);
    // A time of JavaScript's is exact to a quarter of a microsecond.
    const written = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(codes["DRAFT_LAYOUT_TIME_AT"]!, true);
    assert.ok(Math.abs(Number(written) - time) < 1_000, String(vector["vector"]));
    assert.equal(
      hex.slice(0, 32) + hex.slice(48),
      expected.slice(0, 32) + expected.slice(48),
      String(vector["vector"]),
    );
  }
});

test("what is no call is not written", () => {
  const action = [codes["CALL_ACTION"]!, 0, 0, 1, "tap"];
  const nested = (depth: number): Field => (depth === 0 ? 1 : [codes["TAG_LIST"]!, nested(depth - 1)]);
  for (const fields of [
    [],
    [1],
    [77, 0, 0],
    action.slice(0, 4),
    [...action.slice(0, 4), 5],
    [...action, 5, "x"],
    [...action, "k", [99, 1]],
    [...action, "k", []],
    [...action, "k", nested(12)],
  ]) {
    assert.equal(host.draft(0, ...fields), undefined, JSON.stringify(fields));
  }
  const most = host.draft(
    0,
    ...action,
    ...Array.from({ length: 3_000 }, (_, n) => `k${n}`)
      .flatMap((key) => [key, "x".repeat(1_000)])
      .slice(0, 3_900),
  );
  assert.ok(most && most.length <= codes["DRAFT_LAYOUT_MAX_DRAFT_BYTES"]!);
});

test("a call in short is the same draft as in full, and no draft when a value has to be converted or cut", () => {
  const head = codes["CALL_ACTION"]! + 256 * 5;
  const full = (...rest: Field[]) => host.draft(7, codes["CALL_ACTION"]!, 0, 0, 5, ...rest);
  const written: Field[][] = [
    ["tap"],
    ["t\u00e4p \ud83d\ude00", "sku", "\u00e9", "count", 3, "gift", true],
    ["tap", "none", null, "ratio", 0.5, "undefined", undefined as never],
    ["x".repeat(500), "k".repeat(130), "v".repeat(2_050)],
  ];
  for (const fields of written) {
    const [short, long] = [host.draft(7, head, ...fields), full(...fields)];
    assert.ok(short && long);
    assert.deepEqual(Array.from(short), Array.from(long), JSON.stringify(fields).slice(0, 80));
  }
  assert.deepEqual(host.draft(7, head, "tap", "a", 1, undefined as never, 2), full("tap", "a", 1), "a key is missing");
  const unwritten: unknown[][] = [
    [],
    [5],
    [Symbol("tap")],
    ["x".repeat(515)],
    ["tap", "k".repeat(131), 1],
    ["tap", "k", "v".repeat(2_051)],
    ["tap", "k", {}],
    ["tap", "k", [codes["TAG_LIST"]!, 1]],
    ["tap", "k", new Date(0)],
    ["tap", "k", 1n],
    ["tap", "k", Symbol("v")],
    ["tap", "k", () => 1],
    ["tap", 1, 1],
  ];
  for (const fields of unwritten) {
    assert.equal(host.draft(7, head, ...(fields as Field[])), undefined, String(fields.length));
  }
  // A view has no byte at its beginning, and 77 is no call.
  assert.equal(host.draft(7, codes["CALL_START_VIEW"]! + 256, "Home"), undefined);
  assert.equal(host.draft(7, 77 + 256, "Home"), undefined);
  assert.equal(host.draft(7, 65_536 + codes["CALL_ACTION"]!, "tap"), undefined);
});

test("one very long value does not hold on to its memory after its call", () => {
  // Hermes does not say how much memory the process has. Its door has the same buffer.
  const { process, gc } = globalThis as unknown as { process?: { memoryUsage?(): { rss: number } }; gc?(): void };
  if (!process?.memoryUsage || !gc) return;
  const app = new App();
  const head = codes["CALL_ACTION"]! + 256 * 5;
  const used = () => {
    gc();
    app.record(head, "tap");
    return process.memoryUsage!().rss / 2 ** 20;
  };
  const before = used();
  app.record(head, "tap", "body", "v".repeat(2 ** 26));
  const after = used();
  // The text itself may still be there. The buffer would have twice its size.
  assert.ok(after - before < 100, `${Math.round(after - before)} MiB more`);
  app.end();
});
