// Valtio's proxies that were made before the hook, or that cannot be hooked: their snapshots are
// compared.

import * as valtio from "valtio/vanilla";
import { changes } from "./diff.js";
import { addProblem } from "./problems.js";
import { counts } from "./recorder.js";
import type { TracedStore } from "./store.js";

/** States with more values than this are not compared by snapshots: one snapshot would take too long. */
export const SNAPSHOT_NODES = 1_000;

let outsideCount = 0;

/** How many proxies in traced states are not seen by the hook. */
export const proxiesOutside = (): number => outsideCount;

export const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

/** Compares the snapshots of a proxy whenever it changes. Returns what ends that. */
export function compareSnapshots(
  proxy: object,
  places: () => { store: TracedStore; path: string }[],
  why: string,
): () => void {
  outsideCount++;
  const stopCounting = () => void outsideCount--;
  let before = valtio.snapshot(proxy);
  if (sizeOf(before) > SNAPSHOT_NODES) {
    addProblem(`${why}, and has more than ${SNAPSHOT_NODES} values: its mutations are not recorded`);
    return stopCounting;
  }
  addProblem(`${why}: its mutations are found by comparing snapshots, which costs more`);
  const stop = valtio.subscribe(
    proxy,
    () => {
      const after = valtio.snapshot(proxy);
      try {
        const found = changes(before, after);
        for (const { store, path } of places())
          for (const mutation of found) store.mutated({ ...mutation, path: joined(path, mutation.path) });
      } catch {
        counts.failures++;
      }
      before = after;
    },
    true,
  );
  return () => {
    stopCounting();
    stop();
  };
}

const joined = (path: string, below: string): string =>
  path === "" || below === "" || below.startsWith("[") ? path + below : `${path}.${below}`;

/** How many values a snapshot has, up to one more than may be compared. */
function sizeOf(value: unknown): number {
  let size = 0;
  const seen = new Set<object>();
  const visit = (value: unknown): void => {
    if (!isObject(value) || seen.has(value) || size > SNAPSHOT_NODES) return;
    seen.add(value);
    for (const part of Object.values(value)) {
      size++;
      visit(part);
    }
  };
  visit(value);
  return size;
}
