import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { app, run, write } from "../app.mjs";

const require = createRequire(join(app, "package.json"));

/** The examples of a page, without the indentation of a list that they stand in. */
function examplesOf(page) {
  const text = readFileSync(new URL(`../../../../${page}`, import.meta.url), "utf8");
  return [...text.matchAll(/^( *)```tsx?\n(.*?)^ *```/gms)].map(([, indent, example]) =>
    example.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
  );
}

test("every example of the guides compiles", () => {
  const examples = [...examplesOf("docs/react-native.md"), ...examplesOf("docs/consent.md")];
  assert.ok(examples.length >= 3);
  // What stands in the configuration, where it stands.
  const part = examplesOf("docs/destinations.md");
  assert.equal(part.length, 1);
  examples.push(
    'import { start } from "@throughline/react-native";\n' +
      `declare const dsn: string;\nstart("granted", {\nserviceName: "shop",\n${part[0]}});\n`,
  );
  const files = examples.map((example, at) => {
    write(`guide/example${at}.tsx`, `export {};\n${example}`);
    return `guide/example${at}.tsx`;
  });
  const options = ["--ignoreConfig", "--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--types", ""];
  const resolution = ["--module", "esnext", "--moduleResolution", "bundler", "--customConditions", "react-native"];
  run("tsc", ...options, ...resolution, "--jsx", "react-native", ...files);
});

test("the example app compiles", () => {
  run("tsc", "--project", "tsconfig.json");
});

test("Metro bundles the example app", async () => {
  const { loadConfig, runBuild } = require("metro");
  const config = { ...(await loadConfig({ cwd: app })), maxWorkers: 1, reporter: { update() {} } };
  const out = join(app, "example.android.js");
  await runBuild(config, { entry: "index.js", platform: "android", dev: false, minify: false, out });
  assert.match(readFileSync(out, "utf8"), /UserProfile/);
});

test("the example asks for the versions that it is checked with", () => {
  const read = (path) => JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"));
  const checked = read("../app/package.json");
  const example = read("../../../../examples/react-native/app/package.json");
  for (const kind of ["dependencies", "devDependencies"]) {
    for (const [name, version] of Object.entries(example[kind])) {
      if (!name.startsWith("@throughline/")) assert.equal(version, checked[kind][name], name);
    }
  }
});
