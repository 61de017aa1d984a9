// One request: its span, its headers, its end.

import { CALL_END_REQUEST, CALL_START_REQUEST, LIMIT_NAME_UNITS, LIMIT_URL_UNITS } from "./calls.js";
import { operationOf } from "./graphql.js";
import { currentSlot, guarded, nextSlot, record } from "./recorder.js";
import { TraceContext } from "./span.js";
import { addAttributes, text, type Attributes } from "./values.js";

/** What is known of a request that is over. */
export interface RequestEnd {
  /** The HTTP status. 0: there was no answer. */
  readonly status?: number;
  /** Bytes of the answer's body. -1: nobody knows. */
  readonly bytes?: number | undefined;
  /** Why there was no answer. */
  readonly errorType?: string;
  readonly attributes?: Attributes | undefined;
}

/** A request that runs, and its place in the trace. End it once; later calls do nothing. */
export class TracedRequest extends TraceContext {
  private hasEnded = false;
  private readonly operation: Attributes | undefined;

  /** Begins a request in the current context. Of its body, only the name of a GraphQL operation is read. */
  constructor(method: string, url: string, body: unknown) {
    super(nextSlot());
    this.operation = operationOf(url, body);
    record([
      CALL_START_REQUEST,
      currentSlot,
      0,
      this.slot,
      text(method, LIMIT_NAME_UNITS).toUpperCase(),
      text(url, LIMIT_URL_UNITS),
    ]);
  }

  end({ status = 0, bytes = -1, errorType = "", attributes }: RequestEnd): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    // No phases: this side cannot measure them.
    const fields = [CALL_END_REQUEST, 0, 0, this.slot, status, bytes, "", text(errorType, LIMIT_NAME_UNITS), 0];
    record(addAttributes(fields, { ...this.operation, ...attributes }));
  }
}

/**
 * The address of a request, or `undefined` when it is none of the network: the address of a file or of data is what
 * the user has, and not where.
 */
export function networkUrl(url: string): string | undefined {
  const schemeOf = (url: string): string => /^\s*([a-z][a-z0-9+.-]*):/i.exec(url)?.[1] ?? "";
  const base = (globalThis as { location?: { href?: string } }).location?.href;
  // What is whole stays as the app has written it: not every platform's `URL` reads it well.
  const whole = schemeOf(url) || base === undefined ? url : guarded(() => new URL(url, base).href, url);
  return /^(https?)?$/i.test(schemeOf(whole)) ? whole : undefined;
}

/** Whether two addresses are the same, apart from the query, which libraries add to. */
export function isSamePlace(one: string, other: string): boolean {
  const place = (url: string): string => url.replace(/[?#].*/s, "");
  return place(one) === place(other);
}

/** What an error is called, for a request that has failed with it. */
export const errorType = (error: unknown): string =>
  guarded(() => {
    if (!(error instanceof Error)) return typeof error;
    const code = (error.cause as { code?: unknown } | undefined)?.code;
    return typeof code === "string" && code !== "" ? code : String(error.name || "Error");
  }, "Error");

/** The number in a `content-length` header. */
export const lengthOf = (header: string | null | undefined): number | undefined =>
  /^\d{1,15}$/.test(header ?? "") ? Number(header) : undefined;
