// Bundles the generated code with the small part of its runtime library that it uses. The version of
// that library which is on npm is older than the generator, so the generator's own copy is used.
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

await build({
  entryPoints: [here("throughline_attach.ts")],
  outfile: here("../build/src/attach.js"),
  bundle: true,
  format: "esm",
  target: "es2020",
  // What only developers of the generator need is left out.
  define: { "process.env.NODE_ENV": '"production"' },
  alias: { "@ubjs/core": here("../../node_modules/uniffi-bindgen-react-native/typescript/src/index.ts") },
  // The licence of the runtime library asks to say where its source is.
  banner: {
    js: "// Contains parts of @ubjs/core, under the Mozilla Public License 2.0: https://www.npmjs.com/package/uniffi-bindgen-react-native",
  },
  logLevel: "warning",
});
