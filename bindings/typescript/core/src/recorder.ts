// Hands calls to the sink. While there is none yet, they wait in a ring.

import {
  ANSWER_CLOSED,
  ANSWER_DONE,
  ANSWER_MALFORMED,
  ANSWER_NOT_KEPT,
  CALL_ACTION_CONTEXT,
  FACADE_FIRST_SLOT,
} from "./calls.js";
import type { Field, Sink } from "./sink.js";

/** How many calls wait for the start. Of more, the newest ones wait. */
const RING = 100;

/** Counts that only this side knows. They are in `health()`. */
export interface FacadeCounts {
  /** Errors that the app's own code has thrown while it was called. */
  failures: number;
  /** Calls after the shutdown. */
  closedCalls: number;
  /** Calls before the start that were lost because too many waited. */
  lostEarlyCalls: number;
}

/** What this facade could not hand on. `health()` has it, too. */
export const counts: FacadeCounts = { failures: 0, closedCalls: 0, lostEarlyCalls: 0 };

/** The sink that takes calls now. */
export let sink: Sink | undefined;
/** Whether calls are only counted. */
export let isClosed = false;
/** Looks for a sink: see {@link whenUnheard}. */
export let seek = (): boolean => false;
let waiting: { time: number; fields: Field[] }[] = [];
// A runtime that was reloaded meets the client of the one before, which still has that one's slots.
// Numbers at random, of 2^48, keep the two apart.
let lastSlot = FACADE_FIRST_SLOT + Math.floor(Math.random() * (2 ** 48 - 2 ** 40));
/** The slot of the context of this synchronous turn. 0: none. */
export let currentSlot = 0;
let actionSlot = 0;

/** A slot that nobody has used yet. */
export const nextSlot = (): number => ++lastSlot;

/** The slot of the context, or else of the action that has begun in this synchronous turn. 0: none. */
export const cause = (): number => currentSlot || actionSlot;

/** Makes the context of the action that has just begun the cause of what this synchronous turn changes. */
export function causesThisTurn(): void {
  // A microtask runs right after the turn. What a library puts in its place may run after the next one.
  if (!sink || typeof queueMicrotask !== "function") return;
  actionSlot = 0;
  const slot = nextSlot();
  if (record([CALL_ACTION_CONTEXT, 0, 0, slot]) !== ANSWER_DONE) return;
  actionSlot = slot;
  queueMicrotask(() => {
    if (actionSlot === slot) actionSlot = 0;
  });
}

/** Makes the context under a slot current while `work` runs: until it returns, not until its promise does. */
export function within<T>(slot: number, work: () => T): T {
  const before = currentSlot;
  currentSlot = slot;
  try {
    return work();
  } finally {
    currentSlot = before;
  }
}

/**
 * Records a call: see {@link Sink.record}. Before the start it waits; after the shutdown it is counted. With a time, ms
 * since the epoch, it is a call of then.
 */
export function record(fields: Field[], time?: number): number {
  if (sink) {
    try {
      const answer = time === undefined ? sink.record.apply(sink, fields) : sink.recordAt(time, ...fields);
      return answer === ANSWER_CLOSED && seek() ? record(fields, time) : answer;
    } catch {
      counts.failures++;
      return ANSWER_MALFORMED;
    }
  }
  if (isClosed) {
    counts.closedCalls++;
    return ANSWER_CLOSED;
  }
  if (seek()) return record(fields, time);
  if (waiting.length >= RING) {
    waiting.shift();
    counts.lostEarlyCalls++;
  }
  waiting.push({ time: time ?? Date.now(), fields });
  return ANSWER_NOT_KEPT;
}

/**
 * Lets calls wait from now on, while there is no sink. When a call finds none, or one that says it is closed, `work` is
 * called: it may {@link open} another, and returns whether it has. Then that one gets the call.
 */
export function whenUnheard(work: () => boolean): void {
  seek = work;
  isClosed = false;
}

/** Counts a call after the shutdown. */
export const countClosed = (): void => void counts.closedCalls++;

/** Lets calls go to a sink from now on. `declare` runs first, then the calls of the ring, with their own times. */
export function open(to: Sink, declare: () => void): void {
  sink = to;
  isClosed = false;
  declare();
  for (const { time, fields } of waiting.splice(0)) guarded(() => to.recordAt(time, ...fields), ANSWER_NOT_KEPT);
}

/** Only counts calls from now on. */
export function close(): void {
  sink = undefined;
  isClosed = true;
  counts.lostEarlyCalls += waiting.length;
  waiting = [];
}

/** Runs code that may be the app's. When it throws, that is counted, and the answer is `otherwise`. */
export function guarded<T>(work: () => T): T | undefined;
export function guarded<T, Args extends unknown[]>(work: (...args: Args) => T, otherwise: T, ...args: Args): T;
export function guarded<T>(work: (...args: unknown[]) => T, otherwise?: T, ...args: unknown[]): T | undefined {
  try {
    return work(...args);
  } catch {
    counts.failures++;
    return otherwise;
  }
}
