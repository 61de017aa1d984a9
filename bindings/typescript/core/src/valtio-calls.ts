// Methods of arrays, of `proxyMap` and of `proxySet` that write several times: each is one mutation.

import { kindOf } from "./diff.js";
import { keyed } from "./path.js";
import { counts } from "./recorder.js";
import type { Mutation } from "./store.js";
import { forget, isPathKey, remember, step, type Node, type Place, type Target } from "./valtio-node.js";

/** What was changed, if anything was: `key` is the part of the array or the collection. */
type Change = Omit<Mutation, "path"> & { readonly key?: unknown };

/** Looks at what a call is going to change. What it returns says, after the call, what that has changed. */
type WholeCall = (node: Node, args: readonly unknown[]) => (answer: unknown) => Change | undefined;

/** How this module reads values, and finds where a proxy is. */
export interface Reader {
  read(value: unknown): unknown;
  placesOf(node: Node): readonly Place[];
}

/** A trap that hands out whole calls in place of some methods. `theirs` is the trap that is there already. */
export function wholeCalls(
  node: Node,
  reader: Reader,
  theirs: ProxyHandler<Target>["get"],
): NonNullable<ProxyHandler<Target>["get"]> {
  const calls: ReadonlyMap<string | symbol, WholeCall> = node.isArray ? arrayCalls(reader) : collectionCalls(reader);
  const wrapped = new Map<string | symbol, { readonly inner: unknown; readonly outer: unknown }>();
  const traced = (prop: string | symbol, inner: unknown): unknown => {
    const whole = typeof inner === "function" && calls.get(prop);
    if (!whole) return inner;
    const known = wrapped.get(prop);
    if (known?.inner === inner) return known.outer;
    const outer = function (this: unknown, ...args: unknown[]): unknown {
      const call = () => inner.apply(this, args) as unknown;
      // A method may be called on another object than the one that it was read from.
      return this === node.proxy ? recordWhole(node, reader, whole, call, args) : call();
    };
    wrapped.set(prop, { inner, outer });
    return outer;
  };
  if (theirs) return (target, prop, receiver) => traced(prop, theirs(target, prop, receiver));
  if (!node.isArray) return (target, prop, receiver) => traced(prop, Reflect.get(target, prop, receiver));
  // An array has no getters, and is read much more often than it is called.
  return (target, prop) => {
    const inner = target[prop as string];
    return typeof inner === "function" ? traced(prop, inner) : inner;
  };
}

function recordWhole(
  node: Node,
  reader: Reader,
  whole: WholeCall,
  call: () => unknown,
  args: readonly unknown[],
): unknown {
  const where = node.muted > 0 ? [] : reader.placesOf(node);
  if (where.length === 0) return call();
  const data = node.collection ? node.children.get("data") : undefined;
  node.muted++;
  if (data) data.muted++;
  node.isTouched = false;
  let answer: unknown;
  let change: Change | undefined;
  try {
    const after = whole(node, args);
    answer = call();
    change = after(answer);
  } catch (error) {
    // What was written before somebody has thrown stays written.
    if (node.isTouched) change = { kind: "batch" };
    throw error;
  } finally {
    node.muted--;
    if (data) data.muted--;
    if (change) record(node, where, change);
  }
  return answer;
}

function record(node: Node, where: readonly Place[], { key, ...what }: Change): void {
  try {
    for (const { root, path } of where) {
      const own = node.isArray ? key !== undefined : isPathKey(key);
      const full = !own ? path : node.isArray ? step(node, path, String(key)) : keyed(path, String(key));
      root.store.mutated({ ...what, path: full }, root.context);
    }
  } catch {
    counts.failures++;
  }
}

const batch: WholeCall = (node) => () => (node.isTouched ? { kind: "batch" } : undefined);

const BATCHES = ["shift", "unshift", "splice", "sort", "reverse", "fill", "copyWithin"];

const arrayCalls = ({ read }: Reader): ReadonlyMap<string, WholeCall> =>
  new Map<string, WholeCall>([
    ...BATCHES.map((name): [string, WholeCall] => [name, batch]),
    [
      "push",
      (node, args) => {
        const key = (node.target as unknown as unknown[]).length;
        if (args.length !== 1) return batch(node, args);
        return () => (node.isTouched ? { key, kind: "insert", new: read(node.target[key]) } : undefined);
      },
    ],
    [
      "pop",
      (node) => {
        const key = (node.target as unknown as unknown[]).length - 1;
        const old = read(node.target[key]);
        return () => (node.isTouched ? { key, kind: "delete", old } : undefined);
      },
    ],
  ]);

type Kept = { has(key: unknown): boolean; get?(key: unknown): unknown; readonly size: number; index: number };

const collectionCalls = ({ read }: Reader): ReadonlyMap<string, WholeCall> =>
  new Map<string, WholeCall>([
    [
      "set",
      (node, [key, value]) => {
        const map = node.target as unknown as Kept;
        const had = map.has(key);
        const old = map.get?.(key);
        // The path of what is below must be known to a subscriber that writes at once.
        if (!had && node.collection) remember(node.collection, map.index, key);
        return () => {
          const next = map.get?.(key);
          if (had && (Object.is(old, next) || Object.is(old, value))) return undefined;
          return { key, kind: kindOf(had, true, old, next), old: read(old), new: read(next) };
        };
      },
    ],
    [
      "add",
      (node, [value]) => {
        const set = node.target as unknown as Kept;
        const before = set.index;
        return () => (set.index !== before ? { kind: "insert", new: read(value) } : undefined);
      },
    ],
    [
      "delete",
      (node, [key]) => {
        const map = node.target as unknown as Kept;
        const old = read(map.get ? map.get(key) : key);
        return (answer) => {
          if (answer !== true) return undefined;
          if (node.collection) forget(node.collection, key);
          return { key: map.get && key, kind: "delete", old };
        };
      },
    ],
    [
      "clear",
      (node) => {
        const had = (node.target as unknown as Kept).size > 0;
        return () => {
          node.collection?.keys.clear();
          node.collection?.indexes.clear();
          return had ? { kind: "batch" } : undefined;
        };
      },
    ],
  ]);
