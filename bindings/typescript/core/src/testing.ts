// For the tests of apps: a sink that keeps what it is given.

import {
  ANSWER_DONE,
  CALL_DECIDE,
  CALL_DECLARE_STORE,
  CALL_UPDATE_POLICY,
  PATH_ANSWER_LAYOUT_VERSION_SHIFT,
} from "./calls.js";
import type { Field, Sink } from "./sink.js";

/** Keeps calls in memory, and answers as the core does: a path is ignored if `isIgnored` says so. */
export class RecordingSink implements Sink {
  /** Every call, with its fields. */
  readonly calls: Field[][] = [];
  private version = 1;

  constructor(private readonly isIgnored: (path: string) => boolean = () => false) {}

  record(...fields: Field[]): number {
    const [call, , , , last] = fields;
    if (call === CALL_DECIDE) {
      return this.version * 2 ** PATH_ANSWER_LAYOUT_VERSION_SHIFT + (this.isIgnored(String(last)) ? 1 : 0);
    }
    this.calls.push(fields);
    if (call === CALL_UPDATE_POLICY) return ++this.version;
    return call === CALL_DECLARE_STORE ? this.version : ANSWER_DONE;
  }

  recordAt(_time: number, ...fields: Field[]): number {
    return this.record(...fields);
  }

  traceHeaders(_url: string, _slot: number, _existing: Record<string, string>): Record<string, string> {
    return {};
  }

  traceId(_slot: number): string | undefined {
    return undefined;
  }
}
