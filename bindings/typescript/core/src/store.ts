// Traced stores: which mutations cross to the core, and how many do not.

import {
  CALL_DECIDE,
  CALL_DECLARE_STORE,
  CALL_MUTATION,
  CALL_SUPPRESSED,
  CALL_UPDATE_POLICY,
  FACADE_FIRST_STORE,
  LIMIT_PATH_UNITS,
  LIMIT_POLICY_UNITS,
  MUTATION_KIND_BATCH,
  MUTATION_KIND_DELETE,
  MUTATION_KIND_INSERT,
  MUTATION_KIND_REPLACE,
  MUTATION_KIND_SET,
  PATH_ANSWER_LAYOUT_CODE_MASK,
  PATH_ANSWER_LAYOUT_RECORDS,
  PATH_ANSWER_LAYOUT_VERSION_SHIFT,
} from "./calls.js";
import { policyJson, UNREADABLE, type StorePolicy } from "./policy.js";
import { addProblem } from "./problems.js";
import { cause, close as closeRecorder, countClosed, guarded, isClosed, sink, record } from "./recorder.js";
import type { Field } from "./sink.js";
import { addAttributes, field, text, type Attributes } from "./values.js";

/** What happened to a path. */
export type MutationKind = "set" | "insert" | "delete" | "replace" | "batch";

const KINDS: Record<MutationKind, number> = {
  set: MUTATION_KIND_SET,
  insert: MUTATION_KIND_INSERT,
  delete: MUTATION_KIND_DELETE,
  replace: MUTATION_KIND_REPLACE,
  batch: MUTATION_KIND_BATCH,
};

/** How many decisions about paths a store remembers. The core is asked about other paths each time. */
const DECISIONS = 1_024;
/** How many names there may be. A core has as many. */
const STORES = 256;

/** A mutation, as an adapter has seen it. */
export interface Mutation {
  readonly path: string;
  readonly old?: unknown;
  readonly new?: unknown;
  readonly kind?: MutationKind;
  /** Whether the search for what has changed ended at its bound. */
  readonly isIncomplete?: boolean;
  /** The slot of its cause, if that is not the current context. 0: none. */
  readonly context?: number;
}

/**
 * A traced store: a name, a policy, and the paths of what it holds. Mutations become actions with
 * the name `{store}.{path}.Update`.
 */
export class TracedStore {
  readonly name: string;
  /**
   * Says what surrounds a mutation, unless its state has a context of its own. It runs when a mutation is recorded,
   * not for one that is ignored.
   */
  getContext: (() => Attributes) | undefined;
  /** @internal Its number in the core. */
  readonly id: number;
  private policy: string;
  /** The version of the policy by which paths are decided. 0: the core was not asked yet. */
  private version = 0;
  /** By path: whether its mutations are ignored. Of this version of the policy alone. */
  private decisions = new Map<string, boolean>();
  /** @internal How many mutations were ignored here, of which the core does not know yet. */
  suppressed = 0;

  /** @internal Use {@link tracedStore}. */
  constructor(name: string, id: number, policy: string) {
    this.name = name;
    this.id = id;
    this.policy = policy;
  }

  /**
   * Replaces the policy. It holds for the next mutation of every path. A policy that cannot be read is refused, and
   * `health()` says so: the store keeps the one that it has.
   */
  updatePolicy(policy: StorePolicy): void {
    const json = guarded(() => policyJson(policy), UNREADABLE);
    if (json === UNREADABLE) return addProblem(`the new policy of the store \`${this.name}\` cannot be read`);
    if (json === this.policy) return;
    this.policy = json;
    // Before the start, the store is declared with it later.
    if (sink) this.keepVersion(record([CALL_UPDATE_POLICY, 0, 0, this.id, text(json, LIMIT_POLICY_UNITS)]));
  }

  /** Whether mutations of a path are ignored. The caller counts one that is, by {@link suppress}. */
  ignores(path: string): boolean {
    const known = this.decisions.get(path);
    if (known !== undefined) return known;
    // The ring keeps what happened, not questions.
    if (!sink) return false;
    const answer = record([CALL_DECIDE, 0, 0, this.id, text(path, LIMIT_PATH_UNITS)]);
    // Without an answer, nothing is remembered.
    if (answer <= 0) return false;
    this.keepVersion(Math.floor(answer / 2 ** PATH_ANSWER_LAYOUT_VERSION_SHIFT));
    const ignores = (answer & PATH_ANSWER_LAYOUT_CODE_MASK) !== PATH_ANSWER_LAYOUT_RECORDS;
    if (this.decisions.size < DECISIONS) this.decisions.set(path, ignores);
    return ignores;
  }

  /** Counts a mutation that was ignored. */
  suppress(): void {
    this.suppressed++;
  }

  /** Records a mutation, unless the policy ignores its path. `context` says what surrounds it. */
  mutated(mutation: Mutation, context = this.getContext): void {
    if (isClosed) return countClosed();
    if (this.ignores(mutation.path)) return this.suppress();
    const fields: Field[] = [
      CALL_MUTATION,
      mutation.context ?? cause(),
      0,
      this.id,
      KINDS[mutation.kind ?? "set"] ?? MUTATION_KIND_SET,
      text(mutation.path, LIMIT_PATH_UNITS),
      field(mutation.old),
      field(mutation.new),
    ];
    if (mutation.isIncomplete) fields.push("search", "incomplete");
    addAttributes(fields, context && surroundings(context));
    this.tell(fields);
  }

  /** Records that a path had the value `old` and has the value `next`, for state that no adapter traces. */
  record(path: string, old: unknown, next: unknown, kind: MutationKind = "set"): void {
    if (!Object.is(old, next) || kind !== "set") this.mutated({ path, old, new: next, kind });
  }

  /** @internal Declares the store to the core. */
  declare(): void {
    this.forget(0);
    this.keepVersion(
      record([CALL_DECLARE_STORE, 0, 0, this.id, text(this.name), text(this.policy, LIMIT_POLICY_UNITS)]),
    );
  }

  /** @internal Tells the core how many mutations were ignored here. */
  report(): void {
    if (this.suppressed > 0 && sink) this.tell([CALL_SUPPRESSED, 0, 0, this.id]);
  }

  /** @internal No decision of this client's holds for the next one. */
  end(): void {
    this.report();
    this.suppressed = 0;
    this.forget(0);
  }

  private keepVersion(version: number): void {
    if (version > 0 && version !== this.version) this.forget(version);
  }

  private forget(version: number): void {
    this.version = version;
    this.decisions = new Map();
    decidedAnew();
  }

  /** Records a call with the number of what was ignored. */
  private tell(fields: Field[]): void {
    // What waits for the start may be lost there, with the count.
    const taken = sink ? Math.min(this.suppressed, 0xffff_ffff) : 0;
    this.suppressed -= taken;
    fields[2] = taken;
    if (record(fields) < 0) this.suppressed += taken;
  }
}

let isInContext = false;

/** A context that changes a store would be asked for its own mutation, and so for ever. */
function surroundings(context: () => Attributes): Attributes | undefined {
  if (isInContext) return undefined;
  isInContext = true;
  try {
    return guarded(context);
  } finally {
    isInContext = false;
  }
}

const stores = new Map<string, TracedStore>();
let decidedAnew = (): void => undefined;

/** Calls `work` whenever what {@link TracedStore.ignores} says of any store may have changed. */
export function whenDecidedAnew(work: () => void): void {
  decidedAnew = work;
}

/**
 * The number of a store, which a runtime that was reloaded gives it again: the client that goes on knows it by this
 * number, and has room for 256.
 */
function numberOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  for (let offset = (hash ^ (hash >>> 24)) & 0xff_ffff; ; offset++) {
    const id = FACADE_FIRST_STORE + 1 + (offset % 0xff_fffe);
    if (![...stores.values()].some((store) => store.id === id)) return id;
  }
}

/**
 * The store of a name. Stores of one name are one store. A policy that is given replaces the one
 * that it has; without one, it keeps its own. There may be 256 names. Stores of further ones record nothing, which
 * `health()` says.
 */
export function tracedStore(name: string, policy?: StorePolicy): TracedStore {
  const key = text(name);
  const known = stores.get(key);
  if (known) {
    if (policy) known.updatePolicy(policy);
    return known;
  }
  // A policy that is lost would be one that records everything.
  const json = guarded(() => policyJson(policy ?? {}), UNREADABLE);
  if (stores.size >= STORES) {
    addProblem(`more than ${STORES} names of traced stores: further ones record nothing`);
    // No store is declared with this number, so that the core counts the mutations as unknown.
    return new TracedStore(key, FACADE_FIRST_STORE, json);
  }
  const store = new TracedStore(key, numberOf(key), json);
  stores.set(key, store);
  if (sink) store.declare();
  return store;
}

/** Declares every store, before calls that waited for the start are recorded. */
export const declareStores = (): void => stores.forEach((store) => store.declare());

/** Tells the core how many mutations were ignored here, so that its counts are complete when they are read. */
export const reportStores = (): void => stores.forEach((store) => store.report());

/** Tells the core how many mutations were ignored, and only counts calls from now on. */
export function close(): void {
  stores.forEach((store) => store.end());
  closeRecorder();
}
