// What the native side offers to this package. In an app it is the turbo module and the generated
// code; a test may bring another.

import type { Sink } from "@throughline/core";

/**
 * The client of the process. Nothing of it waits. When nobody keeps the client any more, every answer is `undefined`.
 */
export interface Client {
  /** The handle that the door takes. */
  readonly handle: number;
  /** Whether it was not shut down yet. */
  isRunning(): boolean | undefined;
  traceHeaders(url: string, slot: number, existing: Record<string, string>): Record<string, string> | undefined;
  traceId(slot: number): string | undefined;
  sessionId(): string | undefined;
  installationId(): string | undefined;
  setConsent(consent: "granted" | "pending" | "denied"): boolean | undefined;
  setEnabled(enabled: boolean): boolean | undefined;
  setSessionSampleRate(rate: number): boolean | undefined;
  setTraceSampleRate(rate: number): boolean | undefined;
  pauseDestination(name: string): boolean | undefined;
  resumeDestination(name: string): boolean | undefined;
  /** The core's report, without what this side counts. */
  health(): CoreHealth | undefined;
  diagnose(reason: string | null): Diagnosis | undefined;
}

/** One thing that keeps data from arriving, or explains what is missing. */
export interface Finding {
  /** The name of the cause, which does not change: `consent_pending`, for example. */
  readonly cause: string;
  /** Whether nothing arrives, for one destination at least, until it is mended. */
  readonly blocks: boolean;
  /** The destination that it concerns. Without one: all of them. */
  readonly destination?: string | null;
  /** What was seen: a status, the text of an error, a name. */
  readonly seen: string;
  /** What can be done about it. */
  readonly advice: string;
}

/** What keeps data from arriving. */
export interface Diagnosis {
  /** What was found, what blocks first. */
  readonly findings: readonly Finding[];
  /** How many events were delivered, for the destination that has the most of them. */
  readonly delivered: number;
  /** How many events wait on the device. */
  readonly waiting: number;
  /** All of it as a few lines of text: print it. */
  readonly text: string;
}

/** See `HealthReport` of the core. Counts are numbers: JavaScript's are exact up to 2^53. */
export interface CoreHealth {
  readonly isEnabled: boolean;
  readonly journal: string;
  readonly storage: string;
  readonly accepted: number;
  readonly queued: number;
  readonly dropped: Record<string, number>;
  readonly destinations: readonly {
    readonly name: string;
    readonly delivered: number;
    readonly dropped: Record<string, number>;
    readonly paused: string | undefined;
    /** Whether the app has paused it. */
    readonly isPausedByApp: boolean;
  }[];
  readonly lastError: string | undefined;
  readonly stores: Record<
    string,
    {
      readonly mutations: number;
      readonly recorded: number;
      readonly actions: number;
      readonly suppressed: Record<string, number>;
      readonly dropped: number;
      readonly ambiguous: number;
    }
  >;
  /** Whether a crash of native code would be written down now. */
  readonly capturesCrashes: boolean;
  readonly panics: number;
  readonly closedCalls: number;
  readonly malformedCalls: number;
  readonly unknownCalls: number;
  readonly problems: readonly string[];
}

/** The native side. */
export interface Native {
  /** See `Spec.start`. */
  start(config: string): string;
  /** See `Spec.flush`. */
  flush(timeoutMs: number): Promise<string>;
  /** See `Spec.shutdown`. */
  shutdown(timeoutMs: number): Promise<string>;
  /** See `Spec.processStart`. */
  processStart(): number;
  /** The client that runs in this process, whoever has started it. */
  running(): Client | undefined;
  /** The functions that record, for the client with a handle. */
  door(handle: number): Pick<Sink, "record" | "recordAt">;
}
