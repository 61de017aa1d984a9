// `fetch`: each call is one request, with the headers of its trace.

import { guarded } from "./recorder.js";
import { CANCELLED, lengthOf, TIMED_OUT, TracedRequest } from "./request.js";

type Fetch = typeof globalThis.fetch;

/** Something that has a `fetch`: the global object. */
export interface FetchScope {
  fetch: Fetch;
}

/** What ends a request that ran on another API beneath a `fetch`. */
export interface Beneath {
  /** Whether one ran. */
  wasSeen: boolean;
}

/** The `fetch` whose synchronous part runs now. An XMLHttpRequest that is sent meanwhile is its own. */
let running: Beneath | undefined;

/** Tells the `fetch` that runs now, if one does, that a request was made on another API. */
export function claimedByFetch(): boolean {
  if (!running) return false;
  running.wasSeen = true;
  return true;
}

/** Which patch of `fetch` is in force. Those before it, which others may have wrapped, only pass calls on. */
let patch = 0;
/** Our patches, and what ends each. */
const patched = new WeakMap<Fetch, { readonly mine: number; readonly undo: () => void }>();

/**
 * Records every call of `scope.fetch` from now on. The app gets the platform's own response; its own
 * objects are not changed.
 *
 * @returns a function that ends it. What others have put around `fetch` meanwhile stays.
 */
export function traceFetch(scope: FetchScope = globalThis): () => void {
  const known = patched.get(scope.fetch);
  if (known?.mine === patch) return known.undo;
  const mine = ++patch;
  const inner = scope.fetch;
  const outer: Fetch = function (this: unknown, input, init) {
    if (mine !== patch) return inner.call(this as never, input, init);
    return traced(inner.bind(this as never), input, init);
  };
  const undo = (): void => {
    if (mine === patch) patch++;
    if (scope.fetch === outer) scope.fetch = inner;
  };
  patched.set(outer, { mine, undo });
  scope.fetch = outer;
  return undo;
}

function traced(inner: Fetch, input: RequestInfo | URL, init: RequestInit | undefined): Promise<Response> {
  const described = guarded(() => describe(input, init), undefined);
  // What cannot be read here is the platform's to refuse.
  if (!described) return inner(input, init);
  const { method, url, headers, signal } = described;
  const request = new TracedRequest(method, url);
  const added = request.headers(headers);
  const beneath: Beneath = { wasSeen: false };
  const outer = running;
  running = beneath;
  let answer: Promise<Response>;
  try {
    answer =
      Object.keys(added).length > 0 ? inner(input, { ...init, headers: merged(headers, added) }) : inner(input, init);
  } catch (error) {
    request.end({ errorType: nameOf(error) });
    throw error;
  } finally {
    running = outer;
  }
  return answer.then(
    (response) => {
      guarded(() => {
        // `fetch` on top of another API is over with its body; a `fetch` of the platform's is over
        // with its headers, and its body cannot be watched without touching it.
        const attributes = beneath.wasSeen ? undefined : { "throughline.ended": "headers" };
        request.end({
          status: response.status,
          bytes: lengthOf(response.headers.get("content-length")),
          ...(attributes && { attributes }),
        });
      }, undefined);
      return response;
    },
    (error: unknown) => {
      guarded(() => request.end({ errorType: signal?.aborted ? abortedBy(signal) : nameOf(error) }), undefined);
      throw error;
    },
  );
}

interface Described {
  readonly method: string;
  readonly url: string;
  /** The headers that the request has, by names in lower case. */
  readonly headers: Record<string, string>;
  readonly signal: AbortSignal | undefined;
}

function describe(input: RequestInfo | URL, init: RequestInit | undefined): Described {
  const request = typeof input === "object" && "url" in input ? input : undefined;
  const url = request ? request.url : String(input);
  const base = (globalThis as { location?: { href?: string } }).location?.href;
  return {
    method: String(init?.method ?? request?.method ?? "GET"),
    url: guarded(() => new URL(url, base).href, url),
    // Headers of `init` replace all of the request's, on every platform.
    headers: pairs(init?.headers ?? request?.headers),
    signal: init?.signal ?? request?.signal ?? undefined,
  };
}

/** A copy of headers in whatever form the app has them. */
function pairs(headers: HeadersInit | undefined): Record<string, string> {
  const copy: Record<string, string> = {};
  const add = (value: string, name: string) => {
    const key = String(name).toLowerCase();
    copy[key] = key in copy ? `${copy[key]}, ${value}` : String(value);
  };
  if (!headers) return copy;
  if (typeof (headers as Headers).forEach === "function" && !Array.isArray(headers)) (headers as Headers).forEach(add);
  else
    for (const [name, value] of Array.isArray(headers) ? headers : Object.entries(headers))
      add(value as string, name as string);
  return copy;
}

const merged = (headers: Record<string, string>, added: Record<string, string>): Record<string, string> => {
  const all = { ...headers };
  for (const [name, value] of Object.entries(added)) all[name.toLowerCase()] = value;
  return all;
};

/** Whether a signal was aborted by the user or the app, or by a time that was over. */
const abortedBy = (signal: AbortSignal): string =>
  (signal.reason as { name?: unknown } | undefined)?.name === "TimeoutError" ? TIMED_OUT : CANCELLED;

const nameOf = (error: unknown): string =>
  guarded(
    () =>
      error instanceof Error
        ? String((error.cause as { code?: unknown } | undefined)?.code ?? error.name)
        : typeof error,
    "Error",
  );
