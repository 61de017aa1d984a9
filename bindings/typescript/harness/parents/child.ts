// Hermes in a process of its own.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const variable = (name: string): string => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
};

const repository = fileURLToPath(new URL("../../../../../", import.meta.url));

/** Starts a bundle in Hermes. */
export const hermes = (bundle: string, more: string[] = [], environment: Record<string, string> = {}) =>
  spawn(variable("THROUGHLINE_HERMES"), [repository, join(variable("THROUGHLINE_BUNDLES"), bundle), ...more], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...environment },
  });

/** How a process has ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly output: string;
}

/** Runs a bundle in Hermes until the process ends. */
export async function ended(bundle: string, environment: Record<string, string>): Promise<Ended> {
  const child = hermes(bundle, [], environment);
  let output = "";
  child.stdout.on("data", (bytes: Buffer) => (output += bytes.toString()));
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  return { code, signal, output: output.trim() };
}
