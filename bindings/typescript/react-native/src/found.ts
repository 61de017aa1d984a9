// Errors that this package finds by itself. Several doors see one error: React calls a boundary and
// `console.error`, a handler calls the next one. Whatever the order, each error is recorded once.

import { foundError, TraceContext, type Attributes, type FoundError } from "@throughline/core";

/** How long the same object is the same error, ms. An app may throw one object again later. */
const SAME_MS = 5_000;

/** How deep the causes of an error are followed. */
const CAUSES = 4;

/** That an error was recorded, or that a boundary is about to record it. */
interface Mark {
  readonly time: number;
  readonly isFatal?: boolean;
  readonly isClaim?: boolean;
}

/** Errors that were recorded, or that a boundary is about to record. It keeps none of them alive. */
const seen = new WeakMap<object, Mark>();

/** A value that is no object, which a boundary is about to record: at most one. */
let claimed: (Mark & { readonly value: unknown }) | undefined;

/** Within the handlers of others, which are told of an error that is recorded already. */
let told = 0;

/** A fatal error that was recorded. */
export interface FatalMark {
  /** What the attribute `error.fatal.id` of the record says. */
  readonly id: string;
  /** When it was recorded, ms since the epoch. */
  readonly time: number;
}

let lastMark: FatalMark | undefined;
let marks = 0;

/**
 * The last fatal error of JavaScript that was recorded. The native exception that follows within 5 seconds is the same
 * death.
 */
export const lastFatal = (): FatalMark | undefined => lastMark;

/** Whether a value is an object or a function. */
export const isObject = (value: unknown): value is object => Object(value) === value;

/** What work of ours returns, or nothing when it throws. */
export const attempt = <T>(work: () => T): T | undefined => {
  try {
    return work();
  } catch {
    return undefined;
  }
};

/** What something that was thrown says. It may be anything, and even throw when it is asked. */
export const said = (thrown: unknown): string =>
  attempt(() => (thrown instanceof Error ? thrown.message : String(thrown))) ?? typeof thrown;

/** Options as the app has given them, which are read once. Those that cannot be read are none. */
export const options = <T extends object>(given: T | null | undefined): T =>
  attempt(() => typeof given === "object" && ({ ...given } as T)) || ({} as T);

/** Runs work of ours within a call of the app's or of React Native's: what it throws is nobody's. */
export const quietly: (work: () => void) => void = attempt;

/** A boundary is going to record this error with more than others know of it. */
export function claim(thrown: unknown): void {
  if (markOf(thrown)) return;
  const mark = { time: Date.now(), isClaim: true };
  if (isObject(thrown)) seen.set(thrown, mark);
  else claimed = { ...mark, value: thrown };
}

/** A boundary records the error that it has claimed, unless another one has done so. */
export function claimedIsFound(thrown: unknown, attributes: Attributes): void {
  const mark = markOf(thrown);
  if (mark && !mark.isClaim) return;
  claimed = undefined;
  keep(thrown, attributes, {});
}

function markOf(value: unknown): Mark | undefined {
  const isIt = isObject(value)
    ? // React Native puts what is no error into one of its own.
      attempt(() => (value as { isComponentError?: unknown }).isComponentError)
    : claimed && Object.is(claimed.value, value);
  const mark = (isObject(value) && seen.get(value)) || (isIt ? claimed : undefined);
  return mark && Math.abs(Date.now() - mark.time) < SAME_MS ? mark : undefined;
}

/** Whether another door has recorded this value a short while ago, or is going to. */
export const isKnown = (value: unknown): boolean => markOf(value) !== undefined;

/** Records an error, unless another door has done so. Returns whether it did. */
export function found(thrown: unknown, attributes: Attributes = {}, how: FoundError = {}): boolean {
  if (told > 0) return false;
  const mark = markOf(thrown);
  // What was recorded as handled, and kills the app nevertheless, is recorded once more.
  if (mark && (!how.isFatal || mark.isFatal)) {
    // A boundary whose fallback throws does not get to record what it has claimed.
    const unlessRecorded = (): void => void (markOf(thrown) === mark && keep(thrown, attributes, how));
    if (mark.isClaim) void Promise.resolve().then(() => quietly(unlessRecorded));
    return false;
  }
  keep(thrown, attributes, how);
  return true;
}

function keep(thrown: unknown, attributes: Attributes, how: FoundError): void {
  const time = Date.now();
  const isFatal = how.isFatal === true;
  if (isObject(thrown)) seen.set(thrown, { time, isFatal });
  const components = attempt(() => (thrown as { componentStack?: unknown }).componentStack);
  if (isFatal) lastMark = { id: `${time.toString(36)}-${++marks}`, time };
  const more: Attributes = {
    "error.cause": attempt(() => causes(thrown)) || undefined,
    "error.component_stack": typeof components === "string" ? components : undefined,
    ...(isFatal && { "error.fatal": true, "error.fatal.id": lastMark!.id }),
    ...attributes,
  };
  foundError(thrown, more, how);
}

/** The causes of an error, one a line. A cause that is among its own causes ends the list. */
function causes(thrown: unknown): string {
  const lines: string[] = [];
  const known = new Set([thrown]);
  for (let next = thrown; lines.length < CAUSES;) {
    const cause = attempt(() => (next as { cause?: unknown }).cause);
    if (cause === undefined || cause === null || known.has(cause)) break;
    known.add(cause);
    lines.push(attempt(() => String(cause).slice(0, 500)) ?? typeof cause);
    next = cause;
  }
  return lines.join("\n");
}

/** Tells another's handler of an error. What it reports meanwhile is this error again. */
export function tell<T>(work: () => T): T {
  told++;
  try {
    return work();
  } finally {
    told--;
  }
}

/**
 * Puts a function of ours in the place of another. Returns what takes it back; when somebody else has replaced ours
 * since, it stays, and `isOn` says no.
 */
export function inPlace<T, Key extends keyof T>(
  of: T,
  key: Key,
  make: (before: T[Key], isOn: () => boolean) => T[Key],
): () => void {
  const before = of[key];
  let isOn = true;
  const ours = make(before, () => isOn);
  of[key] = ours;
  return () => {
    isOn = false;
    if (of[key] === ours) of[key] = before;
  };
}

/** Runs work in a trace of its own: what it records is not said to be caused by anything. */
export const apart = (work: () => void): void => TraceContext.from({}).run(work);
