import { test } from "node:test";
import { readFileSync } from "node:fs";
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

test("the native sides know every field of the configuration, and no other", () => {
  const vector = readFileSync(new URL("../vectors/configuration.json", import.meta.url), "utf8");
  const code = `
    import type { Configuration, Consent, Destination, RedactRules, TailSampling } from "@throughline/react-native";
    const vector = ${vector.trim()} as const satisfies Configuration & { consent: Consent };
    type Keys<V> = V extends V ? keyof V : never;
    type Missing<T, V> = Exclude<keyof T, Keys<V>>;
    const missing: [
      Missing<Configuration, typeof vector>,
      Missing<Destination, (typeof vector.destinations)[number]>,
      Missing<Exclude<NonNullable<Configuration["traceHosts"]>[0], string>, (typeof vector.traceHosts)[1]>,
      Missing<RedactRules, typeof vector.redact>,
      Missing<NonNullable<RedactRules["patterns"]>, typeof vector.redact.patterns>,
      Missing<TailSampling, typeof vector.tailSampling>,
    ][] = [];
    missing satisfies [never, never, never, never, never, never][];
  `;
  write("types/configuration.ts", code);
  run(
    "tsc",
    ...OPTIONS,
    "--module",
    "esnext",
    "--moduleResolution",
    "bundler",
    "--skipLibCheck",
    "types/configuration.ts",
  );
});
