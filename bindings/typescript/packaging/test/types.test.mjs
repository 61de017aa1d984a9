import { test } from "node:test";
import { everything, run, write } from "../app.mjs";

const OPTIONS = ["--ignoreConfig", "--noEmit", "--strict", "--target", "es2022", "--types", ""];

test("the types are found by TypeScript with the resolution of Node", () => {
  write("types/everything.mts", everything());
  run(
    "tsc",
    ...OPTIONS,
    "--module",
    "node16",
    "--moduleResolution",
    "node16",
    "--skipLibCheck",
    "types/everything.mts",
  );
});

test("the types are found by TypeScript with the resolution of bundlers", () => {
  write("types/everything.ts", everything());
  const resolution = ["--module", "esnext", "--moduleResolution", "bundler", "--customConditions", "react-native"];
  run("tsc", ...OPTIONS, ...resolution, "--skipLibCheck", "types/everything.ts");
});
