// What stands between this package and a platform.

/**
 * A value as a sink takes it: a primitive, or a list of a tag of the draft's and what it says.
 * `null` is none.
 */
export type Field = string | number | boolean | null | readonly Field[] | Uint8Array;

/**
 * Takes calls. In an app it is the native module, which writes the draft and hands it to the core;
 * in a test it is a `RecordingSink`.
 */
export interface Sink {
  /**
   * Records a call: its code, the slot of its context (0: none), how many mutations of a store were
   * suppressed since the last call, and the fields of the call in the order of the layout, with the
   * attributes as alternating keys and values at the end.
   *
   * @returns an answer of the layout, or what the call answers instead. It never throws.
   */
  record(...fields: Field[]): number;
  /**
   * As {@link Sink.record}, for a call that was made at a time (ms since the epoch). What it records belongs to the
   * session, the view and the action of that time.
   */
  recordAt(time: number, ...fields: Field[]): number;
  /** The headers for a request in the context under a slot. `existing` are the app's own. */
  traceHeaders(url: string, slot: number, existing: Record<string, string>): Record<string, string>;
  /** The id of the trace of the context under a slot. */
  traceId(slot: number): string | undefined;
}
