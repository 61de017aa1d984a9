// Valtio: writes to its proxies, seen by the handler that Valtio itself makes for each.
//
// A handler does not know where in the state its proxy is. So each proxy keeps the edges to its
// parents, and the path is found at the write.

import * as valtio from "valtio/vanilla";
import { kindOf } from "./diff.js";
import { addProblem } from "./problems.js";
import type { StorePolicy } from "./policy.js";
import { countClosed, counts, isClosed } from "./recorder.js";
import { wholeCalls } from "./valtio-calls.js";
import { inspect, newNode, pathOf, step, type Node, type Place, type Root, type Target } from "./valtio-node.js";
import { compareSnapshots } from "./valtio-snapshots.js";
import { tracedStore, whenDecidedAnew, type MutationKind, type TracedStore } from "./store.js";
import { isObject, type Attributes } from "./values.js";

export { proxiesOutside } from "./valtio-snapshots.js";

/** How a traced state is traced. */
export interface ValtioTracing<State> {
  /** The name of the store. */
  readonly name: string;
  readonly policy?: StorePolicy;
  /** Says what surrounds a mutation of this state. Without it, the store's own context says so. */
  readonly getContext?: (state: State) => Attributes;
}

/** How many properties a proxy remembers as ignored, and begins anew: keys come and go. */
const IGNORED = 1_024;
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
/** The same for the handler that was made last: another hook may have wrapped it in one of its own. */
let awaited: ((target: Target) => Node) | undefined;
/** States that are compared by their snapshots. */
const comparedRoots = new WeakMap<object, Map<TracedStore, Root>>();
/** Grows with whatever may change a place, or what is ignored there, so that what was found before is old. */
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
  // A proxy of a proxy would not see what is written to the inner one.
  const state = isObject(initial) && isProxy(initial) ? initial : (valtio.proxy(initial) as State);
  try {
    const name = tracing?.name ?? "Valtio";
    const { getContext } = tracing ?? {};
    trace(state, tracedStore(name, tracing?.policy), getContext && (() => getContext(state)), isHooked);
  } catch {
    counts.failures++;
  }
  return state;
}

function trace(state: object, store: TracedStore, context: Root["context"], isHooked: boolean): void {
  const node = isHooked ? nodes.get(state) : undefined;
  let roots = node ? node.roots : comparedRoots.get(state);
  const known = roots?.get(store);
  if (known) {
    known.context = context ?? known.context;
    return;
  }
  const root: Root = { store, context };
  roots ??= new Map();
  roots.set(store, root);
  if (node) {
    node.roots = roots;
    epoch++;
    attach(node, store.name);
    return;
  }
  comparedRoots.set(state, roots);
  const why = isHooked ? "was made before Throughline's hook" : "cannot be hooked in this version of Valtio";
  const places = [{ root, path: "" }];
  compareSnapshots(state, () => places, `the state of \`${store.name}\` ${why}`);
}

/** Hooks the functions by which Valtio makes proxies, once. False when this version has none. */
function install(): boolean {
  if (installed !== undefined) return installed;
  const replace = (valtio as Record<string, unknown>)["unstable_replaceInternalFunction"] as
    ((name: string, replacement: (inner: never) => unknown) => void) | undefined;
  try {
    replace?.("createHandler", (inner: CreateHandler) => traced(inner));
    replace?.("newProxy", (inner: NewProxy): NewProxy => (target, handler) => {
      const node = (expected.get(handler) ?? awaited)?.(target);
      awaited = undefined;
      const proxy = inner(target, handler);
      if (node) {
        node.proxy = proxy;
        nodes.set(proxy, node);
      }
      return proxy;
    });
    installed = replace !== undefined;
    whenDecidedAnew(() => void epoch++);
  } catch {
    installed = false;
  }
  return installed;
}

/** A handler that sees what the inner one changes. */
function traced(createInner: CreateHandler): CreateHandler {
  return (isInitializing, addPropListener, removePropListener, notifyUpdate) => {
    let node: Node | undefined;
    // The property that is being written, if it is watched, and what it was before.
    let pending: string | undefined;
    let had = false;
    let old: unknown;
    // The stores that are known to ignore it, all of them.
    let ignoring: readonly TracedStore[] | undefined;
    const inner = createInner(
      isInitializing,
      // Valtio listens to objects alone. That a primitive is none costs it more to find out than us.
      (prop, value) => {
        if (typeof value !== "object" || value === null) return;
        addPropListener(prop, value);
        if (!node) return;
        if (typeof prop === "string") addEdge(node, prop, value);
        else node.hasEdges = true;
      },
      (prop) => {
        if (node && !node.hasEdges) return;
        removePropListener(prop);
        if (node && typeof prop === "string") removeEdge(node, prop);
      },
      (op) => {
        // It is written, and nobody knows yet: a subscriber may write again, or throw.
        if (pending !== undefined) {
          const prop = pending;
          const before = old;
          pending = old = undefined;
          if (ignoring === undefined) {
            changed(node!, prop, had, before);
          } else {
            const { length } = ignoring;
            if (!Object.is(before, node!.target[prop])) for (let at = 0; at < length; at++) ignoring[at]!.suppressed++;
          }
        }
        notifyUpdate(op);
      },
    );
    const { set, deleteProperty } = inner;
    const handler: Handler = { ...inner };
    if (set) {
      handler.set = (target, prop, value, receiver) => {
        // Without a call: this runs at every write.
        if (!node?.isAttached || typeof prop === "symbol") return set(target, prop, value, receiver);
        if (node.epoch !== epoch) locate(node);
        let answer: boolean;
        if (node.muted === 0 && receiver === node.proxy && (ignoring = node.ignored?.[prop]) !== undefined) {
          pending = prop;
          old = target[prop];
          answer = set(target, prop, value, receiver);
          pending = undefined;
          return answer;
        }
        ignoring = undefined;
        if (node.places.length === 0 || node.accessors?.has(prop)) return set(target, prop, value, receiver);
        pending = prop;
        old = target[prop];
        had = old !== undefined || Object.hasOwn(target, prop);
        if (receiver !== node.proxy) return setByOther(node, set, target, prop, value, receiver);
        answer = set(target, prop, value, receiver);
        pending = undefined;
        return answer;
      };
    }
    if (deleteProperty) {
      handler.deleteProperty = (target, prop) => {
        if (!node?.isAttached || typeof prop === "symbol" || placesOf(node).length === 0 || node.accessors?.has(prop))
          return deleteProperty(target, prop);
        ignoring = undefined;
        pending = prop;
        old = target[prop];
        had = old !== undefined || Object.hasOwn(target, prop);
        const answer = deleteProperty(target, prop);
        pending = undefined;
        return answer;
      };
    }
    const complete = (target: Target): Node => {
      node = newNode(target, () => {
        if (node!.isArray || node!.collection) handler.get = wholeCalls(node!, reader, handler.get);
      });
      return node;
    };
    expected.set(handler, complete);
    awaited = complete;
    return handler;
  };
}

/** A write through another proxy around ours, or to an object that has ours as its prototype. */
function setByOther(
  node: Node,
  set: NonNullable<Handler["set"]>,
  target: Target,
  prop: string,
  value: unknown,
  receiver: unknown,
): boolean {
  const before = target[prop];
  const answer = set(target, prop, value, receiver);
  if (!Object.is(before, target[prop])) reportCopy(node.places[0]?.root.store.name ?? "");
  return answer;
}

const reportCopy = (name: string): void =>
  addProblem(
    `a second copy of Valtio, or another library, has proxies of the state \`${name}\`: ` +
      "what is written through them alone is not recorded",
  );

/** Puts the traps in place below a proxy that is traced from now on. */
function attach(start: Node, name: string): void {
  const left = [start];
  for (let node = left.pop(); node; node = left.pop()) {
    if (node.isAttached) continue;
    node.isAttached = true;
    try {
      inspect(node);
      node.attach();
    } catch {
      counts.failures++;
    }
    if (node.isForeign) reportCopy(name);
    if (node.outside) adoptOutside(node);
    left.push(...node.children.values());
  }
}

function addEdge(parent: Node, prop: string, value: object): void {
  const child = nodes.get(value);
  if (child) {
    parent.hasEdges = true;
    parent.children.set(prop, child);
    const props = child.parents.get(parent.self);
    if (props) props.add(prop);
    else child.parents.set(parent.self, new Set([prop]));
    prune(child);
    if (child.isRelied) epoch++;
    if (parent.isAttached && !child.isAttached) attach(child, placesOf(parent)[0]?.root.store.name ?? "");
  } else if (isProxy(value)) {
    parent.hasEdges = true;
    parent.outside ??= new Map();
    parent.outside.set(prop, { proxy: value });
    if (parent.isAttached) adoptOutside(parent);
  }
}

function removeEdge(parent: Node, prop: string): void {
  parent.outside?.get(prop)?.stop?.();
  parent.outside?.delete(prop);
  const child = parent.children.get(prop);
  if (!child) return;
  parent.children.delete(prop);
  const props = child.parents.get(parent.self);
  props?.delete(prop);
  if (props?.size === 0) child.parents.delete(parent.self);
  if (child.isRelied) epoch++;
}

/** Forgets parents that are gone, whenever their number has doubled. */
function prune(child: Node): void {
  const { size } = child.parents;
  if (size < 16 || (size & (size - 1)) !== 0) return;
  for (const parent of child.parents.keys()) if (!parent.deref()) child.parents.delete(parent);
}

/** Where a proxy is: at most one place in each state. None when it is in no traced state. */
function placesOf(node: Node): readonly Place[] {
  if (node.epoch !== epoch) locate(node);
  return node.places;
}

function locate(node: Node): void {
  const found = new Map<Root, string>();
  walkUp(node, (path) => path, found, { left: STEPS });
  node.places = found.size === 0 ? NOWHERE : [...found].map(([root, path]) => ({ root, path }));
  node.ignored = undefined;
  node.epoch = epoch;
}

/** `below` completes the path of the node with the path from it down to where the walk began. */
function walkUp(node: Node, below: (path: string) => string, found: Map<Root, string>, steps: { left: number }): void {
  if (node.isWalked || --steps.left < 0) return;
  node.isWalked = node.isRelied = true;
  for (const root of node.roots?.values() ?? []) if (!found.has(root)) found.set(root, below(""));
  for (const [reference, props] of node.parents) {
    const parent = reference.deref();
    if (!parent) continue;
    for (const prop of props) {
      // Valtio keeps the edges of elements that a shorter length has cut off.
      if (!parent.isForeign && parent.target[prop] !== node.proxy) continue;
      walkUp(parent, (path) => below(step(parent, path, prop)), found, steps);
      break;
    }
  }
  node.isWalked = false;
}

/** Records what a trap has changed: it compares, because a trap alone is no change. */
function changed(node: Node, prop: string, had: boolean, old: unknown): void {
  const { target } = node;
  const next = target[prop];
  const has = next !== undefined || Object.hasOwn(target, prop);
  // Most writes change something that is no number, and need no call to tell.
  if (had === has && (old === next || typeof old === "number") && Object.is(old, next)) return;
  if (node.muted > 0) {
    node.isTouched = true;
  } else {
    decide(node, prop, kindOf(had, has, old, next), old, next);
  }
  if (node.isArray && prop === "length" && node.children.size > 0) epoch++;
}

function decide(node: Node, prop: string, kind: MutationKind, old: unknown, next: unknown): void {
  if (isClosed) return countClosed();
  try {
    const ignoring: TracedStore[] = [];
    const { places } = node;
    for (const place of places) {
      const { store, context } = place.root;
      const path = pathOf(node, place, prop);
      if (store.ignores(path)) {
        store.suppress();
        ignoring.push(store);
      } else {
        store.mutated({ path, old: read(old), new: read(next), kind }, context);
      }
    }
    // What was decided meanwhile, or has moved, is another question.
    if (ignoring.length < places.length || node.epoch !== epoch || (node.isArray && prop === "length")) return;
    if (node.ignored === undefined || node.ignoredCount >= IGNORED) {
      node.ignored = Object.create(null) as NonNullable<Node["ignored"]>;
      node.ignoredCount = 0;
    }
    node.ignoredCount++;
    node.ignored[prop] = ignoring;
  } catch {
    counts.failures++;
  }
}

/** Valtio's own answer may look at everything below. */
const isProxy = (value: object): boolean => nodes.has(value) || valtio.getVersion(value) !== undefined;

/** What is recorded of a value. `ref()` values are the app's own business. */
function read(value: unknown): unknown {
  return isObject(value) && !(value instanceof Date) && !isProxy(value) ? undefined : value;
}

const reader = { read, placesOf };

/** Compares the snapshots of the proxies in a node that the hook does not see, as long as the node is there. */
function adoptOutside(node: Node): void {
  const { self } = node;
  for (const [prop, outside] of node.outside ?? []) {
    outside.stop ??= compareSnapshots(
      outside.proxy,
      () => {
        const holder = self.deref();
        return holder && placesOf(holder).map((place) => ({ root: place.root, path: pathOf(holder, place, prop) }));
      },
      `a proxy under \`${prop}\` was made before Throughline's hook`,
    );
  }
}
