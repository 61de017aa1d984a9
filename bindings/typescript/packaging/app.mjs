// The app that the tests run in. See `check.mjs`.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** The folder of the app. */
export const app = process.env.THROUGHLINE_APP;

/** The tarballs of core and react-native. */
export const tarballs = process.env.THROUGHLINE_TARBALLS.split("\n");

/** The names of the packages, and their manifests as they are installed. */
export const packages = ["@throughline/core", "@throughline/react-native"];
export const manifest = (name) => JSON.parse(readFileSync(join(app, "node_modules", name, "package.json"), "utf8"));

/** What an app can import from a package. */
export function entries(name) {
  const paths = Object.keys(manifest(name).exports).filter((path) => path !== "./package.json");
  return paths.map((path) => name + path.slice(1));
}

/** A module that imports entries, and keeps all that they export. */
export const importing = (entries) =>
  entries.map((entry, at) => `import * as entry${at} from "${entry}";\nconsole.log(entry${at});\n`).join("");

/** A module that imports everything. */
export const everything = () => importing(packages.flatMap(entries));

/** Runs a program that npm has installed, and returns what it prints. Fails with its output. */
export function run(program, ...args) {
  try {
    return execFileSync(join(app, "node_modules/.bin", program), args, { cwd: app, encoding: "utf8", stdio: "pipe" });
  } catch (failure) {
    throw new Error(`${program} ${args.join(" ")}\n${failure.stdout}${failure.stderr}`);
  }
}

/** Writes a file of the app. */
export function write(path, text) {
  mkdirSync(dirname(join(app, path)), { recursive: true });
  writeFileSync(join(app, path), text);
}
