// How what takes time ends: a promise, or a signal that ends it before.

import { guarded } from "./recorder.js";
import { isObject } from "./values.js";

/** Why a request has no answer, in the words that all languages have. */
export const CANCELLED = "cancelled";
export const TIMED_OUT = "timeout";

/** Whether a signal was aborted by the user or the app, or by a time that was over. `undefined`: it is not aborted. */
export function abortedBy(signal: AbortSignal | undefined): string | undefined {
  if (!guarded(() => signal?.aborted)) return undefined;
  return guarded(() => (signal!.reason as { name?: unknown } | undefined)?.name === "TimeoutError")
    ? TIMED_OUT
    : CANCELLED;
}

/**
 * Waits for the end of a promise, of whatever library. The app gets the branch that knows of the end, so that a
 * rejection that it does not handle is still one that nobody handles. `undefined`: it is no promise.
 */
export function followed(
  answer: unknown,
  fulfilled: (value: unknown) => void,
  rejected: (error: unknown) => void,
): Promise<unknown> | undefined {
  if (!isObject(answer) || !guarded(() => typeof (answer as { then?: unknown }).then === "function")) return undefined;
  return (answer instanceof Promise ? answer : Promise.resolve(answer)).then(
    (value: unknown) => {
      fulfilled(value);
      return value;
    },
    (error: unknown) => {
      rejected(error);
      throw error;
    },
  );
}
