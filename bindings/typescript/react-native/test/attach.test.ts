import assert from "node:assert/strict";
import { test } from "node:test";

const generated = await import(new URL("../src/attach.js", import.meta.url).href);

/** Puts a native side of the generated code in place, of which every function answers with one number. */
function library(answers: Record<string, number>, code = 0): void {
  const functions = new Proxy(answers, {
    get:
      (known, name: string) =>
      (...args: unknown[]) => {
        const status = args.at(-1);
        if (typeof status === "object" && status !== null) Object.assign(status, { code });
        return known[Object.keys(known).find((part) => name.includes(part)) ?? ""] ?? 0;
      },
  });
  Object.assign(globalThis, { NativeThroughlineAttach: functions });
}

test("a library of another version says which part differs, although the bundle leaves out the texts of errors", () => {
  library({ contract_version: 1 });
  assert.throws(() => generated.default.initialize(), /ContractVersionMismatch 1 \d+/);
  library({ contract_version: 30, checksum: 0 });
  assert.throws(() => generated.default.initialize(), /ApiChecksumMismatch .*checksum_func_/);
});

test("a panic of the library is an error, and no answer", () => {
  library({ func_running: 5 }, 2);
  assert.throws(() => generated.running(), /RustPanic/);
  library({ func_running: 5 });
  assert.equal(generated.running(), 5);
});
