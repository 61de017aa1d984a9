/** Why a call failed. */
export type ThroughlineErrorKind =
  /** The configuration cannot work. */
  | "invalidConfig"
  /** The data directory cannot be used. */
  | "storage"
  /** The client does not run. */
  | "closed"
  /** The native library is missing, or of another version. */
  | "library";

/** What `start` throws, and with what the promises of `flush` and `shutdown` are rejected. Nothing else fails. */
export class ThroughlineError extends Error {
  override readonly name = "ThroughlineError";

  constructor(
    readonly kind: ThroughlineErrorKind,
    reason: string,
  ) {
    super(reason);
  }
}
