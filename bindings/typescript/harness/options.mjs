// How JavaScript is bundled for Hermes. The preset of React Native lowers `async` functions by
// default, and an app may preserve them.
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export const options = (form, mode, define = {}) => ({
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
  inject: [here("shims/platform.mjs"), here("shims/fetch.mjs")],
  alias: {
    "node:test": here("shims/test.mjs"),
    "node:assert/strict": here("shims/assert.mjs"),
    "react-native": here("shims/react-native.mjs"),
    // For the benchmark alone, which measures what the generated code costs.
    "generated-for-the-benchmark": here("../react-native/generated/throughline_attach.ts"),
    "@ubjs/core": here("../node_modules/uniffi-bindgen-react-native/typescript/src/index.ts"),
  },
  nodePaths: [here("../node_modules")],
  define: {
    "process.env.NODE_ENV": JSON.stringify(mode),
    "import.meta.env": "undefined",
    __DEV__: "false",
    ...define,
  },
  logLevel: "warning",
});
