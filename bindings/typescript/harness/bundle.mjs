// Bundles the tests for Hermes: `node bundle.mjs OUT [lowered|preserved] [production]`.
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { options } from "./options.mjs";

const [out, form = "lowered", mode = "development"] = process.argv.slice(2);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const entryPoints = ["test", "hermes"].flatMap((folder) =>
  readdirSync(here(`build/${folder}`))
    .filter((name) => /\.(test|bench|run)\.js$/.test(name))
    .map((name) => here(`build/${folder}/${name}`)),
);

await build({ ...options(form, mode), entryPoints, outdir: out, entryNames: "[name]" });
