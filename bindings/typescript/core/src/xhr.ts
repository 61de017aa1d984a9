// `XMLHttpRequest`: each `send` is one request, unless a `fetch` has made it.

import { claimedByFetch } from "./fetch.js";
import { CANCELLED, TIMED_OUT } from "./outcome.js";
import { patcher } from "./patch.js";
import { guarded } from "./recorder.js";
import { errorType, lengthOf, networkUrl, TracedRequest, type RequestEnd } from "./request.js";

/** Something that has an `XMLHttpRequest`: the global object. */
export interface XhrScope {
  XMLHttpRequest: { prototype: XMLHttpRequest };
}

/** What is known of an object since it was opened. An app may use it for several requests. */
interface State {
  readonly method: string;
  /** `undefined`: it is no request of the network, or a `fetch` has opened it, and records it. */
  readonly url: string | undefined;
  readonly headers: Record<string, string>;
  request?: TracedRequest;
}

const patch = patcher();

/**
 * Records every request of `scope.XMLHttpRequest` from now on.
 *
 * @returns a function that ends it. What others have put around the methods meanwhile stays.
 */
export function traceXhr(scope: XhrScope = globalThis as unknown as XhrScope): () => void {
  const proto = (scope as Partial<XhrScope>).XMLHttpRequest?.prototype;
  if (!proto) return () => undefined;
  const { open, setRequestHeader, send } = proto;
  const states = new WeakMap<XMLHttpRequest, State>();
  const watched = new WeakSet<XMLHttpRequest>();
  const ended = (xhr: XMLHttpRequest, end: RequestEnd): void => states.get(xhr)?.request?.end(end);

  /** Listens for the end of whatever request the object makes. */
  const watch = (xhr: XMLHttpRequest): void => {
    if (watched.has(xhr)) return;
    watched.add(xhr);
    const events = { abort: CANCELLED, timeout: TIMED_OUT, error: "network" } as const;
    for (const [event, type] of Object.entries(events))
      xhr.addEventListener(event, () => ended(xhr, { errorType: type }));
    xhr.addEventListener("load", () =>
      ended(xhr, {
        status: guarded(() => xhr.status, 0),
        bytes: guarded(() => lengthOf(xhr.getResponseHeader("content-length"))),
      }),
    );
  };

  const begin = (xhr: XMLHttpRequest, state: State, url: string, body: unknown): void => {
    const request = (state.request = new TracedRequest(state.method, url, body));
    for (const [name, value] of Object.entries(request.traceHeaders(url, state.headers))) {
      // A header that is set twice is joined with a comma, so the app's own stays as it is.
      if (!(name.toLowerCase() in state.headers)) guarded(() => setRequestHeader.call(xhr, name, value));
    }
    watch(xhr);
  };

  return patch(proto, (isInForce) => ({
    open(this: XMLHttpRequest, ...args: unknown[]) {
      const call = () => (open as (...args: unknown[]) => void).apply(this, args);
      if (!isInForce()) return call();
      const before = states.get(this);
      const become = (state: State | undefined): void => void (state ? states.set(this, state) : states.delete(this));
      become(guarded(() => describe(args)));
      try {
        call();
      } catch (error) {
        // What runs goes on.
        become(before);
        throw error;
      }
      // Opening it again ends what ran, and no event says so.
      before?.request?.end({ errorType: CANCELLED });
    },
    setRequestHeader(this: XMLHttpRequest, ...args: [name: string, value: string]) {
      setRequestHeader.apply(this, args);
      const headers = isInForce() ? states.get(this)?.headers : undefined;
      if (headers) guarded(() => void (headers[String(args[0]).toLowerCase()] = String(args[1])));
    },
    send(this: XMLHttpRequest, ...args: unknown[]) {
      const state = isInForce() ? states.get(this) : undefined;
      const url = state?.url;
      // Sending it twice is refused.
      if (state && url !== undefined && !state.request) guarded(() => begin(this, state, url, args[0]));
      try {
        return (send as (...args: unknown[]) => void).apply(this, args);
      } catch (error) {
        state?.request?.end({ errorType: errorType(error) });
        throw error;
      }
    },
  }));
}

function describe([method, address]: unknown[]): State {
  const url = networkUrl(String(address));
  const name = String(method);
  return { method: name, url: url !== undefined && claimedByFetch(name, url) ? undefined : url, headers: {} };
}
