// `XMLHttpRequest`: each `send` is one request, unless a `fetch` has made it.

import { claimedByFetch } from "./fetch.js";
import { operationOf } from "./graphql.js";
import { guarded } from "./recorder.js";
import { CANCELLED, errorType, lengthOf, networkUrl, TIMED_OUT, TracedRequest, type RequestEnd } from "./request.js";
import type { Attributes } from "./values.js";

/** Something that has an `XMLHttpRequest`: the global object. */
export interface XhrScope {
  XMLHttpRequest: { prototype: XMLHttpRequest };
}

/** What is known of an object since it was opened. An app may use it for several requests. */
interface State {
  readonly method: string;
  /** `undefined`: it is no request of the network. */
  readonly url: string | undefined;
  readonly headers: Record<string, string>;
  /** A `fetch` has opened it, and records it. */
  readonly isOfFetch: boolean;
  request?: TracedRequest;
  operation?: Attributes | undefined;
}

type Traced = Pick<XMLHttpRequest, "open" | "setRequestHeader" | "send">;
/** Our patch of a class. Others may have wrapped earlier ones, which only pass calls on. */
interface Patch {
  readonly traced: Traced;
  readonly undo: () => void;
}
const inForce = new WeakMap<object, Patch>();

/**
 * Records every request of `scope.XMLHttpRequest` from now on.
 *
 * @returns a function that ends it. What others have put around the methods meanwhile stays.
 */
export function traceXhr(scope: XhrScope = globalThis as unknown as XhrScope): () => void {
  const proto = (scope as Partial<XhrScope>).XMLHttpRequest?.prototype;
  if (!proto) return () => undefined;
  const known = inForce.get(proto);
  if (known && proto.open === known.traced.open && proto.send === known.traced.send) return known.undo;
  const { open, setRequestHeader, send } = proto;
  const states = new WeakMap<XMLHttpRequest, State>();
  const watched = new WeakSet<XMLHttpRequest>();
  const isInForce = (): boolean => inForce.get(proto) === mine;
  const ended = (xhr: XMLHttpRequest, end: RequestEnd): void => {
    const state = states.get(xhr);
    state?.request?.end({ ...end, attributes: state.operation });
  };

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
        bytes: guarded(() => lengthOf(xhr.getResponseHeader("content-length")), undefined),
      }),
    );
  };

  const begin = (xhr: XMLHttpRequest, state: State, url: string, body: unknown): void => {
    const request = new TracedRequest(state.method, url);
    state.request = request;
    state.operation = operationOf(url, body);
    for (const [name, value] of Object.entries(request.headers(state.headers))) {
      // A header that is set twice is joined with a comma, so the app's own stays as it is.
      if (!(name.toLowerCase() in state.headers)) guarded(() => setRequestHeader.call(xhr, name, value), undefined);
    }
    watch(xhr);
  };

  const traced: Traced = {
    open(this: XMLHttpRequest, ...args: unknown[]) {
      const call = () => (open as (...args: unknown[]) => void).apply(this, args);
      if (!isInForce()) return call();
      const before = states.get(this);
      const opened = guarded(() => describe(args), undefined);
      if (opened) states.set(this, opened);
      else states.delete(this);
      try {
        call();
      } catch (error) {
        // What runs goes on.
        if (before) states.set(this, before);
        else states.delete(this);
        throw error;
      }
      // Opening it again ends what ran, and no event says so.
      before?.request?.end({ errorType: CANCELLED, attributes: before.operation });
    },
    setRequestHeader(this: XMLHttpRequest, ...args: [name: string, value: string]) {
      setRequestHeader.apply(this, args);
      const headers = isInForce() ? states.get(this)?.headers : undefined;
      if (headers) guarded(() => void (headers[String(args[0]).toLowerCase()] = String(args[1])), undefined);
    },
    send(this: XMLHttpRequest, ...args: unknown[]) {
      const state = isInForce() ? states.get(this) : undefined;
      const url = state?.url;
      // Sending it twice is refused.
      if (state && url !== undefined && !state.isOfFetch && !state.request)
        guarded(() => begin(this, state, url, args[0]), undefined);
      try {
        return (send as (...args: unknown[]) => void).apply(this, args);
      } catch (error) {
        state?.request?.end({ errorType: errorType(error), attributes: state.operation });
        throw error;
      }
    },
  };
  const undo = (): void => {
    if (isInForce()) inForce.delete(proto);
    guarded(() => {
      if (proto.open === traced.open) proto.open = open;
      if (proto.setRequestHeader === traced.setRequestHeader) proto.setRequestHeader = setRequestHeader;
      if (proto.send === traced.send) proto.send = send;
    }, undefined);
  };
  const mine: Patch = { traced, undo };
  guarded(() => {
    inForce.set(proto, mine);
    Object.assign(proto, traced);
  }, undefined);
  return undo;
}

function describe([method, address]: unknown[]): State {
  const url = networkUrl(String(address));
  const name = String(method);
  return { method: name, url, headers: {}, isOfFetch: url !== undefined && claimedByFetch(name, url) };
}
