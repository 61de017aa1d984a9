// Bundles what the package uses of the generated code, with the small part of its runtime library
// that it needs. The version of that library which is on npm is older than the generator, so the
// generator's own copy is used.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/**
 * What the bundle leaves out. The runtime library makes a converter for every type of UniFFI when it is loaded, and so
 * does the generated code: a mark says that this has no effects. And an error of the library is a text to the package,
 * so each says its name and no more.
 */
const smaller = {
  name: "smaller",
  setup({ onLoad }) {
    onLoad({ filter: /\/errors\.ts$/ }, () => ({
      contents: `export class UniffiThrownObject {}
      export const UniffiInternalError = new Proxy({}, {
        get: (_, name) => function (...details) { return new Error([name, ...details].join(" ")); },
      });`,
    }));
    onLoad({ filter: /\.ts$/ }, ({ path }) => ({
      loader: "ts",
      contents: readFileSync(path, "utf8").replace(
        /^((?:export )?const \w+(?:: [^=]+)? = )(?=new |\(\(\) =>|[\w.]+(?:<[^=]*>)?\()/gm,
        "$1/* @__PURE__ */ ",
      ),
    }));
  },
};

await build({
  stdin: {
    contents: 'export { ask, running, default } from "./throughline_attach.ts";',
    resolveDir: here("."),
  },
  outfile: here("../build/src/attach.js"),
  plugins: [smaller],
  bundle: true,
  format: "esm",
  target: "es2022",
  // What only developers of the generator need is left out.
  define: { "process.env.NODE_ENV": '"production"' },
  alias: { "@ubjs/core": here("../../node_modules/uniffi-bindgen-react-native/typescript/src/index.ts") },
  // The licence of the runtime library asks to say where its source is.
  banner: {
    js: "// Contains parts of @ubjs/core, under the Mozilla Public License 2.0: https://www.npmjs.com/package/uniffi-bindgen-react-native",
  },
  logLevel: "warning",
});
