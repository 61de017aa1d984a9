import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { app, entries, everything, importing, packages, write } from "../app.mjs";

const require = createRequire(join(app, "package.json"));

/** What an app has already. */
const EXTERNAL = [
  "react",
  "react-native",
  "valtio",
  "redux",
  "zustand",
  "jotai",
  "mobx",
  "@react-navigation",
  "expo-router",
];

/** The libraries of stores. An app has one of them, as a rule: the one that costs most is counted. */
const STORES = ["valtio", "redux", "zustand", "jotai", "mobx"].map((name) => `@throughline/core/${name}`);

/**
 * What is for tests, or for the other package alone, which brings what it needs of it, and what an app imports only if
 * it asks for more than others.
 */
const NOT_IN_APPS = /\/(testing|jest|calls|native|heap)$/;

/** How much an app may download for both packages. */
const GOAL = 15 * 1024;
/** How much it downloads now. The goal is not met yet; until it is, nothing may be added unnoticed. */
const NOW = 17.25 * 1024;

/** What of core an app with one library imports itself. `fetch` and the like come with React Native's package. */
const core = ["@throughline/core"];
const all = packages.flatMap(entries).filter((entry) => !NOT_IN_APPS.test(entry));
const ofReactNative = all.filter((entry) => entry.startsWith("@throughline/react-native"));

/** How many bytes an app's bundle grows by, minified and compressed. */
async function growth(entries) {
  const { build } = require("esbuild");
  const { outputFiles } = await build({
    stdin: { contents: importing(entries), resolveDir: app },
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2022",
    external: EXTERNAL.flatMap((name) => [name, `${name}/*`]),
    logLevel: "silent",
  });
  return gzipSync(outputFiles[0].contents, { level: 9 }).length;
}

test("core is within its size, and both packages do not grow unnoticed", async () => {
  const most = async (entries) => Math.max(...(await Promise.all(STORES.map((store) => growth([...entries, store])))));
  const [alone, both, whole] = [await most(core), await most([...core, ...ofReactNative]), await growth(all)];
  console.log(`rn_bundle_bytes ${both} (core alone ${alone}, everything at once ${whole})`);
  if (process.env.THROUGHLINE_BUNDLE_FILE) {
    writeFileSync(
      process.env.THROUGHLINE_BUNDLE_FILE,
      JSON.stringify({ rn_bundle_bytes: both, core_bundle_bytes: alone }),
    );
  }
  assert.ok(alone <= 9 * 1024, `core: ${alone} bytes`);
  console.log(
    both <= GOAL ? "The goal of 15 KiB is met." : `The goal of 15 KiB is not met: ${both - GOAL} bytes more.`,
  );
  assert.ok(both <= NOW, `core and react-native: ${both} bytes`);
});

for (const platform of ["android", "ios"]) {
  test(`Metro bundles an app for ${platform} that imports everything`, async () => {
    write("everything.js", everything());
    const { loadConfig, runBuild } = require("metro");
    const config = { ...(await loadConfig({ cwd: app })), maxWorkers: 1, reporter: { update() {} } };
    const out = join(app, `bundle.${platform}.js`);
    await runBuild(config, { entry: "everything.js", platform, dev: false, minify: false, out });
    const bundle = readFileSync(out, "utf8");
    assert.ok(bundle.includes("throughlineDoor") || bundle.includes("Throughline"));
    // Hermes reads no ES modules.
    assert.doesNotMatch(bundle, /^\s*(import|export) /m);
  });
}
