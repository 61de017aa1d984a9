// The native side as it is in an app: the turbo module, the door, and the generated code.

import { DRAFT_LAYOUT_LIBRARY_VERSION } from "@throughline/core/calls";
import generated, { attach, type AttachedClient } from "./attach.js";
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
      running: () => {
        const client = attach();
        return client && attached(client);
      },
      door: throughlineDoor,
    };
  } catch (error) {
    return `the native library cannot be used: ${error instanceof Error ? error.message : typeof error}`;
  }
}

/** A version as people write it. */
const shown = (version: number | undefined): string =>
  version === undefined
    ? "none"
    : `${Math.floor(version / 2 ** 32)}.${Math.floor(version / 2 ** 16) % 2 ** 16}.${version % 2 ** 16}`;

/** A client with the types that JavaScript has. The rest is asked of the client itself. */
const attached = (client: AttachedClient): Client =>
  Object.assign(Object.create(client) as AttachedClient, {
    handle: Number(client.door()),
    traceHeaders: (url: string, slot: number, existing: Record<string, string>) =>
      Object.fromEntries(client.traceHeaders(url, BigInt(slot), new Map(Object.entries(existing)))),
    traceId: (slot: number) => client.traceId(BigInt(slot)),
    health: () => JSON.parse(client.health()) as CoreHealth,
  });
