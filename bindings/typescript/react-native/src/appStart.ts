// How long the app takes until it shows something, and until it can be used.

import { markInteractive as markView, vital } from "@throughline/core";
import { quietly } from "./found.js";

/** A start that takes longer was not one that a user waited for, ms: the same limit as Android's vitals have. */
const LONGEST_MS = 60_000;

let began: number | undefined;
let isRendered = false;
let isUsable = false;

/**
 * Measures the start of the app from the start of its process, in ms since the epoch, once a process. 0: the process
 * was not started for its user. Returns what ends the measurement.
 */
export function traceAppStart(processStart: number): () => void {
  if (began === undefined && processStart > 0) {
    began = processStart;
    since("app.start.javascript");
  }
  return () => void (began &&= NaN);
}

/** The first components are on the screen. `TouchBoundary` calls it; an app without one calls it in an effect. */
export function markFirstRender(): void {
  if (isRendered || began === undefined) return;
  isRendered = true;
  since("app.start.first_render");
}

/** The user can use what is shown: the current view is complete, and, the first time, so is the start of the app. */
export function markInteractive(): void {
  quietly(markView);
  if (isUsable || began === undefined) return;
  isUsable = true;
  since("app.start.interactive");
}

function since(name: string): void {
  const took = Date.now() - began!;
  if (took >= 0 && took < LONGEST_MS) quietly(() => vital(name, took, "ms", { "app.start.type": "cold" }));
}
