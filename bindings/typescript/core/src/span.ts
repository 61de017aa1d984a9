// Operations, spans, and the context that they are.
//
// JavaScript carries a context through one synchronous turn. After an `await`, it is gone: what goes
// on then takes the operation along (`op.run`, `op.bind`, `op.fetch`), or has no context.

import {
  ANSWER_DONE,
  CALL_END_SPAN,
  CALL_KEEP_CONTEXT,
  CALL_READ_CONTEXT,
  CALL_RETRY,
  CALL_SPAN_ATTRIBUTES,
  CALL_SPAN_EVENT,
  CALL_SPAN_LINK,
  CALL_START_OPERATION,
  CALL_START_SPAN,
  CALL_TAKE_CONTEXT,
  LIMIT_HEADERS,
  LIMIT_KEY_UNITS,
  LIMIT_MESSAGE_UNITS,
  LIMIT_NAME_UNITS,
  LIMIT_URL_UNITS,
  OUTCOME_ABANDONED,
  OUTCOME_CANCELLED,
  OUTCOME_FAILED,
  OUTCOME_SUCCEEDED,
  OUTCOME_TIMED_OUT,
} from "./calls.js";
import { readHeaders } from "./headers.js";
import { abortedBy, followed, TIMED_OUT } from "./outcome.js";
import { currentSlot, guarded, nextSlot, sink, record, within } from "./recorder.js";
import { addAttributes, number, text, type Attributes } from "./values.js";

/** The names of the headers that carry a trace. */
const CARRIERS = /^(trace(parent|state)|baggage|b3|x-(b3|datadog)-.*|x-correlation-id)$/i;

/** A place in a trace. It may be kept and used after the operation that it came from has ended. */
export class TraceContext {
  /** @internal */
  readonly slot: number;

  /** @internal */
  constructor(slot: number) {
    this.slot = slot;
  }

  /** The context of this synchronous turn, to be kept for later. */
  static get current(): TraceContext {
    return new TraceContext(currentSlot);
  }

  /**
   * The context that came with a message, for example in a frame of a WebSocket or a push. When the
   * headers have no valid context, a new trace begins. Headers that carry no context are not read.
   */
  static from(headers: Readonly<Record<string, string>>): TraceContext {
    const slot = nextSlot();
    const pairs = guarded(
      () =>
        Object.entries(readHeaders(headers)?.pairs ?? {})
          .filter(([name]) => CARRIERS.test(name))
          .slice(0, LIMIT_HEADERS)
          .flatMap(([name, value]) => [text(name), text(value, LIMIT_URL_UNITS)]),
      [],
    );
    record([CALL_READ_CONTEXT, 0, 0, slot, ...pairs]);
    return new TraceContext(slot);
  }

  /**
   * The context that {@link TraceContext.keep} has kept. `undefined` when there is none, when it was
   * taken already, or when it is older than 5 minutes.
   */
  static take(key: string): TraceContext | undefined {
    const slot = nextSlot();
    const answer = record([CALL_TAKE_CONTEXT, 0, 0, slot, text(key, LIMIT_KEY_UNITS)]);
    return answer === ANSWER_DONE ? new TraceContext(slot) : undefined;
  }

  /**
   * Keeps the context under the id of a message whose answer comes later. 10,000 contexts are kept
   * at once, each for 5 minutes. Keys have at most 128 bytes.
   *
   * @returns false when the context was not kept.
   */
  keep(key: string): boolean {
    return record([CALL_KEEP_CONTEXT, this.slot, 0, text(key, LIMIT_KEY_UNITS)]) === ANSWER_DONE;
  }

  /**
   * Runs `work` in this context: until it returns. When it is asynchronous, that is up to its first
   * `await`.
   */
  run<T>(work: () => T): T {
    return within(this.slot, work);
  }

  /** A function that runs `work` in this context, for callbacks. */
  bind<Args extends unknown[], T>(work: (...args: Args) => T): (...args: Args) => T {
    return (...args) => within(this.slot, () => work(...args));
  }

  /**
   * Calls the global `fetch` in this context, also behind an `await`: the request belongs to its trace where `fetch`
   * is traced. Arguments, answer and errors are those of `fetch`.
   */
  fetch(...args: Parameters<typeof globalThis.fetch>): ReturnType<typeof globalThis.fetch> {
    return this.run(() => globalThis.fetch(...args));
  }

  /**
   * The headers for a request to `url` in this context. `existing` are the app's own headers. Empty
   * for hosts that the configuration does not list.
   */
  traceHeaders(url: string, existing: Record<string, string> = {}): Record<string, string> {
    return guarded(
      () => sink?.traceHeaders(text(url, LIMIT_URL_UNITS), this.slot, readHeaders(existing)?.pairs ?? {}) ?? {},
      {},
    );
  }

  /** The id of the trace, 32 hexadecimal digits. `undefined` while the client does not run. */
  get traceId(): string | undefined {
    return guarded(() => sink?.traceId(this.slot));
  }
}

/** A span that runs. End it once; later calls do nothing. */
export class Span extends TraceContext {
  private hasEnded = false;

  /** @internal */
  constructor(call: number, parent: number, name: string, attributes: Attributes | undefined) {
    super(nextSlot());
    record(addAttributes([call, parent, 0, this.slot, text(name, LIMIT_NAME_UNITS)], attributes));
  }

  /** Sets attributes. */
  set(attributes: Attributes): void {
    record(addAttributes([CALL_SPAN_ATTRIBUTES, currentSlot, 0, this.slot], attributes));
  }

  /** Records that something happened within the span. */
  event(name: string, attributes?: Attributes): void {
    record(addAttributes([CALL_SPAN_EVENT, currentSlot, 0, this.slot, text(name, LIMIT_NAME_UNITS)], attributes));
  }

  /** Refers to another context, for example to that of a message which this span also answers. */
  link(other: TraceContext): void {
    record([CALL_SPAN_LINK, currentSlot, 0, this.slot, guarded(() => number(other.slot), 0)]);
  }

  /** Begins a span inside this one. */
  child(name: string, attributes?: Attributes): Span {
    return new Span(CALL_START_SPAN, this.slot, name, attributes);
  }

  /** Ends the span: it did what it was for. */
  succeed(): void {
    this.end(OUTCOME_SUCCEEDED);
  }

  /**
   * Ends the span with an error. The error of an operation is also recorded as such, in the same
   * trace.
   */
  fail(error: unknown): void {
    const [type, message] = described(error);
    this.end(OUTCOME_FAILED, type, message);
  }

  /** Ends the span: the user or the app did not want it any more. That is no failure. */
  cancel(): void {
    this.end(OUTCOME_CANCELLED);
  }

  /** Ends the span: the app has given it a time, which is over. */
  timeOut(): void {
    this.end(OUTCOME_TIMED_OUT);
  }

  /** Ends the span: it was given up. */
  abandon(): void {
    this.end(OUTCOME_ABANDONED);
  }

  private end(outcome: number, type = "", message = ""): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    record([CALL_END_SPAN, 0, 0, this.slot, outcome, text(type, LIMIT_NAME_UNITS), text(message, LIMIT_MESSAGE_UNITS)]);
  }
}

/** What an error is, and what it says. */
export const described = (error: unknown): [type: string, message: string] =>
  guarded(
    () =>
      error instanceof Error ? [String(error.name), String(error.message)] : [typeof error, guarded(String, "", error)],
    ["Error", ""],
  );

/**
 * A unit of work that a user would name, for example `UpdateDisplayName`. One operation is one
 * trace: requests made inside carry it, and mutations inside are its children.
 */
export class Operation extends Span {
  /** Records that the operation is tried again. `attempt` counts from 1. */
  retry(attempt: number): void {
    record([CALL_RETRY, currentSlot, 0, this.slot, Math.max(0, Math.trunc(number(attempt)) || 0)]);
  }
}

/** Begins an operation in the current context. */
export const startOperation = (name: string, attributes?: Attributes): Operation =>
  new Operation(CALL_START_OPERATION, currentSlot, name, attributes);

/** Begins a span in the current context. */
export const startSpan = (name: string, attributes?: Attributes): Span =>
  new Span(CALL_START_SPAN, currentSlot, name, attributes);

/** The slot of the operation that an error was thrown out of. It keeps none of the errors alive. */
const cameOutOf = new WeakMap<object, number>();

/** The slot of the innermost operation that an error was thrown out of, if any was. It has ended since. */
export const failedOperation = (error: unknown): number | undefined =>
  Object(error) === error ? cameOutOf.get(error as object) : undefined;

/** What may end an operation besides its body. */
export interface OperationOptions {
  readonly attributes?: Attributes;
  /** When it is aborted as the body fails, the operation was cancelled, or has timed out. */
  readonly signal?: AbortSignal;
}

/**
 * Runs `body` as an operation. It succeeds when `body` returns or its promise is fulfilled, and fails
 * with what it throws. When `signal` is aborted by then, it was cancelled, or has timed out if the
 * reason is a `TimeoutError`.
 *
 * The context lasts up to the first `await` of the body. Behind it, use `op.run`, `op.bind` and `op.fetch`.
 *
 * ```ts
 * await operation("UpdateDisplayName", async (op) => {
 *   const saved = await api.rename(name);
 *   op.run(() => (profile.displayName = saved.name));
 * });
 * ```
 */
export function operation<T>(name: string, body: (op: Operation) => T, options: OperationOptions = {}): T {
  const op = startOperation(
    name,
    guarded(() => options?.attributes),
  );
  const failed = (error: unknown): void => {
    if (Object(error) === error && !failedOperation(error)) cameOutOf.set(error as object, op.slot);
    const why = abortedBy(guarded(() => options?.signal));
    if (why === TIMED_OUT) op.timeOut();
    else if (why) op.cancel();
    else op.fail(error);
  };
  let answer: T;
  try {
    answer = op.run(() => body(op));
  } catch (error) {
    failed(error);
    throw error;
  }
  const branch = followed(answer, () => op.succeed(), failed);
  if (!branch) {
    op.succeed();
    return answer;
  }
  guarded(() => adorn(branch, answer as object));
  return branch as T;
}

/**
 * Gives a promise what a library has put on its own, such as `unwrap` and `abort` of Redux Toolkit. What every promise
 * has is its state: in Hermes, those are properties.
 */
function adorn(branch: object, answer: object): void {
  for (const [key, known] of Object.entries(Object.getOwnPropertyDescriptors(answer)))
    if (!(key in branch)) Object.defineProperty(branch, key, known);
}

/** Takes the current context along, for callbacks. */
export const bind = <Args extends unknown[], T>(work: (...args: Args) => T): ((...args: Args) => T) =>
  TraceContext.current.bind(work);

/**
 * The headers for a request to `url` in the current context. `existing` are the app's own headers.
 * Empty for hosts that the configuration does not list, and when there is no current context.
 */
export const traceHeaders = (url: string, existing?: Record<string, string>): Record<string, string> =>
  TraceContext.current.traceHeaders(url, existing);
