// Valtio: writes to its proxies, seen by the handler that Valtio itself makes for each.
//
// A handler does not know where in the state its proxy is. So each proxy keeps the edges to its
// parents, and the path is found at the write.

import * as valtio from "valtio/vanilla";
import { isPathKey, newNode, step, type Node, type Place, type Target } from "./valtio-node.js";
import { keyed } from "./path.js";
import type { StorePolicy } from "./policy.js";
import { counts } from "./recorder.js";
import { compareSnapshots, isObject, SNAPSHOT_NODES } from "./valtio-snapshots.js";
import { tracedStore, type Mutation, type MutationKind, type TracedStore } from "./store.js";
import type { Attributes } from "./values.js";

export { proxiesOutside } from "./valtio-snapshots.js";

/** How a traced state is traced. */
export interface ValtioTracing<State> {
  /** The name of the store. */
  readonly name: string;
  readonly policy?: StorePolicy;
  /** Says what surrounds a mutation. */
  readonly getContext?: (state: State) => Attributes;
}

/** How many steps the way up from a proxy to its roots may have, all ways together. */
const STEPS = 256;

type Handler = ProxyHandler<Target>;
type CreateHandler = (
  isInitializing: () => boolean,
  addPropListener: (prop: string | symbol, value: unknown) => void,
  removePropListener: (prop: string | symbol) => void,
  notifyUpdate: (op: unknown) => void,
) => Handler;
type NewProxy = (target: Target, handler: Handler) => object;

const nodes = new WeakMap<object, Node>();
/** Completes the node of a handler once its target is known. */
const expected = new WeakMap<Handler, (target: Target) => Node>();
/** Grows with every edge that comes or goes, so that places that were found before are old. */
let epoch = 1;
let installed: boolean | undefined;
const NOWHERE: readonly Place[] = [];

/**
 * Makes a Valtio proxy whose writes are recorded as mutations of a traced store. It is Valtio's own
 * proxy: `useSnapshot`, `subscribe` and `ref` work as ever.
 *
 * ```ts
 * const profile = createTracedState({ displayName: "", isLoading: false }, {
 *   name: "UserProfile",
 *   policy: { transient: ["isLoading"] },
 * });
 * profile.displayName = "Ada"; // action UserProfile.displayName.Update
 * ```
 */
export function createTracedState<State extends object>(initial: State, tracing: ValtioTracing<State>): State {
  const isHooked = install();
  const store = tracedStore(tracing.name, tracing.policy);
  const state = valtio.proxy(initial) as State;
  const { getContext } = tracing;
  if (getContext) store.getContext = () => getContext(state);
  const node = isHooked ? nodes.get(state) : undefined;
  if (node) {
    node.roots.add(store);
    epoch++;
    adoptOutside(node);
  } else {
    const why = isHooked ? "was made before Throughline's hook" : "cannot be hooked in this version of Valtio";
    compareSnapshots(state, () => [{ store, path: "" }], `the state of \`${tracing.name}\` ${why}`);
  }
  return state;
}

/** Hooks the functions by which Valtio makes proxies, once. False when this version has none. */
function install(): boolean {
  if (installed !== undefined) return installed;
  const replace = (valtio as Record<string, unknown>)["unstable_replaceInternalFunction"] as
    ((name: string, replacement: (inner: never) => unknown) => void) | undefined;
  try {
    replace?.("createHandler", (inner: CreateHandler) => traced(inner));
    replace?.("newProxy", (inner: NewProxy): NewProxy => (target, handler) => {
      const node = expected.get(handler)?.(target);
      const proxy = inner(target, handler);
      if (node) nodes.set(proxy, node);
      return proxy;
    });
    installed = replace !== undefined;
  } catch {
    installed = false;
  }
  return installed;
}

/** A handler that sees what the inner one changes. */
function traced(createInner: CreateHandler): CreateHandler {
  return (isInitializing, addPropListener, removePropListener, notifyUpdate) => {
    let node: Node | undefined;
    const inner = createInner(
      isInitializing,
      (prop, value) => {
        addPropListener(prop, value);
        if (node && typeof prop === "string") addEdge(node, prop, value);
      },
      (prop) => {
        removePropListener(prop);
        if (node && typeof prop === "string") removeEdge(node, prop);
      },
      notifyUpdate,
    );
    /** Where a property is that a trap is about to change. None: it is not to be watched. */
    const watched = (prop: string | symbol): readonly Place[] =>
      node === undefined || typeof prop === "symbol" || isInitializing() || node.accessors?.has(prop)
        ? NOWHERE
        : placesOf(node);
    const { set, deleteProperty } = inner;
    const handler: Handler = { ...inner };
    if (set) {
      handler.set = (target, prop, value, receiver) => {
        const where = watched(prop);
        if (where.length === 0) return set(target, prop, value, receiver);
        const key = prop as string;
        const old = target[key];
        const had = old !== undefined || Object.hasOwn(target, key);
        const answer = set(target, key, value, receiver);
        changed(node!, where, key, had, old);
        return answer;
      };
    }
    if (deleteProperty) {
      handler.deleteProperty = (target, prop) => {
        const where = watched(prop);
        if (where.length === 0) return deleteProperty(target, prop);
        const key = prop as string;
        const old = target[key];
        const had = old !== undefined || Object.hasOwn(target, key);
        const answer = deleteProperty(target, key);
        changed(node!, where, key, had, old);
        return answer;
      };
    }
    expected.set(handler, (target) => {
      node = newNode(target);
      if (node.isArray) handler.get = wholeCalls(node, ARRAY_CALLS);
      if (node.keys) handler.get = wholeCalls(node, COLLECTION_CALLS);
      return node;
    });
    return handler;
  };
}

function addEdge(parent: Node, prop: string, value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  const child = nodes.get(value);
  if (child) {
    parent.children.set(prop, child);
    const props = child.parents.get(parent.self);
    if (props) props.add(prop);
    else child.parents.set(parent.self, new Set([prop]));
    prune(child);
    epoch++;
    if (hasOutside && placesOf(parent).length > 0) adoptOutside(child);
  } else if (isProxy(value)) {
    hasOutside = true;
    parent.outside.set(prop, { proxy: value });
    if (placesOf(parent).length > 0) adoptOutside(parent);
  }
}

function removeEdge(parent: Node, prop: string): void {
  parent.outside.get(prop)?.stop?.();
  parent.outside.delete(prop);
  const child = parent.children.get(prop);
  if (!child) return;
  parent.children.delete(prop);
  const props = child.parents.get(parent.self);
  props?.delete(prop);
  if (props?.size === 0) child.parents.delete(parent.self);
  epoch++;
}

/** Forgets parents that are gone, whenever their number has doubled. */
function prune(child: Node): void {
  const { size } = child.parents;
  if (size < 16 || (size & (size - 1)) !== 0) return;
  for (const parent of child.parents.keys()) if (!parent.deref()) child.parents.delete(parent);
}

/** Where a proxy is: at most one place in each store. None when it is in no traced state. */
function placesOf(node: Node): readonly Place[] {
  if (node.placesEpoch !== epoch) {
    const found = new Map<TracedStore, string>();
    walkUp(node, (path) => path, found, { left: STEPS });
    node.places = [...found].map(([store, path]) => ({ store, path, ignored: new Map(), decidedBy: undefined }));
    node.placesEpoch = epoch;
  }
  return node.places;
}

/** `below` completes the path of the node with the path from it down to where the walk began. */
function walkUp(
  node: Node,
  below: (path: string) => string,
  found: Map<TracedStore, string>,
  steps: { left: number },
): void {
  if (node.isWalked || --steps.left < 0) return;
  node.isWalked = true;
  for (const store of node.roots) if (!found.has(store)) found.set(store, below(""));
  for (const [reference, props] of node.parents) {
    const parent = reference.deref();
    const [prop] = props;
    if (parent && prop !== undefined) walkUp(parent, (path) => below(step(parent, path, prop)), found, steps);
  }
  node.isWalked = false;
}

/** Records what a trap has changed: it compares, because a trap alone is no change. */
function changed(node: Node, where: readonly Place[], prop: string, had: boolean, old: unknown): void {
  const { target } = node;
  const next = target[prop];
  const has = next !== undefined || Object.hasOwn(target, prop);
  if (had === has && Object.is(old, next)) return;
  if (node.muted > 0) {
    node.isTouched = true;
    return;
  }
  try {
    for (const place of where) {
      const { store } = place;
      if (place.decidedBy !== store.decided) {
        place.decidedBy = store.decided;
        place.ignored = new Map();
      }
      const known = place.ignored.get(prop);
      if (known === true) {
        store.suppress();
        continue;
      }
      const path = pathOf(node, place, prop);
      // Without an answer nothing is remembered; and the answer may be of a new policy.
      if (store.ignores(path)) {
        if (place.decidedBy === store.decided) place.ignored.set(prop, true);
        store.suppress();
      } else {
        store.mutated({ path, old: read(old), new: read(next), kind: kindOf(had, has, old, next) });
      }
    }
  } catch {
    counts.failures++;
  }
}

/** The path of a property. The length of an array is the array's own. */
const pathOf = (node: Node, place: Place, prop: string): string =>
  node.isArray && prop === "length" ? place.path : step(node, place.path, prop);

function kindOf(had: boolean, has: boolean, old: unknown, next: unknown): MutationKind {
  if (!had) return "insert";
  if (!has) return "delete";
  return isObject(old) && isObject(next) ? "replace" : "set";
}

const isProxy = (value: object): boolean => valtio.getVersion(value) !== undefined;

/** What is recorded of a value. `ref()` values are the app's own business. */
function read(value: unknown): unknown {
  return isObject(value) && !(value instanceof Date) && !isProxy(value) ? undefined : value;
}

/** A call that is recorded as one mutation: what it has changed, if anything, and its answer. */
type WholeCall = (
  node: Node,
  call: () => unknown,
  args: readonly unknown[],
) => [answer: unknown, mutation?: Omit<Mutation, "path"> & { readonly key?: unknown }];

/** A trap that hands out whole calls in place of some methods. */
function wholeCalls(node: Node, calls: ReadonlyMap<string, WholeCall>): NonNullable<Handler["get"]> {
  const wrapped = new Map<string, { readonly inner: unknown; readonly outer: unknown }>();
  return (target, prop, receiver) => {
    // An array has no getters, and is read much more often than it is called.
    const inner: unknown = node.isArray ? target[prop as string] : Reflect.get(target, prop, receiver);
    if (typeof inner !== "function" || typeof prop === "symbol") return inner;
    const whole = calls.get(prop);
    if (!whole) return inner;
    const known = wrapped.get(prop);
    if (known?.inner === inner) return known.outer;
    const outer = function (this: unknown, ...args: unknown[]): unknown {
      return recordWhole(node, whole, () => inner.apply(this, args), args);
    };
    wrapped.set(prop, { inner, outer });
    return outer;
  };
}

function recordWhole(node: Node, whole: WholeCall, call: () => unknown, args: readonly unknown[]): unknown {
  const where = node.muted > 0 ? [] : placesOf(node);
  if (where.length === 0) return call();
  const data = node.keys ? node.children.get("data") : undefined;
  node.muted++;
  if (data) data.muted++;
  node.isTouched = false;
  let result;
  try {
    result = whole(node, call, args);
  } finally {
    node.muted--;
    if (data) data.muted--;
  }
  const [answer, mutation] = result;
  if (mutation) {
    try {
      for (const { store, path } of where) {
        const { key, ...what } = mutation;
        const own = node.isArray ? key !== undefined : isPathKey(key);
        store.mutated({
          ...what,
          path: !own ? path : node.isArray ? step(node, path, String(key)) : keyed(path, String(key)),
        });
      }
    } catch {
      counts.failures++;
    }
  }
  return answer;
}

const batch: WholeCall = (node, call) => {
  const answer = call();
  return node.isTouched ? [answer, { kind: "batch" }] : [answer];
};

const ARRAY_CALLS: ReadonlyMap<string, WholeCall> = new Map<string, WholeCall>([
  ...["shift", "unshift", "splice", "sort", "reverse", "fill", "copyWithin"].map((name): [string, WholeCall] => [
    name,
    batch,
  ]),
  [
    "push",
    (node, call, args) => {
      const key = (node.target as unknown as unknown[]).length;
      if (args.length !== 1) return batch(node, call, args);
      const answer = call();
      return [answer, { key, kind: "insert", new: read(node.target[key]) }];
    },
  ],
  [
    "pop",
    (node, call) => {
      const key = (node.target as unknown as unknown[]).length - 1;
      const old = read(node.target[key]);
      const answer = call();
      return key >= 0 ? [answer, { key, kind: "delete", old }] : [answer];
    },
  ],
]);

type Collection = { has(key: unknown): boolean; get?(key: unknown): unknown; readonly size: number; index: number };

/** Where a key is put next, or is. */
const COLLECTION_CALLS: ReadonlyMap<string, WholeCall> = new Map<string, WholeCall>([
  [
    "set",
    (node, call, [key, value]) => {
      const map = node.target as unknown as Collection;
      const had = map.has(key);
      const old = map.get?.(key);
      const index = map.index;
      const answer = call();
      if (!had) node.keys?.set(index, key);
      const next = map.get?.(key);
      if (had && (Object.is(old, next) || Object.is(old, value))) return [answer];
      return [answer, { key, kind: kindOf(had, true, old, next), old: read(old), new: read(next) }];
    },
  ],
  [
    "add",
    (node, call, [value]) => {
      const set = node.target as unknown as Collection;
      const before = set.index;
      const answer = call();
      return set.index !== before ? [answer, { kind: "insert", new: read(value) }] : [answer];
    },
  ],
  [
    "delete",
    (node, call, [key]) => {
      const map = node.target as unknown as Collection;
      const old = map.get ? map.get(key) : key;
      const answer = call();
      return answer === true
        ? [answer, map.get ? { key, kind: "delete", old: read(old) } : { kind: "delete", old: read(old) }]
        : [answer];
    },
  ],
  [
    "clear",
    (node, call) => {
      const had = (node.target as unknown as Collection).size > 0;
      const answer = call();
      node.keys?.clear();
      return had ? [answer, { kind: "batch" }] : [answer];
    },
  ],
]);

/** Whether any proxy was made before the hook. */
let hasOutside = false;

/** Compares the snapshots of the proxies below a node that the hook does not see. */
function adoptOutside(root: Node): void {
  if (!hasOutside) return;
  const seen = new Set<Node>();
  const visit = (node: Node): void => {
    if (seen.has(node) || seen.size >= SNAPSHOT_NODES) return;
    seen.add(node);
    for (const [prop, outside] of node.outside) {
      outside.stop ??= compareSnapshots(
        outside.proxy,
        () => placesOf(node).map((place) => ({ store: place.store, path: pathOf(node, place, prop) })),
        `a proxy under \`${prop}\` was made before Throughline's hook`,
      );
    }
    node.children.forEach(visit);
  };
  visit(root);
}
