// MobX: what changes in a tree of observables, told by `observe`, which builds for production have, too.

import * as mobx from "mobx";
import { indexed, keyed } from "./path.js";
import type { StorePolicy } from "./policy.js";
import { addProblem } from "./problems.js";
import { guarded } from "./recorder.js";
import { tracedStore } from "./store.js";
import type { Attributes } from "./values.js";

/** What of a tree is traced. */
export interface MobxTracing {
  /** The name of the store. Default: `MobX`. */
  readonly name?: string;
  readonly policy?: StorePolicy;
  /** Says what surrounds a mutation. */
  readonly getContext?: () => Attributes;
}

/** So many observables of a tree are followed. */
const NODES = 10_000;

/** An object, an array, a map or a set. */
type Node = object;
/** What `observe` tells of any of them. */
type Change = Partial<Record<"type" | "name" | "oldValue" | "newValue", unknown>> &
  Partial<Pick<mobx.IArraySplice, "index" | "added" | "removed">>;

const isNode = (value: unknown): value is Node =>
  [mobx.isObservableObject, mobx.isObservableArray, mobx.isObservableMap, mobx.isObservableSet].some((is) => is(value));

/** The parts of a node with their keys, without what a class computes. The members of a set have no paths. */
function* partsOf(node: Node): Iterable<[key: unknown, value: unknown]> {
  if (mobx.isObservableArray(node) || mobx.isObservableMap(node)) yield* node.entries();
  if (!mobx.isObservableObject(node)) return;
  for (let owner: object = node; owner && owner !== Object.prototype; owner = Object.getPrototypeOf(owner) as object)
    for (const key of Object.getOwnPropertyNames(owner))
      if (mobx.isObservableProp(node, key) && !mobx.isComputedProp(node, key)) yield [key, node[key as keyof Node]];
}

const keyOf = (parent: Node, part: unknown): unknown =>
  mobx.isObservableArray(parent) ? parent.indexOf(part) : [...partsOf(parent)].find(([, value]) => value === part)?.[0];

const step = (node: Node, path: string, key: unknown): string =>
  mobx.isObservableArray(node) ? indexed(path, Number(key)) : keyed(path, String(key));

/**
 * Records the changes of an observable object, array, map or set, and of the observables in it. An observable that has
 * several places in the tree has the path of one of them. Returns what ends it.
 *
 * ```ts
 * const end = traceMobx(observable({ items: [] }), { name: "Cart" });
 * ```
 */
export function traceMobx(root: object, { name = "MobX", policy, getContext }: MobxTracing = {}): () => void {
  const store = tracedStore(name, policy);
  const known = new Map<unknown, { readonly parents: Set<Node>; readonly end: () => void }>();
  /** Where a node is. `undefined`: it is not in the tree any more. Nodes may refer to those above them. */
  const pathOf = (node: Node, seen = new Set<Node>()): string | undefined => {
    for (const parent of (node !== root && !seen.has(node) && known.get(node)?.parents) || []) {
      const path = pathOf(parent, seen.add(node));
      if (path !== undefined) return step(parent, path, keyOf(parent, node));
    }
    return node === root ? "" : undefined;
  };
  const enter = (value: unknown, parent?: Node): void => {
    if (parent) known.get(value)?.parents.add(parent);
    if (known.has(value) || !isNode(value)) return;
    if (known.size >= NODES) return addProblem(`of the store \`${name}\`, only ${NODES} observables are followed`);
    const end = mobx.observe(value, (change) => guarded(() => changed(value, change as unknown as Change), undefined));
    known.set(value, { parents: new Set(parent && [parent]), end });
    for (const [, part] of partsOf(value)) enter(part, value);
  };
  const leave = (value: unknown, parent: Node): void => {
    const node = known.get(value);
    if (!node?.parents.delete(parent) || pathOf(value as Node) !== undefined) return;
    node.end();
    known.delete(value);
    for (const [, part] of partsOf(value as Node)) leave(part, value as Node);
  };
  const changed = (node: Node, { type, name: key, index, oldValue, newValue, added, removed }: Change): void => {
    const [gone, come] = [removed ?? [oldValue], added ?? [newValue]];
    const held = new Set(gone.some((value) => known.has(value)) ? [...partsOf(node)].map(([, value]) => value) : []);
    for (const value of gone) if (!held.has(value)) leave(value, node);
    for (const value of come) enter(value, node);
    const base = pathOf(node);
    if (base === undefined || typeof key === "symbol" || (typeof key === "object" && key !== null)) return;
    const isAtEnd = gone.length + come.length === 1 && index! + come.length === (node as []).length;
    if (type === "splice" && !isAtEnd) return store.mutated({ path: base, kind: "batch" }, getContext);
    const isUpdate = type === "update" && (isNode(oldValue) && isNode(newValue) ? "replace" : "set");
    const kind = isUpdate || (type === "add" || come.length > gone.length ? "insert" : "delete");
    const path = mobx.isObservableSet(node) ? base : step(node, base, key ?? index);
    store.mutated({ path, kind, old: gone[0], new: come[0] }, getContext);
  };
  guarded(() => mobx.untracked(() => enter(root)), undefined);
  return () => {
    for (const { end } of known.values()) end();
    known.clear();
  };
}
