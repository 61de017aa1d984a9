// `fetch`: each call is one request, with the headers of its trace.

import { operationOf } from "./graphql.js";
import { readHeaders, type ReadHeaders } from "./headers.js";
import { guarded } from "./recorder.js";
import { CANCELLED, errorType, isSamePlace, lengthOf, networkUrl, TIMED_OUT, TracedRequest } from "./request.js";
import type { Attributes } from "./values.js";

type Fetch = typeof globalThis.fetch;
/** A `fetch` of whatever form: that of the platform, or a library's, such as `expo/fetch`. */
type AnyFetch = (...args: never[]) => unknown;

/** Something that has a `fetch`: the global object. */
export interface FetchScope {
  fetch: Fetch;
}

/** A `fetch` whose synchronous part runs. */
interface Running {
  readonly by: object;
  readonly method: string;
  readonly url: string;
  /** Whether the request has been made on another API, which can see its end. */
  wasSeen: boolean;
}

let running: Running | undefined;

/** Whether the `fetch` that runs now, if one does, makes its request by this one on another API. */
export function claimedByFetch(method: string, url: string): boolean {
  if (!running || running.method.toUpperCase() !== method.toUpperCase() || !isSamePlace(running.url, url)) return false;
  running.wasSeen = true;
  return true;
}

/** Our patch of a scope. Others may have wrapped earlier ones, which only pass calls on. */
interface Patch {
  readonly outer: Fetch;
  readonly undo: () => void;
}
const inForce = new WeakMap<object, Patch>();
/** By the function that an app gave us, and by itself: its traced form. */
const wrapped = new WeakMap<AnyFetch, AnyFetch>();

/**
 * Records every call of `scope.fetch` from now on. The app gets the platform's own response; its own
 * objects are not changed.
 *
 * @returns a function that ends it. What others have put around `fetch` meanwhile stays.
 */
export function traceFetch(scope?: FetchScope): () => void;
/**
 * The same `fetch`, of which every call is recorded, for one that is not the global one:
 *
 * ```ts
 * import { fetch as expoFetch } from "expo/fetch";
 * const fetch = traceFetch(expoFetch);
 * ```
 */
export function traceFetch<F extends AnyFetch>(fetch: F): F;
export function traceFetch(of: FetchScope | AnyFetch = globalThis): AnyFetch {
  return typeof of === "function" ? wrap(of) : patch(of);
}

function wrap(inner: AnyFetch): AnyFetch {
  const known = wrapped.get(inner);
  if (known) return known;
  const by = {};
  const outer = like(inner, function (this: unknown, ...args: never[]) {
    return traced(by, inner, this, args);
  });
  wrapped.set(inner, outer);
  wrapped.set(outer, outer);
  return outer;
}

function patch(scope: FetchScope): () => void {
  const known = inForce.get(scope);
  if (known && scope.fetch === known.outer) return known.undo;
  const inner = scope.fetch as AnyFetch;
  if (typeof inner !== "function") return () => undefined;
  const outer = like(inner, function (this: unknown, ...args: never[]) {
    return inForce.get(scope) === mine ? traced(scope, inner, this, args) : inner.apply(this, args);
  }) as Fetch;
  const undo = (): void => {
    if (inForce.get(scope) === mine) inForce.delete(scope);
    guarded(() => {
      if (scope.fetch === outer) scope.fetch = inner as Fetch;
    }, undefined);
  };
  const mine: Patch = { outer, undo };
  guarded(() => {
    scope.fetch = outer;
    inForce.set(scope, mine);
  }, undefined);
  return undo;
}

/** Gives a function what the one that it stands for has besides: its name, and marks such as `polyfill`. */
function like(inner: AnyFetch, outer: AnyFetch): AnyFetch {
  guarded(() => {
    for (const key of Reflect.ownKeys(inner)) {
      const known = key === "prototype" ? undefined : Object.getOwnPropertyDescriptor(inner, key);
      if (known && (Object.getOwnPropertyDescriptor(outer, key)?.configurable ?? true))
        Object.defineProperty(outer, key, known);
    }
  }, undefined);
  return outer;
}

function traced(by: object, inner: AnyFetch, self: unknown, args: unknown[]): unknown {
  const call = (all: unknown[]): unknown => inner.apply(self, all as never[]);
  const known = args.length > 0 ? guarded(() => describe(args), undefined) : undefined;
  // What cannot be read here is the platform's to refuse.
  if (!known) return call(args);
  const { method, url, headers, signal, operation } = known;
  // One traced `fetch` on top of another makes one request. A call of the same one is another request.
  if (running && running.by !== by && running.method === method && isSamePlace(running.url, url)) return call(args);
  const request = new TracedRequest(method, url);
  const all = headers ? guarded(() => withHeaders(args, headers, request.headers(headers.pairs)), args) : args;
  const outer = running;
  const mine: Running = { by, method, url, wasSeen: false };
  running = mine;
  let answer: unknown;
  try {
    answer = call(all);
  } catch (error) {
    request.end({ errorType: errorType(error), attributes: operation });
    throw error;
  } finally {
    running = outer;
  }
  // A test of the app's may answer with anything.
  if (typeof (answer as PromiseLike<unknown> | undefined)?.then !== "function") {
    request.end({ attributes: operation });
    return answer;
  }
  const promise = answer instanceof Promise ? answer : Promise.resolve(answer as PromiseLike<unknown>);
  return promise.then(
    (response) => {
      // `fetch` on top of another API is over with its body; a `fetch` of the platform's is over
      // with its headers, and its body cannot be watched without touching it.
      const attributes = mine.wasSeen ? operation : { ...operation, "throughline.ended": "headers" };
      const { status, headers } = (response ?? {}) as Partial<Response>;
      const bytes = guarded(() => lengthOf(headers?.get("content-length") ?? null), undefined);
      request.end({ status: typeof status === "number" ? status : 0, bytes, attributes });
      return response;
    },
    (error: unknown) => {
      const why = guarded(() => (signal?.aborted ? abortedBy(signal) : errorType(error)), "Error");
      request.end({ errorType: why, attributes: operation });
      throw error;
    },
  );
}

interface Described {
  readonly method: string;
  readonly url: string;
  /** The headers that the request has. `undefined`: they cannot be read, and stay as they are. */
  readonly headers: ReadHeaders | undefined;
  readonly signal: AbortSignal | undefined;
  readonly operation: Attributes | undefined;
}

/** Says what a call asks for. `undefined`: nothing of the network. */
function describe([input, options]: unknown[]): Described | undefined {
  const init = options as RequestInit | undefined;
  const request = typeof input === "object" && input !== null && "url" in input ? (input as Request) : undefined;
  const url = networkUrl(request ? String(request.url) : String(input));
  if (url === undefined) return undefined;
  // What `init` has replaces what the request has, on every platform.
  const has = (key: keyof RequestInit): boolean => init !== undefined && init !== null && init[key] !== undefined;
  return {
    method: String(has("method") ? init?.method : (request?.method ?? "GET")),
    url,
    headers: readHeaders(has("headers") ? init?.headers : request?.headers),
    signal: (has("signal") ? init?.signal : request?.signal) ?? undefined,
    operation: operationOf(url, init?.body),
  };
}

/** The arguments of a call with headers more, as far as they change. */
function withHeaders(args: unknown[], { pairs, instead }: ReadHeaders, added: Record<string, string>): unknown[] {
  const names = Object.keys(added);
  if (names.length === 0 && !instead) return args;
  const headers: Record<string, string> | [string, string][] = names.length === 0 && instead ? instead : { ...pairs };
  if (!Array.isArray(headers)) for (const name of names) headers[name.toLowerCase()] = added[name]!;
  const [input, init, ...rest] = args;
  const options: Record<string, unknown> = { ...copied(init as object | undefined), headers };
  if (typeof input === "object" && input !== null && "url" in input) {
    // Options take both away from a request, and the app may have hidden where it comes from.
    const { referrer, referrerPolicy } = input as Partial<Request>;
    if (typeof referrer === "string") options["referrer"] ??= referrer;
    if (typeof referrerPolicy === "string") options["referrerPolicy"] ??= referrerPolicy;
  }
  return [input, options, ...rest];
}

/** What options may have, where they are an instance of a class such as `Request`. */
const MEMBERS = [
  "body",
  "cache",
  "credentials",
  "duplex",
  "integrity",
  "keepalive",
  "method",
  "mode",
  "priority",
  "redirect",
  "referrer",
  "referrerPolicy",
  "signal",
  "window",
] as const;

function copied(init: object | null | undefined): object {
  if (!init) return {};
  const copy: Record<string, unknown> = { ...init };
  const prototype: unknown = Object.getPrototypeOf(init);
  if (prototype === Object.prototype || prototype === null) return copy;
  for (const member of MEMBERS) {
    const value = (init as Record<string, unknown>)[member];
    if (!(member in copy) && value !== undefined && value !== null) copy[member] = value;
  }
  return copy;
}

/** Whether a signal was aborted by the user or the app, or by a time that was over. */
const abortedBy = (signal: AbortSignal): string =>
  (signal.reason as { name?: unknown } | undefined)?.name === "TimeoutError" ? TIMED_OUT : CANCELLED;
