import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { app, run, write } from "../app.mjs";

const NAME = "@throughline/react-native";
const folder = join(app, "node_modules", NAME);

test("the command line of React Native links the module without a word in the app", () => {
  const { dependencies } = JSON.parse(run("rnc-cli", "config"));
  const { android, ios } = dependencies[NAME].platforms;
  assert.equal(android.packageImportPath, "import dev.throughline.reactnative.ThroughlinePackage;");
  assert.equal(android.packageInstance, "new ThroughlinePackage()");
  assert.equal(android.sourceDir, join(folder, "android"));
  assert.equal(android.libraryName, "ThroughlineSpec");
  assert.equal(ios.podspecPath, join(folder, "ThroughlineReactNative.podspec"));
});

for (const platform of ["android", "ios"]) {
  test(`Expo links the module for ${platform} without a config plugin`, () => {
    const printed = run("expo-modules-autolinking", "react-native-config", "--platform", platform, "--json");
    const found = JSON.parse(printed).dependencies[NAME].platforms[platform];
    if (platform === "android") assert.equal(found.packageInstance, "new ThroughlinePackage()");
    else assert.equal(found.podspecPath, join(folder, "ThroughlineReactNative.podspec"));
  });

  test(`React Native's own script generates the code of the module for ${platform}`, () => {
    const script = join(app, "node_modules/react-native/scripts/generate-codegen-artifacts.js");
    const out = join(app, `codegen-${platform}`);
    write("ios/.keep", "");
    execFileSync(process.execPath, [script, "--path", app, "--outputPath", out, "--targetPlatform", platform], {
      stdio: "pipe",
    });
    const written = readdirSync(out, { recursive: true }).map(String);
    assert.ok(
      written.some((file) => file.endsWith("ThroughlineSpec.h") || file.endsWith("ThroughlineSpecJSI.h")),
      written.join("\n"),
    );
    if (platform === "ios") {
      const providers = written.find((file) => file.endsWith("RCTModuleProviders.mm"));
      assert.match(readFileSync(join(out, providers), "utf8"), /@"Throughline": @"ThroughlineModule"/);
    }
  });
}

test("nothing of the package runs when it is installed", () => {
  const { scripts } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  assert.deepEqual(
    ["preinstall", "install", "postinstall", "prepare"].filter((name) => scripts?.[name]),
    [],
  );
  assert.ok(!existsSync(join(folder, "binding.gyp")));
});
