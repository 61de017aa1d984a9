// The native side as it is in an app: the turbo module, the door, and the generated code.

import { DRAFT_LAYOUT_LIBRARY_VERSION } from "@throughline/core/calls";
import generated, { ask, running } from "./attach.js";
import { said } from "./found.js";
import type { Client, CoreHealth, Native } from "./native.js";
import findModule from "./NativeThroughline.js";

export type { Client, CoreHealth, Native };

/** What the native module puts into the runtime: see `Module.h`. */
interface Installed {
  throughlineDoor?: Native["door"];
  throughlineVersion?: number;
}

/** The native side, `undefined` when the app has none, or a text that says why it cannot be used. */
export function findNative(): Native | undefined | string {
  try {
    const module = findModule();
    if (!module) return undefined;
    if (!module.install()) return "the native module cannot be installed in this JavaScript runtime";
    const { throughlineDoor, throughlineVersion } = globalThis as Installed;
    if (!throughlineDoor || throughlineVersion !== DRAFT_LAYOUT_LIBRARY_VERSION) {
      return (
        `the native library has version ${shown(throughlineVersion)}, and this JavaScript needs ` +
        `${shown(DRAFT_LAYOUT_LIBRARY_VERSION)}: build the app again`
      );
    }
    generated.initialize();
    return {
      start: (config) => module.start(config),
      flush: (timeoutMs) => module.flush(timeoutMs),
      shutdown: (timeoutMs) => module.shutdown(timeoutMs),
      processStart: () => module.processStart(),
      running: () => {
        const handle = running();
        return handle > 0 ? attached(handle) : undefined;
      },
      door: throughlineDoor,
    };
  } catch (error) {
    return `the native library cannot be used: ${said(error)}`;
  }
}

/** A version as people write it. */
const shown = (version: number | undefined): string =>
  version === undefined
    ? "none"
    : `${Math.floor(version / 2 ** 32)}.${Math.floor(version / 2 ** 16) % 2 ** 16}.${version % 2 ** 16}`;

/** The client with a handle. Each of its methods is a question: see `ask` in `uniffi/attach`. */
const attached = (handle: number): Client =>
  new Proxy({} as Client, {
    get: (_, question: string) =>
      question === "handle"
        ? handle
        : (...args: unknown[]) => JSON.parse(ask(handle, question, json(args))) ?? undefined,
  });

/** JSON without halves of a surrogate pair, which are no text anywhere else. */
const json = (args: unknown[]): string =>
  JSON.stringify(args).replace(/(\\\\)|\\ud[89a-f]../g, (_, backslash?: string) => backslash ?? "\\ufffd");
