// Gives tests in Node what the harness gives them in Hermes.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { draft, harness, record } = createRequire(import.meta.url)("../build/throughline_harness.node");

globalThis.throughlineHost = {
  draft,
  harness,
  door: (handle) => ({
    record: (...fields) => record(handle, 0, ...fields),
    recordAt: (time, ...fields) => record(handle, time, ...fields),
  }),
  readFile: (path) => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8"),
};
