// One request: its span, its headers, its end.

import { CALL_END_REQUEST, CALL_START_REQUEST, LIMIT_NAME_UNITS, LIMIT_URL_UNITS } from "./calls.js";
import { current, guarded, nextSlot, openSink, record } from "./recorder.js";
import { addAttributes, text, type Attributes } from "./values.js";

/** Why a request has no answer, in the words that all languages have. */
export const CANCELLED = "cancelled";
export const TIMED_OUT = "timeout";

/** What is known of a request that is over. */
export interface RequestEnd {
  /** The HTTP status. 0: there was no answer. */
  readonly status?: number;
  /** Bytes of the answer's body. */
  readonly bytes?: number | undefined;
  /** Why there was no answer. */
  readonly errorType?: string;
  readonly attributes?: Attributes | undefined;
}

/** A request that runs. End it once; later calls do nothing. */
export class TracedRequest {
  private readonly slot = nextSlot();
  private readonly url: string;
  private hasEnded = false;

  /** Begins a request in the current context. */
  constructor(method: string, url: string) {
    this.url = text(url, LIMIT_URL_UNITS);
    record([CALL_START_REQUEST, current(), 0, this.slot, text(method, LIMIT_NAME_UNITS).toUpperCase(), this.url]);
  }

  /**
   * The headers to set on the request, which already has the headers `existing`. Empty for hosts
   * that the configuration does not list.
   */
  headers(existing: Record<string, string>): Record<string, string> {
    return guarded(() => openSink()?.traceHeaders(this.url, this.slot, existing) ?? {}, {});
  }

  end({ status = 0, bytes, errorType = "", attributes }: RequestEnd): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    const size = bytes !== undefined && Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : -1;
    const fields = [CALL_END_REQUEST, 0, 0, this.slot, status, size, "", text(errorType, LIMIT_NAME_UNITS)];
    // No phases: this side cannot measure them.
    record(addAttributes([...fields, 0], attributes));
  }
}

/**
 * The address of a request, or `undefined` when it is none of the network: the address of a file or of data is what
 * the user has, and not where.
 */
export function networkUrl(url: string): string | undefined {
  const scheme = /^\s*([a-z][a-z0-9+.-]*):/i.exec(url)?.[1];
  // What is whole stays as the app has written it: not every platform's `URL` reads it well.
  if (scheme !== undefined) return /^https?$/i.test(scheme) ? url : undefined;
  const base = (globalThis as { location?: { href?: string } }).location?.href;
  if (base === undefined) return url;
  const whole = guarded(() => new URL(url, base).href, url);
  return /^(?!https?:)[a-z][a-z0-9+.-]*:/i.test(whole) ? undefined : whole;
}

/** Whether two addresses are the same, apart from the query, which libraries add to. */
export const isSamePlace = (one: string, other: string): boolean =>
  one === other || one.replace(/[?#].*/s, "") === other.replace(/[?#].*/s, "");

/** What an error is called, for a request that has failed with it. */
export const errorType = (error: unknown): string =>
  guarded(() => {
    if (!(error instanceof Error)) return typeof error;
    const code = (error.cause as { code?: unknown } | undefined)?.code;
    return typeof code === "string" && code !== "" ? code : String(error.name || "Error");
  }, "Error");

/** The number in a `content-length` header. */
export const lengthOf = (header: string | null): number | undefined =>
  header !== null && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
