import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { app, manifest, packages, run, tarballs } from "../app.mjs";

/** What a package may hold. */
const ALLOWED = {
  "@throughline/core": [/^build\/src\/[\w-]+(\.d\.ts|\.js)$/],
  "@throughline/react-native": [
    /^build\/src\/[\w-/]+(\.d\.ts|\.js)$/,
    /^src\/NativeThroughline\.ts$/,
    /^android\/(build\.gradle|CMakeLists\.txt|Installer\.cpp|consumer-rules\.pro)$/,
    /^android\/src\/main\/(AndroidManifest\.xml|java\/dev\/throughline\/reactnative\/\w+\.kt)$/,
    /^cpp\/((generated|uniffi)\/)?\w+\.(h|hpp|cpp)$/,
    /^ios\/\w+\.(h|mm|swift)$/,
    /^ThroughlineReactNative\.podspec$/,
  ],
};
const ALWAYS = /^(package\.json|README\.md|LICENSE-APACHE|LICENSE-MIT)$/;

/** What Gradle, CocoaPods and Codegen look for. */
const NEEDED = [
  "android/build.gradle",
  "android/CMakeLists.txt",
  "android/Installer.cpp",
  "android/src/main/AndroidManifest.xml",
  "android/src/main/java/dev/throughline/reactnative/ThroughlinePackage.kt",
  "cpp/Module.h",
  "cpp/uniffi/UniffiCallInvoker.h",
  "ios/ThroughlineModule.mm",
  "ios/ThroughlineStarter.swift",
  "src/NativeThroughline.ts",
  "ThroughlineReactNative.podspec",
  "LICENSE-MIT",
];

const files = (tarball) =>
  execFileSync("tar", ["tzf", tarball], { encoding: "utf8" })
    .split("\n")
    .filter((path) => path && !path.endsWith("/"))
    .map((path) => path.replace(/^package\//, ""));

for (const [at, name] of packages.entries()) {
  test(`${name} carries no test, no build state and nothing else that an app does not need`, () => {
    const strange = files(tarballs[at]).filter((path) => ![ALWAYS, ...ALLOWED[name]].some((form) => form.test(path)));
    assert.deepEqual(strange, []);
  });

  test(`${name} exports no file that is not there`, () => {
    const targets = Object.values(manifest(name).exports).flatMap((entry) =>
      typeof entry === "string" ? [entry] : Object.values(entry),
    );
    const folder = join(app, "node_modules", name);
    assert.deepEqual(
      targets.filter((path) => !existsSync(join(folder, path))),
      [],
    );
  });

  test(`${name} is one that publint and attw find nothing wrong with`, () => {
    run("publint", "run", "--strict", tarballs[at]);
    // Both are ES modules alone, as React Native's own packages for Metro and Jest read them.
    run("attw", "--profile", "esm-only", "--format", "ascii", tarballs[at]);
  });
}

test("the package for React Native lacks nothing that Gradle, CocoaPods and Codegen look for", () => {
  const there = files(tarballs[1]);
  assert.deepEqual(
    NEEDED.filter((path) => !there.includes(path)),
    [],
  );
});
