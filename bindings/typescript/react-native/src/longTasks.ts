// Times in which the JavaScript thread did one thing only.

import { longTask } from "@throughline/core";
import { attempt, options, quietly } from "./found.js";

/** React Native's `AppState`, as far as it is used. */
export interface AppStateLike {
  readonly currentState: string | null | undefined;
  addEventListener(type: "change", listener: (state: string) => void): { remove(): void };
}

/** See {@link traceLongTasks}. */
export interface LongTaskOptions {
  /** Tasks that take at least so long are recorded, ms. Default 50, as in the W3C's Long Tasks. */
  readonly thresholdMs?: number;
  /** `AppState` of React Native. Without it the app counts as being in the foreground. */
  readonly appState?: AppStateLike;
}

/** How often the timer looks, ms, where the engine does not tell of long tasks. */
const TICK_MS = 50;

/**
 * Records long tasks of the JavaScript thread: as `PerformanceObserver` tells of them, else by a timer that runs in the
 * foreground alone and notices when it comes late. The timer's durations may be too short by 50 ms. A stop of more than
 * a minute is a process that was suspended, not a task. Returns what ends this.
 */
export function traceLongTasks(given?: LongTaskOptions): () => void {
  const { thresholdMs, appState } = options(given);
  const threshold = typeof thresholdMs === "number" && thresholdMs > 0 ? thresholdMs : 50;
  let end = attempt(() => observed(threshold)) ?? attempt(() => timed(threshold, appState));
  return () => {
    if (end) quietly(end);
    end = undefined;
  };
}

/** Whether the engine tells of long tasks itself. */
export const tellsOfLongTasks = (): boolean =>
  typeof PerformanceObserver === "function" && PerformanceObserver.supportedEntryTypes?.includes("longtask");

function observed(threshold: number): (() => void) | undefined {
  if (!tellsOfLongTasks()) return undefined;
  const observer = new PerformanceObserver((list) =>
    quietly(() => {
      for (const { duration } of list.getEntries()) if (duration >= threshold) longTask(duration);
    }),
  );
  observer.observe({ type: "longtask" });
  return () => observer.disconnect();
}

function timed(threshold: number, appState: AppStateLike | undefined): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let due = 0;
  const next = (): void => {
    due = now() + TICK_MS;
    timer = setTimeout(tick, TICK_MS);
    // Node would not end otherwise.
    (timer as { unref?: () => void }).unref?.();
  };
  const tick = (): void => {
    const late = now() - due;
    if (late >= threshold && late < 60_000) quietly(() => longTask(late));
    next();
  };
  const to = (state: string | null): void => {
    if (timer !== undefined) clearTimeout(timer);
    timer = undefined;
    if (state !== "background" && state !== "inactive") next();
  };
  const listener = appState?.addEventListener("change", to);
  to(appState?.currentState ?? "active");
  return () => {
    to("background");
    listener?.remove();
  };
}

const now = (): number => (typeof performance === "object" ? performance.now() : Date.now());
