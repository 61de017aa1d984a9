// `XMLHttpRequest`: each `send` is one request, unless a `fetch` has made it.

import { claimedByFetch } from "./fetch.js";
import { guarded } from "./recorder.js";
import { CANCELLED, lengthOf, TIMED_OUT, TracedRequest } from "./request.js";

/** Something that has an `XMLHttpRequest`: the global object. */
export interface XhrScope {
  XMLHttpRequest: { prototype: XMLHttpRequest };
}

/** What is known of an object, which an app may use for several requests. */
interface State {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  /** A `fetch` has opened it, and records it. */
  readonly isOfFetch: boolean;
  request?: TracedRequest;
}

/** Which patch is in force. Those before it, which others may have wrapped, only pass calls on. */
let patch = 0;

/**
 * Records every request of `scope.XMLHttpRequest` from now on.
 *
 * @returns a function that ends it. What others have put around the methods meanwhile stays.
 */
export function traceXhr(scope: XhrScope = globalThis as unknown as XhrScope): () => void {
  const mine = ++patch;
  const proto = scope.XMLHttpRequest.prototype;
  const { open, setRequestHeader, send } = proto;
  const states = new WeakMap<XMLHttpRequest, State>();

  const traced: Pick<XMLHttpRequest, "open" | "setRequestHeader" | "send"> = {
    open(this: XMLHttpRequest, ...args: unknown[]) {
      if (mine === patch) {
        guarded(() => {
          // Opening it again ends what runs, and no event says so.
          states.get(this)?.request?.end({ errorType: CANCELLED });
          states.set(this, {
            method: String(args[0]),
            url: absolute(String(args[1])),
            headers: {},
            isOfFetch: claimedByFetch(),
          });
        }, undefined);
      }
      return (open as (...args: unknown[]) => void).apply(this, args);
    },
    setRequestHeader(this: XMLHttpRequest, name: string, value: string) {
      const headers = states.get(this)?.headers;
      if (headers && mine === patch)
        guarded(() => void (headers[String(name).toLowerCase()] = String(value)), undefined);
      return setRequestHeader.call(this, name, value);
    },
    send(this: XMLHttpRequest, body?: unknown) {
      const state = states.get(this);
      if (mine === patch && state && !state.isOfFetch) guarded(() => begin(this, state, setRequestHeader), undefined);
      try {
        return send.call(this, body as never);
      } catch (error) {
        state?.request?.end({ errorType: guarded(() => String((error as Error).name), "Error") });
        throw error;
      }
    },
  };
  Object.assign(proto, traced);
  return () => {
    if (mine === patch) patch++;
    if (proto.open === traced.open) proto.open = open;
    if (proto.setRequestHeader === traced.setRequestHeader) proto.setRequestHeader = setRequestHeader;
    if (proto.send === traced.send) proto.send = send;
  };
}

function begin(xhr: XMLHttpRequest, state: State, setHeader: XMLHttpRequest["setRequestHeader"]): void {
  const request = new TracedRequest(state.method, state.url);
  state.request = request;
  for (const [name, value] of Object.entries(request.headers(state.headers))) {
    // A header that is set twice is joined with a comma, so the app's own stays as it is.
    if (!(name.toLowerCase() in state.headers)) guarded(() => setHeader.call(xhr, name, value), undefined);
  }
  const ended = { abort: CANCELLED, timeout: TIMED_OUT, error: "network" } as const;
  for (const [event, errorType] of Object.entries(ended))
    xhr.addEventListener(event, () => request.end({ errorType }), { once: true });
  const load = () =>
    request.end({
      status: xhr.status,
      bytes: guarded(() => lengthOf(xhr.getResponseHeader("content-length")), undefined),
    });
  xhr.addEventListener("load", load, { once: true });
}

const absolute = (url: string): string =>
  guarded(() => new URL(url, (globalThis as { location?: { href?: string } }).location?.href).href, url);
