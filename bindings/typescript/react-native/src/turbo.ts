// The native side as it is in an app: the turbo module, the door, and the generated code.

import { DRAFT_LAYOUT_LIBRARY_VERSION } from "@throughline/core/calls";
import generated, { attach, type AttachedClient } from "./attach.js";
import type { Client, CoreHealth, Native } from "./native.js";
import NativeThroughline from "./NativeThroughline.js";

export type { Client, CoreHealth, Native };

/** What the native module puts into the runtime: see `Module.h`. */
interface Installed {
  throughlineDoor?: Native["door"];
  throughlineVersion?: number;
}

/** The native side, `undefined` when the app has none, or a text that says why it cannot be used. */
export function findNative(): Native | undefined | string {
  if (!NativeThroughline) return undefined;
  try {
    if (!NativeThroughline.install()) return "the native module cannot be installed in this JavaScript runtime";
    const { throughlineDoor, throughlineVersion } = globalThis as Installed;
    if (!throughlineDoor || throughlineVersion !== DRAFT_LAYOUT_LIBRARY_VERSION) {
      return (
        `the native library has version ${shown(throughlineVersion)}, and this JavaScript needs ` +
        `${shown(DRAFT_LAYOUT_LIBRARY_VERSION)}: build the app again`
      );
    }
    generated.initialize();
    return new Turbo(NativeThroughline, throughlineDoor);
  } catch (error) {
    return `the native library cannot be used: ${error instanceof Error ? error.message : typeof error}`;
  }
}

/** A version as people write it. */
const shown = (version: number | undefined): string =>
  version === undefined
    ? "none"
    : `${Math.floor(version / 2 ** 32)}.${Math.floor(version / 2 ** 16) % 2 ** 16}.${version % 2 ** 16}`;

class Turbo implements Native {
  constructor(
    private readonly module: NonNullable<typeof NativeThroughline>,
    readonly door: Native["door"],
  ) {}

  start(config: string): string {
    return this.module.start(config);
  }

  flush(timeoutMs: number): Promise<string> {
    return this.module.flush(timeoutMs);
  }

  shutdown(timeoutMs: number): Promise<string> {
    return this.module.shutdown(timeoutMs);
  }

  processStart(): number {
    return this.module.processStart();
  }

  running(): Client | undefined {
    const client = attach();
    return client && new Attached(client);
  }
}

class Attached implements Client {
  readonly handle: number;

  constructor(private readonly client: AttachedClient) {
    this.handle = Number(client.door());
  }

  traceHeaders(url: string, slot: number, existing: Record<string, string>): Record<string, string> {
    return Object.fromEntries(this.client.traceHeaders(url, BigInt(slot), new Map(Object.entries(existing))));
  }

  traceId(slot: number): string | undefined {
    return this.client.traceId(BigInt(slot));
  }

  sessionId(): string | undefined {
    return this.client.sessionId();
  }

  installationId(): string | undefined {
    return this.client.installationId();
  }

  setConsent(consent: "granted" | "pending" | "denied"): boolean {
    return this.client.setConsent(consent);
  }

  setEnabled(enabled: boolean): boolean {
    return this.client.setEnabled(enabled);
  }

  setSessionSampleRate(rate: number): boolean {
    return this.client.setSessionSampleRate(rate);
  }

  setTraceSampleRate(rate: number): boolean {
    return this.client.setTraceSampleRate(rate);
  }

  isRunning(): boolean {
    return this.client.isRunning();
  }

  health(): CoreHealth {
    return JSON.parse(this.client.health()) as CoreHealth;
  }
}
