// Installs the packages, as npm would publish them, into an empty app outside of the repository, and
// runs the tests in `test` there.
//
// usage: node check.mjs CACHE
//
// What the app needs besides is installed once into the folder CACHE, by its own lock file.

import { deepEqual } from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const [cache] = process.argv.slice(2);
const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];

function run(folder, program, ...args) {
  execFileSync(program, args, { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
}

/** The folder with what the app needs, in the versions of its lock file. */
function installed() {
  const lock = createHash("sha256")
    .update(readFileSync(here("app/package-lock.json")))
    .digest("hex")
    .slice(0, 16);
  const folder = join(cache, `react-native-app-${lock}`);
  if (existsSync(folder)) return folder;
  const unfinished = mkdtempSync(`${folder}.unfinished-`);
  for (const file of ["package.json", "package-lock.json", ".npmrc"])
    cpSync(here(`app/${file}`), join(unfinished, file));
  run(unfinished, "npm", "ci", ...quiet);
  try {
    renameSync(unfinished, folder);
  } catch (other) {
    // Another run was faster.
    if (!existsSync(folder)) throw other;
    rmSync(unfinished, { recursive: true });
  }
  return folder;
}

/** Copies with hard links where the file system allows it, because there are 40,000 files. */
function copy(from, to) {
  if (spawnSync("cp", ["-al", from, to], { stdio: "ignore" }).status === 0) return;
  rmSync(to, { recursive: true, force: true });
  cpSync(from, to, { recursive: true, verbatimSymlinks: true });
}

/** The names of the packages that an app has installed. */
function packages(app) {
  const folder = join(app, "node_modules");
  const within = (name) =>
    name.startsWith("@") ? readdirSync(join(folder, name)).map((one) => `${name}/${one}`) : name;
  return readdirSync(folder)
    .filter((name) => !name.startsWith("."))
    .flatMap(within)
    .sort();
}

mkdirSync(cache, { recursive: true });
// Always the same one for a checkout: Metro keeps what it has transformed by the app's path.
const checkout = createHash("sha256").update(here("../../..")).digest("hex").slice(0, 16);
const folder = join(tmpdir(), `throughline-app-${checkout}`);
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder);
try {
  const app = join(folder, "app");
  copy(installed(), app);
  // npm writes into these, and they are the cache's own.
  rmSync(join(app, "node_modules/.package-lock.json"), { force: true });
  rmSync(join(app, "package-lock.json"));
  rmSync(join(app, "package.json"));
  cpSync(here("app/package.json"), join(app, "package.json"));
  // The app's own code and settings are those of the example.
  const example = here("../../../examples/react-native/app/");
  cpSync(example, app, { recursive: true, filter: (file) => !file.endsWith("package.json") });
  run(
    here(".."),
    "npm",
    "pack",
    "--workspace",
    "core",
    "--workspace",
    "react-native",
    "--pack-destination",
    folder,
    "--silent",
  );
  const version = JSON.parse(readFileSync(here("../react-native/package.json"), "utf8")).version;
  const tarballs = ["core", "react-native"].map((name) => join(folder, `throughline-${name}-${version}.tgz`));
  // npm asks the registry for what it knows of optional peers, so it cannot do without a network.
  const before = new Set(packages(app));
  run(app, "npm", "install", "--prefer-offline", "--no-package-lock", ...quiet, ...tarballs);
  const added = packages(app).filter((name) => !before.has(name));
  deepEqual(added, ["@throughline/core", "@throughline/react-native"], "a package needs what the app has not");
  const { status } = spawnSync(process.execPath, ["--test", here("test/")], {
    cwd: app,
    env: { ...process.env, THROUGHLINE_APP: app, THROUGHLINE_TARBALLS: tarballs.join("\n") },
    stdio: "inherit",
  });
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
