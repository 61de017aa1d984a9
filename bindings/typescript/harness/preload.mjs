// Gives tests in Node what the harness gives them in Hermes.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

globalThis.throughlineHost = {
  ...createRequire(import.meta.url)("../build/throughline_harness.node"),
  readFile: (path) => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8"),
};
