import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

test("every example of the README compiles", () => {
  const here = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
  const examples = [...readFileSync(here("README.md"), "utf8").matchAll(/```ts\n(.*?)```/gs)];
  assert.ok(examples.length >= 7);
  const folder = here("build/readme");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const files = examples.map(([, example], at) => {
    const file = `${folder}/example${at}.ts`;
    writeFileSync(file, `export {};\n${example}`);
    return file;
  });
  const options = [
    "--ignoreConfig",
    "--noEmit",
    "--strict",
    "--skipLibCheck",
    "--target",
    "es2022",
    "--lib",
    "es2022,dom",
  ];
  for (const resolution of ["node16", "bundler"]) {
    const module = ["--module", resolution === "node16" ? "node16" : "esnext", "--moduleResolution", resolution];
    const tsc = fileURLToPath(new URL("../../../node_modules/typescript/bin/tsc", import.meta.url));
    try {
      execFileSync(process.execPath, [tsc, ...options, ...module, ...files], { encoding: "utf8" });
    } catch (failure) {
      assert.fail((failure as { stdout?: string }).stdout ?? String(failure));
    }
  }
});
