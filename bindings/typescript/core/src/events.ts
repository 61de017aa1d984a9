// Everything else that an app records.

import {
  ANSWER_CLOSED,
  ANSWER_MALFORMED,
  ACTION_TYPE_BACK,
  ACTION_TYPE_CUSTOM,
  ACTION_TYPE_SCROLL,
  ACTION_TYPE_SWIPE,
  ACTION_TYPE_TAP,
  CALL_ACTION,
  CALL_CUSTOM,
  CALL_ERROR,
  CALL_FEATURE_FLAG,
  CALL_GLOBAL_ATTRIBUTE,
  CALL_LOG,
  CALL_LONG_TASK,
  CALL_MARK_INTERACTIVE,
  CALL_MEASUREMENT,
  CALL_PUSH_VIEW,
  CALL_QUEUE_FLUSH,
  CALL_RENEW_SESSION,
  CALL_REPORT_PROBLEM,
  CALL_START_ACTION,
  CALL_START_VIEW,
  CALL_STOP_VIEW,
  CALL_SYNC_FAILURE,
  CALL_USER,
  CALL_VITAL,
  ERROR_KIND_CRASH,
  ERROR_KIND_HANDLED,
  ERROR_SOURCE_CUSTOM,
  ERROR_SOURCE_LOGGER,
  ERROR_SOURCE_NETWORK,
  ERROR_SOURCE_SOURCE,
  INSTRUMENT_COUNTER,
  INSTRUMENT_GAUGE,
  INSTRUMENT_HISTOGRAM,
  INSTRUMENT_UP_DOWN_COUNTER,
  LIMIT_KEY_UNITS,
  LIMIT_MESSAGE_UNITS,
  LIMIT_NAME_UNITS,
  LIMIT_STACK_UNITS,
  SEVERITY_DEBUG,
  SEVERITY_ERROR,
  SEVERITY_FATAL,
  SEVERITY_INFO,
  SEVERITY_TRACE,
  SEVERITY_WARN,
} from "./calls.js";
import { causesThisTurn, currentSlot, guarded, record, seek, sink } from "./recorder.js";
import type { Field, Sink } from "./sink.js";
import { described, failedOperation } from "./span.js";
import { addAttributes, field, number, text, type Attributes, type AttributeValue } from "./values.js";

/** What the user did. */
export type ActionType = "tap" | "scroll" | "swipe" | "back" | "custom";

const ACTIONS: Record<ActionType, number> = {
  tap: ACTION_TYPE_TAP,
  scroll: ACTION_TYPE_SCROLL,
  swipe: ACTION_TYPE_SWIPE,
  back: ACTION_TYPE_BACK,
  custom: ACTION_TYPE_CUSTOM,
};

/** Where an error was found. */
export type ErrorSource = "source" | "network" | "logger" | "custom";

const SOURCES: Record<ErrorSource, number> = {
  source: ERROR_SOURCE_SOURCE,
  network: ERROR_SOURCE_NETWORK,
  logger: ERROR_SOURCE_LOGGER,
  custom: ERROR_SOURCE_CUSTOM,
};

/** How important a log is. */
export type Severity = "trace" | "debug" | "info" | "warn" | "error" | "fatal";

const SEVERITIES: Record<Severity, number> = {
  trace: SEVERITY_TRACE,
  debug: SEVERITY_DEBUG,
  info: SEVERITY_INFO,
  warn: SEVERITY_WARN,
  error: SEVERITY_ERROR,
  fatal: SEVERITY_FATAL,
};

/** The instrument of a metric. */
export type Instrument = "counter" | "upDownCounter" | "gauge" | "histogram";

const INSTRUMENTS: Record<Instrument, number> = {
  counter: INSTRUMENT_COUNTER,
  upDownCounter: INSTRUMENT_UP_DOWN_COUNTER,
  gauge: INSTRUMENT_GAUGE,
  histogram: INSTRUMENT_HISTOGRAM,
};

/** A code, of whatever the app hands over: the core refuses, and counts, what has none. */
const code = <Key extends string>(codes: Record<Key, number>, key: Key): number =>
  (typeof key === "string" ? codes[key] : undefined) ?? 0;

const name = (value: string): string => text(value, LIMIT_NAME_UNITS);
const nanoseconds = (ms: number): number => whole(Math.round(number(ms) * 1e6));
const whole = (value: number): number => {
  const known = number(value);
  return known > 0 ? Math.min(Math.trunc(known), Number.MAX_SAFE_INTEGER) : 0;
};

/** A view is shown, and the one before it ends. */
export const startView = (view: string): void => void record([CALL_START_VIEW, currentSlot, 0, name(view)]);

/** A view is shown over the current one, for example a sheet. */
export const pushView = (view: string): void => void record([CALL_PUSH_VIEW, currentSlot, 0, name(view)]);

/** The current view ends. */
export const stopView = (): void => void record([CALL_STOP_VIEW, currentSlot, 0]);

/** The current view is complete and can be used. */
export const markInteractive = (): void => void record([CALL_MARK_INTERACTIVE, currentSlot, 0]);

const NONE = {};
const keysOf = Object.keys;

/**
 * Records something that the user did and that is over.
 *
 * Where it can, it makes the call in short: see {@link Sink.record}. That costs less, because Hermes hands eight values
 * to a native function without an allocation. For the same reason nothing here is a function of its own.
 */
export function action(target: string, attributes?: Attributes, type: ActionType = "custom"): void {
  const kind = type === "custom" ? ACTION_TYPE_CUSTOM : code(ACTIONS, type);
  try {
    // A type that is unknown has no place in a head: the core refuses, and counts, the call in full.
    if (sink && currentSlot === 0 && kind > 0) {
      const values = (typeof attributes === "object" && attributes !== null ? attributes : NONE) as Record<
        string,
        Field
      >;
      const keys = keysOf(values);
      if (keys.length <= 3) {
        // A key that is missing ends the call.
        const first = keys[0]!;
        const second = keys[1]!;
        const third = keys[2]!;
        const head = CALL_ACTION + 256 * kind;
        const answer = sink.record(head, target, first, values[first]!, second, values[second]!, third, values[third]!);
        if (answer !== ANSWER_MALFORMED && (answer !== ANSWER_CLOSED || !seek())) return;
      }
    }
  } catch {
    // A getter has thrown: what the others return is kept.
  }
  record(addAttributes([CALL_ACTION, currentSlot, 0, kind, name(target)], attributes));
}

/** Begins an action that collects what follows from it. */
export const startAction = (target: string, attributes?: Attributes, type: ActionType = "tap"): void => {
  record(addAttributes([CALL_START_ACTION, currentSlot, 0, code(ACTIONS, type), name(target)], attributes));
  causesThisTurn();
};

/** Records an event that only the app understands. */
export const event = (what: string, attributes?: Attributes): void =>
  void record(addAttributes([CALL_CUSTOM, currentSlot, 0, name(what)], attributes));

/** Records an error that was handled. Anything that can be thrown is one. */
export const error = (thrown: unknown, attributes?: Attributes, source: ErrorSource = "source"): void =>
  foundError(thrown, attributes, { source });

/** What a package that finds errors by itself knows of one. */
export interface FoundError {
  readonly source?: ErrorSource;
  /** The app does not go on after it. */
  readonly isFatal?: boolean;
  /**
   * When it was thrown, ms since the epoch. The error belongs to the session, the view and the action of that time,
   * which are known for at least 10 s. Without one: now.
   */
  readonly time?: number;
}

/**
 * Records an error that the app has not handled itself. Anything that can be thrown is one. A fatal one counts as a
 * crash, and belongs to the operation that it was thrown out of.
 */
export function foundError(
  thrown: unknown,
  attributes?: Attributes,
  { source = "source", isFatal, time }: FoundError = {},
): void {
  const [type, message] = described(thrown);
  const stack = guarded(() => (thrown instanceof Error ? (thrown.stack ?? "") : ""), "");
  // When the app's last handler is told, the operation has ended and is current no more.
  const slot = (isFatal && failedOperation(thrown)) || currentSlot;
  const fields = [
    CALL_ERROR,
    slot,
    0,
    isFatal ? ERROR_KIND_CRASH : ERROR_KIND_HANDLED,
    code(SOURCES, source),
    name(type),
    text(message, LIMIT_MESSAGE_UNITS),
    text(stack, LIMIT_STACK_UNITS),
  ];
  record(addAttributes(fields, attributes), time);
}

/** Records a log. */
export const log = (severity: Severity, body: string, attributes?: Attributes, logger = ""): void =>
  void record(
    addAttributes(
      [CALL_LOG, currentSlot, 0, code(SEVERITIES, severity), text(body, LIMIT_MESSAGE_UNITS), name(logger)],
      attributes,
    ),
  );

/** Records a value for a metric. The unit is of UCUM, for example `ms` or `{item}`. */
export const measure = (
  instrument: Instrument,
  metric: string,
  value: number,
  unit = "",
  attributes?: Attributes,
): void =>
  void record(
    addAttributes(
      [CALL_MEASUREMENT, currentSlot, 0, code(INSTRUMENTS, instrument), name(metric), name(unit), number(value)],
      attributes,
    ),
  );

/** Records a measured value of the app's performance. */
export const vital = (what: string, value: number, unit = "", attributes?: Attributes): void =>
  void record(addAttributes([CALL_VITAL, currentSlot, 0, name(what), number(value), name(unit)], attributes));

/** The JavaScript thread was busy for so many milliseconds. */
export const longTask = (ms: number): void => void record([CALL_LONG_TASK, currentSlot, 0, nanoseconds(ms), false]);

/** The app's own synchronization failed. */
export const recordSyncFailure = (rpc: string, code: string, retries: number, offline: boolean): void =>
  void record([
    CALL_SYNC_FAILURE,
    currentSlot,
    0,
    name(rpc),
    name(code),
    Math.min(whole(retries), 0xffff_ffff),
    offline,
  ]);

/** The app's own queue was flushed. */
export const recordQueueFlush = (depth: number, ok: boolean): void =>
  void record([CALL_QUEUE_FLUSH, currentSlot, 0, whole(depth), ok]);

/** The user, or the app, reports that something is wrong. */
export const reportProblem = (message: string): void =>
  void record([CALL_REPORT_PROBLEM, currentSlot, 0, text(message, LIMIT_MESSAGE_UNITS)]);

/** Who uses the app. */
export const setUser = (
  user: { readonly id: string; readonly name?: string; readonly email?: string } & Attributes,
): void => void record(addAttributes([CALL_USER, 0, 0], user));

/** Nobody uses the app any more. */
export const clearUser = (): void => void record([CALL_USER, 0, 0]);

/** Ends the session. Another begins. */
export const renewSession = (): void => void record([CALL_RENEW_SESSION, 0, 0]);

/** Sets an attribute of every event from now on. `undefined` removes it. */
export const setGlobalAttribute = (key: string, value: AttributeValue): void =>
  void record([CALL_GLOBAL_ATTRIBUTE, 0, 0, text(key, LIMIT_KEY_UNITS), field(value)]);

/** Sets what a feature flag was evaluated to. `undefined` removes it. */
export const setFeatureFlag = (flag: string, value: AttributeValue): void =>
  void record([CALL_FEATURE_FLAG, 0, 0, name(flag), field(value)]);
