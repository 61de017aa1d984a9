// What is known of a Valtio proxy: its target, its edges, and the path of its properties.

import { indexed, keyed } from "./path.js";
import type { TracedStore } from "./store.js";
import type { Attributes } from "./values.js";

/** A proxy that was traced, as a state of a store. */
export interface Root {
  readonly store: TracedStore;
  /** Says what surrounds a mutation of this state. */
  context: (() => Attributes) | undefined;
}

/** Where a proxy is in a state. */
export interface Place {
  readonly root: Root;
  readonly path: string;
}

/** The keys of a `proxyMap`, by the index under which it keeps their values, and the other way round. */
export interface Collection {
  readonly keys: Map<number, string | number>;
  readonly indexes: Map<string | number, number>;
}

/** What is known of a proxy. */
export interface Node {
  readonly target: Target;
  readonly isArray: boolean;
  /** Of a `proxyMap` or a `proxySet`. */
  readonly collection: Collection | undefined;
  readonly self: WeakRef<Node>;
  proxy: object | undefined;
  /** Puts the traps in place that only a traced proxy has. */
  attach: () => void;
  isAttached: boolean;
  /** Its target is itself a proxy, of a library that writes to it as well. */
  isForeign: boolean;
  /** Properties with a getter or setter, its own or its class's. What a setter writes is seen by itself. */
  accessors: ReadonlySet<string> | undefined;
  roots: Map<TracedStore, Root> | undefined;
  readonly parents: Map<WeakRef<Node>, Set<string>>;
  readonly children: Map<string, Node>;
  /** Whether it ever had a child, or a proxy of before the hook. */
  hasEdges: boolean;
  /** What ends the comparison of proxies that were made before the hook, by the property that holds them. */
  outside: Map<string, { readonly proxy: object; stop?: () => void }> | undefined;
  /** Where it is, as of an epoch of the edges. */
  places: readonly Place[];
  epoch: number;
  /** The stores that ignore a property, where all of its places do. Of the same epoch. */
  ignored: Record<string, readonly TracedStore[]> | undefined;
  ignoredCount: number;
  /** A search for places came through here: its edges matter to others. */
  isRelied: boolean;
  isWalked: boolean;
  /** Writes are part of a call that is recorded as a whole while this is not 0. */
  muted: number;
  isTouched: boolean;
}

/** The object behind a proxy, in which Valtio keeps the values. */
export type Target = Record<string, unknown>;

/** What is known of a new proxy: it has no edges yet. */
export function newNode(target: Target, attach: () => void): Node {
  const node: Omit<Node, "self"> & { self?: WeakRef<Node> } = {
    target,
    isArray: Array.isArray(target),
    collection: isCollection(target) ? collectionOf(target) : undefined,
    proxy: undefined,
    attach,
    isAttached: false,
    isForeign: false,
    accessors: undefined,
    roots: undefined,
    parents: new Map(),
    children: new Map(),
    hasEdges: false,
    outside: undefined,
    places: [],
    epoch: 0,
    ignored: undefined,
    ignoredCount: 0,
    isRelied: false,
    isWalked: false,
    muted: 0,
    isTouched: false,
  };
  node.self = new WeakRef(node as Node);
  return node as Node;
}

/** Whether a target is what `proxyMap` and `proxySet` are made of. */
const isCollection = (target: Target): boolean =>
  "epoch" in target &&
  Symbol.iterator in target &&
  ["epoch", "data", Symbol.toStringTag].every((key) => Object.hasOwn(target, key));

function collectionOf(target: Target): Collection {
  const collection: Collection = { keys: new Map(), indexes: new Map() };
  if (typeof target["get"] !== "function") return collection;
  let index = 0;
  for (const key of (target as unknown as Map<unknown, unknown>).keys()) remember(collection, index++, key);
  return collection;
}

/** Keeps a key that may stand in a path. Others, such as objects, are not kept alive. */
export function remember(collection: Collection, index: number, key: unknown): void {
  if (!isPathKey(key)) return;
  collection.keys.set(index, key);
  collection.indexes.set(key, index);
}

/** Forgets a key. */
export function forget(collection: Collection, key: unknown): void {
  if (!isPathKey(key)) return;
  const index = collection.indexes.get(key);
  if (index === undefined) return;
  collection.indexes.delete(key);
  collection.keys.delete(index);
}

/** The path of a property of a proxy. */
export function step(node: Node, path: string, prop: string): string {
  if (node.isArray) {
    const key = keysOf(node)?.get(Number(prop));
    return key === undefined ? indexed(path, prop) : keyed(path, String(key));
  }
  // What a collection keeps its values in is no part of the app's state.
  return node.collection && prop === "data" ? path : keyed(path, prop);
}

/** The path of a property. The length of an array is the array's own. */
export const pathOf = (node: Node, place: Place, prop: string): string =>
  node.isArray && prop === "length" ? place.path : step(node, place.path, prop);

/** The keys of the collection that an array belongs to. */
function keysOf(node: Node): Map<number, string | number> | undefined {
  for (const [reference, props] of node.parents) {
    const parent = reference.deref();
    if (parent?.collection && props.has("data")) return parent.collection.keys;
  }
  return undefined;
}

export const isPathKey = (key: unknown): key is string | number => typeof key === "string" || typeof key === "number";

/** Learns what only matters of a proxy that is traced: its accessors, and whether another library has made it. */
export function inspect(node: Node): void {
  const { target, isArray } = node;
  const accessors = new Set<string>();
  let data: string | undefined = isArray ? "length" : undefined;
  let holder: unknown = isArray ? Object.getPrototypeOf(target) : target;
  for (let depth = 0; depth < 16 && !isRootPrototype(holder); depth++) {
    for (const [key, known] of Object.entries(Object.getOwnPropertyDescriptors(holder))) {
      if (holder !== target && Object.hasOwn(target, key)) continue;
      if (known.get ?? known.set) accessors.add(key);
      else if (holder === target && known.writable) data ??= key;
    }
    holder = Object.getPrototypeOf(holder);
  }
  if (accessors.size > 0) node.accessors = accessors;
  node.isForeign = data !== undefined && hasTrap(target, data);
}

const isRootPrototype = (value: unknown): boolean =>
  value === null || value === Object.prototype || value === Array.prototype;

/**
 * Whether a write to an object is seen by somebody. Writing the value that is there already, for another receiver,
 * changes nothing: without a trap the receiver gets it, and Valtio's trap returns before that.
 */
function hasTrap(target: Target, key: string): boolean {
  const receiver: Target = {};
  Reflect.set(target, key, target[key], receiver);
  return !Object.hasOwn(receiver, key);
}
