// Bundles the tests for Hermes: `node bundle.mjs OUT [lowered|preserved] [production]`. The preset
// of React Native lowers `async` functions by default, and an app may preserve them.
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const [out, form = "lowered", mode = "development"] = process.argv.slice(2);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const entries = ["test", "hermes"].flatMap((folder) =>
  readdirSync(here(`build/${folder}`))
    .filter((name) => /\.(test|bench|run)\.js$/.test(name))
    .map((name) => here(`build/${folder}/${name}`)),
);

await build({
  entryPoints: entries,
  outdir: out,
  entryNames: "[name]",
  inject: [here("shims/platform.mjs"), here("shims/fetch.mjs")],
  bundle: true,
  format: "iife",
  // Hermes has classes and private fields, which need not be lowered.
  target: form === "lowered" ? "es2016" : "es2020",
  supported: {
    class: true,
    "class-field": true,
    "class-private-field": true,
    "object-rest-spread": true,
    ...(form === "preserved" && { "async-await": true }),
  },
  alias: {
    "node:test": here("shims/test.mjs"),
    "node:assert/strict": here("shims/assert.mjs"),
    "react-native": here("shims/react-native.mjs"),
  },
  define: { "process.env.NODE_ENV": JSON.stringify(mode), "import.meta.env": "undefined", __DEV__: "false" },
  logLevel: "warning",
});
