// Valtio's proxies that were made before the hook, or that cannot be hooked: their snapshots are
// compared.

import * as valtio from "valtio/vanilla";
import { changes } from "./diff.js";
import { addProblem } from "./problems.js";
import { counts, guarded } from "./recorder.js";
import type { Place } from "./valtio-node.js";
import { isObject } from "./values.js";

/** States with more values than this are not compared by snapshots: one snapshot would take too long. */
export const SNAPSHOT_NODES = 1_000;

/** Where a proxy is, or `undefined` when what holds it is gone. */
type Where = () => readonly Place[] | undefined;

/** The comparisons that are under way, and what ends each. */
const compared = new Map<Where, () => void>();

/** How many proxies in traced states are not seen by the hook. */
export const proxiesOutside = (): number => [...compared.keys()].filter((where) => (where()?.length ?? 0) > 0).length;

/** Ends the comparisons for states that are gone, whenever the number has doubled. */
function prune(): void {
  const { size } = compared;
  if (size < 16 || (size & (size - 1)) !== 0) return;
  for (const [where, stop] of compared) if (!where()) stop();
}

/** Compares the snapshots of a proxy whenever it changes. Returns what ends that. */
export function compareSnapshots(proxy: object, where: Where, why: string): () => void {
  prune();
  let before: unknown;
  let unsubscribe = (): void => undefined;
  const stop = (): void => {
    compared.delete(where);
    unsubscribe();
    before = undefined;
  };
  compared.set(where, stop);
  /** A snapshot, unless it is too large to be compared. A computed value of the app's may throw in it. */
  const taken = (): unknown => {
    const snapshot = guarded(() => valtio.snapshot(proxy) as unknown);
    if (snapshot === undefined || sizeOf(snapshot) <= SNAPSHOT_NODES) return snapshot;
    addProblem(`${why}, and has more than ${SNAPSHOT_NODES} values: its mutations are not recorded`);
    unsubscribe();
    unsubscribe = () => undefined;
    return undefined;
  };
  const compare = (): void => {
    const places = where();
    if (!places) return stop();
    const after = taken();
    if (after === undefined) return;
    for (const mutation of before === undefined ? [] : changes(before, after))
      for (const { root, path } of places)
        root.store.mutated({ ...mutation, path: joined(path, mutation.path) }, root.context);
    before = after;
  };
  try {
    unsubscribe = valtio.subscribe(proxy, () => guarded(compare), true);
    addProblem(`${why}: its snapshots are compared, which costs more`);
    before = taken();
  } catch {
    counts.failures++;
  }
  return stop;
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
    for (const key of Object.keys(value)) {
      if (++size > SNAPSHOT_NODES) return;
      visit(Object.getOwnPropertyDescriptor(value, key)?.value);
    }
  };
  visit(value);
  return size;
}
