// How long the app takes until it shows something, and until it can be used.

import { markInteractive, vital } from "@throughline/core";
import { options, quietly } from "./found.js";

/** See {@link traceAppStart}. */
export interface AppStartOptions {
  /** When the process has started, ms since the epoch, as the native side knows. Without it nothing is recorded. */
  readonly processStart?: number | undefined;
  /** Whether the process was started for work in the background, so that no user has waited. */
  readonly isBackground?: boolean;
}

/** A start that takes longer was not one that a user waited for, ms: the same limit as Android's vitals have. */
const LONGEST_MS = 60_000;

let began: number | undefined;
let isRendered = false;
let isUsable = false;

/**
 * Measures the start of the app from the start of its process. `app.start.javascript` says how long it took until this
 * call, {@link markFirstRender} records `app.start.first_render`, and {@link markAppInteractive}
 * `app.start.interactive`, in ms, once a process each. Returns what ends the measurement.
 */
export function traceAppStart(given?: AppStartOptions): () => void {
  const { processStart, isBackground } = options(given);
  quietly(() => {
    if (began !== undefined || isBackground || typeof processStart !== "number") return;
    began = processStart;
    since("app.start.javascript");
  });
  return () => void (began = Number.NaN);
}

/** The first components are on the screen. `TouchBoundary` calls it; an app without one calls it in an effect. */
export function markFirstRender(): void {
  if (isRendered || began === undefined) return;
  isRendered = true;
  quietly(() => since("app.start.first_render"));
}

/** The user can use the app now: the view is complete, and, the first time, so is the start of the app. */
export function markAppInteractive(): void {
  quietly(markInteractive);
  if (isUsable || began === undefined) return;
  isUsable = true;
  quietly(() => since("app.start.interactive"));
}

function since(name: string): void {
  const took = Date.now() - began!;
  if (took >= 0 && took < LONGEST_MS) vital(name, took, "ms");
}
