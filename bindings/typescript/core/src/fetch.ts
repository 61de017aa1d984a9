// `fetch`: each call is one request, with the headers of its trace.

import { isPlain } from "./diff.js";
import { readHeaders, type ReadHeaders } from "./headers.js";
import { abortedBy, followed } from "./outcome.js";
import { patcher } from "./patch.js";
import { guarded } from "./recorder.js";
import { errorType, isSamePlace, lengthOf, networkUrl, TracedRequest } from "./request.js";
import { isObject } from "./values.js";

type Fetch = typeof globalThis.fetch;
/** A `fetch` of whatever form: that of the platform, or a library's, such as `expo/fetch`. */
type AnyFetch = (...args: never[]) => unknown;

/** Something that has a `fetch`: the global object. */
export interface FetchScope {
  /** The function that is replaced. */
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

/** Whether a request is the one that the `fetch` makes which runs now. */
const isOfRunning = (method: string, url: string): boolean =>
  running?.method.toUpperCase() === method.toUpperCase() && isSamePlace(running.url, url);

/** Whether the `fetch` that runs now, if one does, makes its request by this one on another API. */
export const claimedByFetch = (method: string, url: string): boolean =>
  isOfRunning(method, url) && (running!.wasSeen = true);

const patch = patcher();
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
  if (typeof of === "function") return wrap(of);
  const inner = of.fetch as AnyFetch;
  if (typeof inner !== "function") return () => undefined;
  return patch(of, (isInForce) => ({
    fetch: like(inner, function (this: unknown, ...args: never[]) {
      return isInForce() ? traced(of, inner, this, args) : inner.apply(this, args);
    }) as Fetch,
  }));
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

/** Gives a function what the one that it stands for has besides: its name, and marks such as `polyfill`. */
function like(inner: AnyFetch, outer: AnyFetch): AnyFetch {
  guarded(() => {
    for (const key of Reflect.ownKeys(inner))
      Reflect.defineProperty(outer, key, Reflect.getOwnPropertyDescriptor(inner, key)!);
  });
  return outer;
}

function traced(by: object, inner: AnyFetch, self: unknown, args: unknown[]): unknown {
  const call = (all: unknown[]): unknown => inner.apply(self, all as never[]);
  const known = args.length > 0 ? guarded(() => describe(args)) : undefined;
  // What cannot be read here is the platform's to refuse.
  if (!known) return call(args);
  const { method, url, headers, signal, body } = known;
  // One traced `fetch` on top of another makes one request. A call of the same one is another request.
  if (isOfRunning(method, url) && running!.by !== by) return call(args);
  const request = new TracedRequest(method, url, body);
  const all = headers
    ? guarded(() => withHeaders(args, headers, request.traceHeaders(url, headers.pairs)), args)
    : args;
  const outer = running;
  const mine: Running = { by, method, url, wasSeen: false };
  running = mine;
  let answer: unknown;
  try {
    answer = call(all);
  } catch (error) {
    request.end({ errorType: errorType(error) });
    throw error;
  } finally {
    running = outer;
  }
  const promise = followed(
    answer,
    (response) => {
      const { status, headers } = (response ?? {}) as Partial<Response>;
      request.end({
        status: typeof status === "number" ? status : 0,
        bytes: guarded(() => lengthOf(headers?.get("content-length"))),
        // `fetch` on top of another API is over with its body; a `fetch` of the platform's is over
        // with its headers, and its body cannot be watched without touching it.
        attributes: { "throughline.ended": mine.wasSeen ? undefined : "headers" },
      });
    },
    (error) => request.end({ errorType: abortedBy(signal) ?? errorType(error) }),
  );
  if (promise) return promise;
  // A test of the app's may answer with anything.
  request.end({});
  return answer;
}

interface Described {
  readonly method: string;
  readonly url: string;
  /** The headers that the request has. `undefined`: they cannot be read, and stay as they are. */
  readonly headers: ReadHeaders | undefined;
  readonly signal: AbortSignal | undefined;
  readonly body: unknown;
}

/** Says what a call asks for. `undefined`: nothing of the network. */
function describe([input, options]: unknown[]): Described | undefined {
  const init = options as RequestInit | undefined;
  const request = isRequest(input) ? input : undefined;
  const url = networkUrl(request ? String(request.url) : String(input));
  if (url === undefined) return undefined;
  // What `init` has replaces what the request has, on every platform.
  const of = <Key extends "method" | "headers" | "signal">(key: Key) =>
    init?.[key] === undefined ? request?.[key] : init[key];
  return {
    method: String(of("method") ?? "GET"),
    url,
    headers: readHeaders(of("headers")),
    signal: of("signal") ?? undefined,
    body: init?.body,
  };
}

/** The arguments of a call with headers more, as far as they change. */
function withHeaders(args: unknown[], { pairs, instead }: ReadHeaders, added: Record<string, string>): unknown[] {
  const names = Object.keys(added);
  if (names.length === 0 && !instead) return args;
  const headers: Record<string, string> | [string, string][] = names.length === 0 && instead ? instead : { ...pairs };
  if (!Array.isArray(headers)) for (const name of names) headers[name.toLowerCase()] = added[name]!;
  const [input, init, ...rest] = args;
  const options = changed(init as Record<string, unknown> | null | undefined, { headers });
  if (isRequest(input)) {
    // Options take both away from a request, and the app may have hidden where it comes from.
    for (const key of ["referrer", "referrerPolicy"] as const)
      if (typeof input[key] === "string") options[key] ??= input[key];
  }
  return [input, options, ...rest];
}

const isRequest = (input: unknown): input is Request => isObject(input) && "url" in input;

/** Options with others in their place. The options of an instance of a class, such as `Request`, are its own to read. */
function changed(init: Record<string, unknown> | null | undefined, others: Record<string, unknown>) {
  const copy: Record<string, unknown> = { ...init, ...others };
  if (!init || isPlain(init)) return copy;
  return new Proxy(Object.setPrototypeOf(copy, init) as typeof copy, {
    get: (_, key) => (Object.hasOwn(copy, key) ? copy : init)[key as string],
  });
}
