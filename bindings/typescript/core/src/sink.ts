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
   * In short, a call that has no context, when nothing was suppressed, begins with its code and 256 times its first
   * field, which is a byte. Then comes its name, and then its attributes as the app gave them, until a key is missing.
   * When one of them is no primitive, or longer than the core keeps it, a sink records nothing and answers
   * `ANSWER_MALFORMED`: then the call is made again in full.
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
