// Promises that were rejected, and that nobody has handled.
//
// The engine has one place for a tracker, and tells it of a rejection by a timer. It does not say
// when the promise was rejected, nor within what. So a record has the latest time at which that can
// have been, the session, the view and the action that were current then, which the core knows, and
// a trace of its own.

import { log } from "@throughline/core";
import { apart, found, options, quietly, tell } from "./found.js";

/** What a tracker of rejections takes, in Hermes and in the package `promise`. */
export interface TrackerOptions {
  readonly allRejections?: boolean;
  /** Nobody has handled the rejection of the promise with this number. */
  readonly onUnhandled?: (id: number, rejection: unknown) => void;
  /** Somebody has handled it after all. */
  readonly onHandled?: (id: number, rejection?: unknown) => void;
}

/** See {@link traceRejections}. */
export interface RejectionOptions {
  /**
   * React Native's own options, which are called on: in development the default export of
   * `react-native/Libraries/promiseRejectionTrackingOptions`. Without them, nobody else is told.
   */
  readonly others?: TrackerOptions;
  /** `promise/setimmediate/rejection-tracking`, where `Promise` is not the engine's own. */
  readonly polyfill?: {
    /** Begins to track. */
    enable(options: TrackerOptions): void;
    /** Ends it. */
    disable?(): void;
  };
}

interface Hermes {
  hasPromise?(): boolean;
  enablePromiseRejectionTracker?(options: TrackerOptions): void;
}

/** How long the tracker waits, ms: for these errors, and for all others. */
const SOON = [TypeError, ReferenceError, RangeError];
const SOON_MS = 100;
const LATE_MS = 2_000;

/** So many reported rejections are remembered until a handler comes, the newest ones. */
const REMEMBERED = 100;

/**
 * Records promises that were rejected and that nobody has handled in time: 100 ms for a TypeError, a ReferenceError and
 * a RangeError, 2 seconds for everything else. The record has the latest time at which the promise can have been
 * rejected, the session, the view and the action of that time, the attribute `error.unhandled_rejection`, and a trace
 * of its own, because nothing says which operation has caused it.
 * When a handler comes later, a log with the same `error.rejection.id` and `error.handled_late` amends the record.
 * Returns what ends the recording. The tracker stays in its place, and passes on to `others`.
 */
export function traceRejections(given?: RejectionOptions): () => void {
  const { others, polyfill } = options(given);
  const hermes = (globalThis as { HermesInternal?: Hermes }).HermesInternal;
  const enable = (options: TrackerOptions): void => {
    if (hermes?.hasPromise?.() !== false && hermes?.enablePromiseRejectionTracker) {
      hermes.enablePromiseRejectionTracker(options);
    } else polyfill?.enable(options);
  };
  const reported = new Set<number>();
  let isOn = true;
  const started = Date.now().toString(36);
  const nameOf = (id: number): string => `${started}-${id}`;
  quietly(() =>
    enable({
      allRejections: true,
      onUnhandled: (id, rejection) => {
        if (isOn) {
          quietly(() => {
            if (!rejected(rejection, nameOf(id))) return;
            reported.add(id);
            for (const oldest of reported) if (reported.size > REMEMBERED) reported.delete(oldest);
          });
        }
        if (others?.onUnhandled) tell(() => others.onUnhandled!(id, rejection));
      },
      onHandled: (id, rejection) => {
        if (isOn && reported.delete(id)) quietly(() => amended(nameOf(id)));
        if (others?.onHandled) tell(() => others.onHandled!(id, rejection));
      },
    }),
  );
  return () => {
    // The place may have another's tracker by now, which cannot be asked. It would be lost if the
    // place were written again, so ours stays and only passes on.
    isOn = false;
    reported.clear();
  };
}

function rejected(rejection: unknown, id: string): boolean {
  const waited = SOON.some((type) => rejection instanceof type) ? SOON_MS : LATE_MS;
  let isNew = false;
  apart(() => {
    isNew = found(
      rejection,
      { "error.unhandled_rejection": true, "error.rejection.id": id, "error.is_late": true },
      { time: Date.now() - waited },
    );
  });
  return isNew;
}

const amended = (id: string): void =>
  apart(() =>
    log("info", "a promise that was reported as unhandled has been handled", {
      "error.handled_late": true,
      "error.rejection.id": id,
    }),
  );
