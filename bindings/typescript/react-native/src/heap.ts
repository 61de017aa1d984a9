// How much memory JavaScript takes. Frames, and the memory of the process, are the native side's.

import { measure } from "@throughline/core";
import { AppState } from "react-native";
import { quietly } from "./found.js";

/** See {@link traceHeap}. */
export interface HeapOptions {
  /** How often the heap is measured, ms, at least 10,000. Default: 10,000. */
  readonly everyMs?: number;
}

/** The metrics are kept for so long before they are sent, ms. More samples would say nothing more. */
const LEAST_MS = 10_000;

/**
 * Measures the heap of the JavaScript engine while the app is in the foreground, as two gauges in bytes:
 * `app.js.heap.used`, what is allocated in it, and `app.js.heap.size`, what the engine has taken from the system. Only
 * Hermes tells of its heap: elsewhere nothing is measured. Returns what ends this.
 *
 * ```ts
 * start("granted", configuration, { more: [traceHeap] });
 * ```
 */
export function traceHeap({ everyMs = LEAST_MS }: HeapOptions = {}): () => void {
  const { HermesInternal: hermes } = globalThis as {
    HermesInternal?: { getInstrumentedStats?(): Record<string, unknown> };
  };
  let timer: ReturnType<typeof setInterval> | undefined;
  const sample = (): void =>
    quietly(() => {
      const { js_allocatedBytes: used, js_heapSize: size } = hermes!.getInstrumentedStats!();
      if (typeof used === "number") measure("gauge", "app.js.heap.used", used, "By");
      if (typeof size === "number") measure("gauge", "app.js.heap.size", size, "By");
    });
  const to = (state: unknown): void => {
    clearInterval(timer);
    timer = undefined;
    if (state === "background" || state === "inactive") return;
    sample();
    timer = setInterval(sample, everyMs > LEAST_MS ? everyMs : LEAST_MS);
    // Node would not end otherwise.
    (timer as { unref?: () => void }).unref?.();
  };
  if (typeof hermes?.getInstrumentedStats !== "function") return () => undefined;
  const listener = AppState.addEventListener("change", to);
  to(AppState.currentState);
  return () => {
    to("background");
    listener.remove();
  };
}
