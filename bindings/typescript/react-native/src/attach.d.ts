// What `generated/bundle.mjs` makes of the generated code: see `uniffi/attach`.

/** A client that somebody else has started. After its shutdown every call does nothing. */
export interface AttachedClient {
  door(): bigint;
  isRunning(): boolean;
  recordTap(name: string, attributes: Map<string, string>): boolean;
  traceHeaders(url: string, slot: bigint, existing: Map<string, string>): Map<string, string>;
  traceId(slot: bigint): string | undefined;
  sessionId(): string | undefined;
  installationId(): string | undefined;
  setConsent(consent: string): boolean;
  setEnabled(enabled: boolean): boolean;
  setSessionSampleRate(rate: number): boolean;
  setTraceSampleRate(rate: number): boolean;
  health(): string;
}

/** The client that runs in this process. */
export function attach(): AttachedClient | undefined;

declare const generated: {
  /** Throws when the library is of another version than the generated code. */
  initialize(): void;
};
export default generated;
