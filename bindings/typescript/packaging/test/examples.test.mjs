import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { app, run, write } from "../app.mjs";

const require = createRequire(join(app, "package.json"));

test("every example of the guide compiles", () => {
  const guide = readFileSync(new URL("../../../../docs/react-native.md", import.meta.url), "utf8");
  const examples = [...guide.matchAll(/```tsx?\n(.*?)```/gs)].map(([, example]) => example);
  assert.ok(examples.length >= 2);
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
