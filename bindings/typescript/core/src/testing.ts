// For the tests of apps: a sink that keeps what it is given.

import {
  ANSWER_DONE,
  ANSWER_MALFORMED,
  CALL_DECIDE,
  CALL_DECLARE_STORE,
  CALL_UPDATE_POLICY,
  LIMIT_KEY_UNITS,
  LIMIT_NAME_UNITS,
  LIMIT_TEXT_UNITS,
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
    const head = fields[0] as number;
    if (head >= 256) return this.recordShort(head, fields.slice(1));
    const [call, , , , last] = fields;
    if (call === CALL_DECIDE) {
      return this.version * 2 ** PATH_ANSWER_LAYOUT_VERSION_SHIFT + (this.isIgnored(String(last)) ? 1 : 0);
    }
    this.calls.push(fields);
    if (call === CALL_UPDATE_POLICY) return ++this.version;
    return call === CALL_DECLARE_STORE ? this.version : ANSWER_DONE;
  }

  /** Keeps a call that was made in short as if it had been made in full. */
  private recordShort(head: number, [name, ...pairs]: Field[]): number {
    const fields: Field[] = [head % 256, 0, 0, Math.floor(head / 256), name!];
    const isShort = (value: unknown, units: number) =>
      typeof value === "string" ? value.length <= units : typeof value === "number" || typeof value === "boolean";
    if (typeof name !== "string" || !isShort(name, LIMIT_NAME_UNITS)) return ANSWER_MALFORMED;
    for (let at = 0; at < pairs.length; at += 2) {
      const [key, value] = [pairs[at]!, pairs[at + 1]];
      if (key === undefined) break;
      if (value === undefined || value === null) continue;
      if (!isShort(key, LIMIT_KEY_UNITS) || !isShort(value, LIMIT_TEXT_UNITS)) return ANSWER_MALFORMED;
      fields.push(key, value);
    }
    return this.record(...fields);
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
