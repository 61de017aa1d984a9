// What is known of a Valtio proxy: its target, its edges, and the path of its properties.

import { indexed, keyed } from "./path.js";
import type { TracedStore } from "./store.js";

/** Where a proxy is in a store. */
export interface Place {
  readonly store: TracedStore;
  readonly path: string;
  /** Which properties are ignored, as far as they are known: of {@link decidedBy} alone. */
  ignored: Map<string, boolean>;
  decidedBy: unknown;
}

/** What is known of a proxy. */
export interface Node {
  readonly target: Target;
  readonly isArray: boolean;
  /** The keys of a `proxyMap` by the index under which it keeps their values. */
  readonly keys: Map<number, unknown> | undefined;
  /** Properties with a getter or setter. What a setter writes is seen by itself. */
  readonly accessors: ReadonlySet<string> | undefined;
  readonly roots: Set<TracedStore>;
  readonly parents: Map<WeakRef<Node>, Set<string>>;
  readonly children: Map<string, Node>;
  /** Proxies that were made before the hook, by the property that holds them. */
  readonly outside: Map<string, { readonly proxy: object; stop?: () => void }>;
  readonly self: WeakRef<Node>;
  places: readonly Place[];
  placesEpoch: number;
  isWalked: boolean;
  /** Writes are part of a call that is recorded as a whole while this is not 0. */
  muted: number;
  isTouched: boolean;
}

/** The object behind a proxy, in which Valtio keeps the values. */
export type Target = Record<string, unknown>;

/** What is known of a new proxy: it has no edges yet. */
export function newNode(target: Target): Node {
  const isArray = Array.isArray(target);
  const accessors = isArray
    ? []
    : Object.entries(Object.getOwnPropertyDescriptors(target)).filter(([, known]) => known.get ?? known.set);
  const node: Omit<Node, "self"> & { self?: WeakRef<Node> } = {
    target,
    isArray,
    keys: isCollection(target)
      ? new Map([...(target as unknown as Map<unknown, unknown>).keys()].entries())
      : undefined,
    accessors: accessors.length > 0 ? new Set(accessors.map(([key]) => key)) : undefined,
    roots: new Set(),
    parents: new Map(),
    children: new Map(),
    outside: new Map(),
    places: [],
    placesEpoch: 0,
    isWalked: false,
    muted: 0,
    isTouched: false,
  };
  node.self = new WeakRef(node as Node);
  return node as Node;
}

/** Whether a target is what `proxyMap` and `proxySet` are made of. */
const isCollection = (target: Target): boolean =>
  Object.hasOwn(target, "epoch") &&
  Object.hasOwn(target, "data") &&
  Symbol.iterator in target &&
  Object.hasOwn(target, Symbol.toStringTag);

/** The path of a property of a proxy. */
export function step(node: Node, path: string, prop: string): string {
  if (node.isArray) {
    const collection = collectionOf(node);
    if (!collection) return indexed(path, prop);
    const key = collection.keys?.get(Number(prop));
    return isPathKey(key) ? keyed(path, String(key)) : indexed(path, prop);
  }
  // What a collection keeps its values in is no part of the app's state.
  return node.keys && prop === "data" ? path : keyed(path, prop);
}

/** The collection that an array belongs to. */
function collectionOf(node: Node): Node | undefined {
  for (const [reference, props] of node.parents) {
    const parent = reference.deref();
    if (parent?.keys && props.has("data")) return parent;
  }
  return undefined;
}

export const isPathKey = (key: unknown): boolean => typeof key === "string" || typeof key === "number";
