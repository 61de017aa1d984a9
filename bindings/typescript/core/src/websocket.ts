// `WebSocket`: each message has a context of its own.

import { patcher } from "./patch.js";
import { guarded } from "./recorder.js";
import { TraceContext } from "./span.js";
import { isObject } from "./values.js";

/** Reads the trace headers of a message, such as `traceparent`. `undefined`: the message begins a new trace. */
export type MessageHeaders = (message: unknown) => Readonly<Record<string, string>> | undefined;

/** Sockets whose messages have a context already. */
const traced = new WeakSet<object>();

/**
 * Gives every message of a WebSocket a context of its own: what the listeners do with it, up to their
 * first `await`, belongs to the message's trace.
 *
 * ```ts
 * const socket = traceWebSocket(new WebSocket(url), (message) => JSON.parse(String(message)).trace);
 * ```
 */
export const traceWebSocket = <Socket extends WebSocket>(socket: Socket, headers: MessageHeaders): Socket =>
  withContexts(socket, headers, () => true);

/** Something that has a `WebSocket`: the global object. */
export interface WebSocketScope {
  WebSocket?: typeof WebSocket;
}

const patch = patcher();

/**
 * Gives every message of every WebSocket a context of its own that the app makes from now on: see
 * {@link traceWebSocket}. The app may go on to extend `WebSocket`, to ask for `instanceof`, and to read its constants.
 *
 * @param headers reads the trace headers of a message. Default: each message begins a new trace.
 * @returns a function that ends it, also for sockets that are open. What others have put around the class stays.
 */
export function traceWebSockets(
  headers: MessageHeaders = () => undefined,
  scope: WebSocketScope = globalThis,
): () => void {
  const inner = scope.WebSocket;
  if (typeof inner !== "function") return () => undefined;
  return patch(scope, (isInForce) => {
    const outer = new Proxy(inner, {
      construct(_, args, by) {
        const socket = Reflect.construct(inner, args, by === outer ? inner : by) as WebSocket;
        return isInForce() ? withContexts(socket, headers, isInForce) : socket;
      },
    });
    return { WebSocket: outer };
  });
}

function withContexts<Socket extends WebSocket>(socket: Socket, headers: MessageHeaders, isOn: () => boolean): Socket {
  guarded(() => {
    if (traced.has(socket) || !Object.isExtensible(socket)) return;
    traced.add(socket);
    trace(socket, headers, isOn);
  });
  return socket;
}

function trace(socket: WebSocket, headers: MessageHeaders, isOn: () => boolean): void {
  const contexts = new WeakMap<object, TraceContext>();
  /** The context of a message, which all of its listeners share. */
  const contextOf = (event: Event): TraceContext => {
    let context = contexts.get(event);
    if (!context) {
      context = TraceContext.from(guarded(() => headers((event as MessageEvent).data)) ?? {});
      contexts.set(event, context);
    }
    return context;
  };
  const inside = <T>(event: Event, work: () => T): T => (isOn() ? contextOf(event).run(work) : work());
  /** By the app's own listener, so that it can be removed, and is called once however often it is added. */
  const wrapped = new WeakMap<object, EventListener>();
  const wrap = (listener: EventListenerOrEventListenerObject): EventListener => {
    let known = wrapped.get(listener);
    if (!known) {
      known = (event) =>
        inside(event, () =>
          typeof listener === "function" ? listener.call(socket, event) : listener.handleEvent(event),
        );
      wrapped.set(listener, known);
    }
    return known;
  };
  const isOurs = (type: unknown, listener: unknown): listener is EventListenerOrEventListenerObject =>
    type === "message" && (typeof listener === "function" || isObject(listener));
  const { addEventListener, removeEventListener } = socket;
  const add = addEventListener as (...args: unknown[]) => void;
  const remove = removeEventListener as (...args: unknown[]) => void;
  socket.addEventListener = ((type: unknown, listener: unknown, ...options: unknown[]) => {
    if (!isOurs(type, listener)) return add.call(socket, type, listener, ...options);
    // It may have been added before we came, and is to be called once.
    remove.call(socket, type, listener, ...options);
    add.call(socket, type, wrap(listener), ...options);
  }) as typeof addEventListener;
  socket.removeEventListener = ((type: unknown, listener: unknown, ...options: unknown[]) => {
    remove.call(socket, type, listener, ...options);
    if (isOurs(type, listener)) remove.call(socket, type, wrap(listener), ...options);
  }) as typeof removeEventListener;
  let onmessage: ((event: MessageEvent) => unknown) | null = null;
  let isAdded = false;
  const called: EventListener = (event) => void inside(event, () => onmessage?.call(socket, event as MessageEvent));
  const handle = (listener: unknown): void => {
    onmessage = typeof listener === "function" ? (listener as typeof onmessage) : null;
    // A handler that replaces another takes its place among the listeners.
    if (onmessage && !isAdded) add.call(socket, "message", called);
    isAdded ||= onmessage !== null;
  };
  const before: unknown = socket.onmessage;
  if (before) socket.onmessage = null;
  handle(before);
  Object.defineProperty(socket, "onmessage", {
    configurable: true,
    enumerable: true,
    get: () => onmessage,
    set: handle,
  });
}
