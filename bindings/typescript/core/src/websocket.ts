// `WebSocket`: each message has a context of its own.

import { guarded } from "./recorder.js";
import { TraceContext } from "./span.js";

/** Reads the trace headers of a message, such as `traceparent`. `undefined`: the message begins a new trace. */
export type MessageHeaders = (message: unknown) => Readonly<Record<string, string>> | undefined;

/**
 * Gives every message of a WebSocket a context of its own: what the listeners do with it, up to their
 * first `await`, belongs to the message's trace.
 *
 * ```ts
 * const socket = traceWebSocket(new WebSocket(url), (message) => JSON.parse(String(message)).trace);
 * ```
 */
export function traceWebSocket<Socket extends WebSocket>(socket: Socket, headers: MessageHeaders): Socket {
  const contexts = new WeakMap<object, TraceContext>();
  /** The context of a message, which all of its listeners share. */
  const contextOf = (event: Event): TraceContext => {
    let context = contexts.get(event);
    if (!context) {
      context = TraceContext.from(guarded(() => headers((event as MessageEvent).data), undefined) ?? {});
      contexts.set(event, context);
    }
    return context;
  };
  /** By the app's own listener, so that it can be removed, and is called once however often it is added. */
  const wrapped = new WeakMap<object, EventListener>();
  const wrap = (listener: EventListenerOrEventListenerObject): EventListener => {
    let known = wrapped.get(listener);
    if (!known) {
      known = (event) =>
        contextOf(event).run(() =>
          typeof listener === "function" ? listener.call(socket, event) : listener.handleEvent(event),
        );
      wrapped.set(listener, known);
    }
    return known;
  };
  const isOurs = (type: unknown, listener: unknown): listener is EventListenerOrEventListenerObject =>
    type === "message" && (typeof listener === "function" || (typeof listener === "object" && listener !== null));
  const { addEventListener, removeEventListener } = socket;
  socket.addEventListener = ((type: string, listener: unknown, ...options: unknown[]) =>
    addEventListener.call(
      socket,
      type,
      (isOurs(type, listener) ? wrap(listener) : listener) as EventListener,
      ...(options as []),
    )) as typeof addEventListener;
  socket.removeEventListener = ((type: string, listener: unknown, ...options: unknown[]) =>
    removeEventListener.call(
      socket,
      type,
      (isOurs(type, listener) ? wrap(listener) : listener) as EventListener,
      ...(options as []),
    )) as typeof removeEventListener;
  let onmessage: ((event: MessageEvent) => unknown) | null = null;
  const called: EventListener = (event) =>
    void contextOf(event).run(() => onmessage?.call(socket, event as MessageEvent));
  Object.defineProperty(socket, "onmessage", {
    configurable: true,
    enumerable: true,
    get: () => onmessage,
    set: (listener: unknown) => {
      removeEventListener.call(socket, "message", called);
      onmessage = typeof listener === "function" ? (listener as typeof onmessage) : null;
      if (onmessage) addEventListener.call(socket, "message", called);
    },
  });
  return socket;
}
