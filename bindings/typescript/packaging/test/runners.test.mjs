import { readFileSync } from "node:fs";
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { app, run, write } from "../app.mjs";

/** A test of an app's, as the guide says that it is written. Both runners have `test` and `expect`. */
const TEST = `
import { attach, event, operation, shutdown, start, startView } from "@throughline/react-native";
import { recordTelemetry } from "@throughline/react-native/jest";
import { createTracedState } from "@throughline/core/valtio";

test("without the native module, one warning says that nothing is recorded", async () => {
  const { warn } = console;
  const warnings = [];
  console.warn = (text) => warnings.push(text);
  start("granted", { serviceName: "shop" });
  attach();
  console.warn = warn;
  expect(warnings).toHaveLength(1);
});

test("what was recorded can be read", async () => {
  const telemetry = recordTelemetry();
  start("granted", { serviceName: "shop" });
  const profile = createTracedState({ displayName: "" }, { name: "UserProfile" });
  startView("Profile");
  profile.displayName = "Ada";
  await operation("Save", async (op) => op.run(() => event("Saved", { items: 2 })));
  expect(telemetry.names("view")).toEqual(["Profile"]);
  expect(telemetry.names("mutation")).toEqual(["displayName"]);
  expect(telemetry.of("event")[0].attributes).toEqual({ items: 2 });
  expect(telemetry.names("operation")).toEqual(["Save"]);
  expect(await shutdown()).toBe(true);
});
`;

/** What the guide says that an app's settings are. */
const guide = readFileSync(fileURLToPath(new URL("../../../../docs/react-native.md", import.meta.url)), "utf8");
const settings = (mark) => {
  const found = [...guide.matchAll(/```js\n(.*?)```/gs)].find(([, text]) => text.includes(mark));
  assert.ok(found, `the guide has settings with ${mark}`);
  return found[1];
};

test("Jest with React Native's preset runs an app's test by the guide's settings", () => {
  write("jest.config.js", settings("transformIgnorePatterns"));
  write("runners/telemetry.test.js", TEST);
  run("jest", "--ci", "--watchman=false", "--runInBand", "runners");
});

test("Vitest runs the same test by the guide's settings", () => {
  write("vitest.config.mjs", settings("vitest/config"));
  write("test/react-native.mjs", settings("TurboModuleRegistry"));
  write("runners/telemetry.spec.js", `import { expect, test } from "vitest";${TEST}`);
  run("vitest", "run", "--config", "vitest.config.mjs", "runners/telemetry.spec.js");
});

test("Metro takes the guide's settings for the versions that do not read `exports` by themselves", async () => {
  const { createRequire } = await import("node:module");
  const { join } = await import("node:path");
  write("metro-before/metro.config.js", settings("unstable_enablePackageExports"));
  const require = createRequire(join(app, "package.json"));
  const { loadConfig } = require("metro");
  const config = await loadConfig({ config: join(app, "metro-before/metro.config.js") });
  assert.equal(config.resolver.unstable_enablePackageExports, true);
  assert.equal(config.projectRoot, join(app, "metro-before"));
});
