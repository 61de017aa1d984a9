// Bundles what the package uses of the generated code, with the small part of a runtime library that it needs.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** What the generated code says and nobody needs, and what stands in its place. */
const CHANGES = [
  // Calls that only make something: without this mark, nobody knows that they can be left out.
  [/^((?:export )?const \w+(?:: [^=]+)? = )(?=new |\(\(\) =>|[\w.]+(?:<[^=]*>)?\()/gm, "$1/* @__PURE__ */ "],
  // The converter of texts has an encoder and a decoder for lists and records, of which there are none.
  ["uniffiCreateFfiConverterString(stringConverter)", "uniffiCreateFfiConverterString()"],
  // A converter may allocate on its way. Those of numbers and texts do not.
  [/(\.lower\(\w+), nativeModule\(\)\.rustbuffer_alloc\)/g, "$1)"],
  // Numbers cross as they are.
  [/FfiConverterFloat64\.lower\((\w+)\)/g, "$1"],
  ["FfiConverterFloat64.lift(", "("],
  // An error is a text to the package: its name, and the details.
  [/new UniffiInternalError\.(\w+)\(/g, 'UniffiInternalError("$1", '],
  [/\/\*liftString:\*\/.*\n/g, "\n"],
  // The benchmark alone calls `recordTap`.
  [/ +if \(nativeModule\(\)\.ubrn_\w+_checksum_func_record_tap\(\)[^}]*}\n/g, ""],
];

const smaller = {
  name: "smaller",
  setup({ onLoad }) {
    onLoad({ filter: /\/throughline_attach\.ts$/ }, ({ path }) => ({
      loader: "ts",
      contents: CHANGES.reduce(
        (text, [from, to]) => {
          const changed = text.replaceAll(from, to);
          if (changed === text) throw new Error(`the generated code has nothing like ${from}`);
          return changed;
        },
        readFileSync(path, "utf8"),
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
  alias: { "@ubjs/core": here("runtime.mjs") },
  banner: {
    js: "// Made by uniffi-bindgen-react-native, under the Mozilla Public License 2.0: https://www.npmjs.com/package/uniffi-bindgen-react-native",
  },
  logLevel: "warning",
});
