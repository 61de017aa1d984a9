// Finds what has changed between two immutable states.

import { indexed, keyed } from "./path.js";
import type { Mutation, MutationKind } from "./store.js";
import { isObject } from "./values.js";

/** How deep states are compared. */
const DEPTH = 8;
/** How many values are compared. */
const NODES = 1_000;
/** How many mutations of one change are reported. */
const MUTATIONS = 100;

/** What stands where a state has no such part. */
const ABSENT = Symbol("absent");

/** A part of two states that differs. */
interface Part {
  readonly path: string;
  readonly old: unknown;
  readonly new: unknown;
  /** How many of its own parts differ. 0: its parts are not compared. */
  differing: number;
}

/**
 * Compares two states by reference, and what differs by its parts: at most 8 levels, 1,000 values
 * and 100 mutations. When a bound is met, one mutation of the deepest part that holds all changes
 * stands for them, and says that the search is incomplete.
 */
export function changes(old: unknown, next: unknown): Mutation[] {
  const root: Part = { path: "", old, new: next, differing: 0 };
  const found: Part[] = [];
  /** The parts that the search is in, from the root. */
  const trail: Part[] = [];
  let nodes = NODES;
  const spend = (): void => {
    if (--nodes < 0) throw RangeError();
  };

  const search = (part: Part): void => {
    trail.push(part);
    const parts = trail.length <= DEPTH ? partsOf(part, spend) : undefined;
    if (parts) {
      part.differing = parts.length;
      parts.forEach(search);
    } else if (found.length < MUTATIONS) {
      found.push(part);
    } else {
      throw RangeError();
    }
    trail.pop();
  };

  try {
    if (!differ(old, next)) return [];
    search(root);
    return found.map(mutation);
  } catch {
    // At a bound, or at a getter of the app's that throws.
  }
  // Above it, every part has one part alone that differs.
  const parent = trail.find((part) => part.differing !== 1) ?? root;
  return [{ ...mutation(parent), isIncomplete: true }];
}

/** Functions and symbols differ by identity, and are no state. */
const isState = (value: unknown): boolean =>
  typeof value !== "function" && (typeof value !== "symbol" || value === ABSENT);

const differ = (old: unknown, next: unknown): boolean =>
  !Object.is(old, next) &&
  isState(old) &&
  isState(next) &&
  !(old instanceof Date && next instanceof Date && Object.is(old.getTime(), next.getTime()));

/** What has happened to a part that was there, or not, and that is there now, or not. */
export const kindOf = (had: boolean, has: boolean, old: unknown, next: unknown): MutationKind =>
  !had ? "insert" : !has ? "delete" : isObject(old) && isObject(next) ? "replace" : "set";

function mutation({ path, old, new: next }: Part): Mutation {
  const kind = kindOf(old !== ABSENT, next !== ABSENT, old, next);
  const known = (value: unknown) => (value === ABSENT ? undefined : value);
  return { path, old: known(old), new: known(next), kind };
}

/**
 * The parts of a part that differ, or `undefined` when it is compared as a whole: a primitive, an
 * instance of a class, two values of different kinds. `spend` throws when no further value may
 * be compared.
 */
function partsOf({ path, old, new: next }: Part, spend: () => void): Part[] | undefined {
  const parts: Part[] = [];
  const add = (path: string, old: unknown, next: unknown): void => {
    spend();
    if (differ(old, next)) parts.push({ path, old, new: next, differing: 0 });
  };
  if (Array.isArray(old) && Array.isArray(next)) {
    for (let at = 0; at < Math.max(old.length, next.length); at++) {
      add(indexed(path, at), at < old.length ? old[at] : ABSENT, at < next.length ? next[at] : ABSENT);
    }
    return parts;
  }
  if (old instanceof Map && next instanceof Map) {
    const read = (map: Map<unknown, unknown>, key: unknown) => (map.has(key) ? map.get(key) : ABSENT);
    for (const key of old.keys()) {
      if (isObject(key)) return undefined;
      add(keyed(path, String(key)), old.get(key), read(next, key));
    }
    for (const key of next.keys()) {
      if (isObject(key)) return undefined;
      if (!old.has(key)) add(keyed(path, String(key)), ABSENT, next.get(key));
    }
    return parts;
  }
  // The members of a set have no paths.
  if (old instanceof Set && next instanceof Set) {
    for (const member of old) add(path, member, next.has(member) ? member : ABSENT);
    for (const member of next) if (!old.has(member)) add(path, ABSENT, member);
    return parts;
  }
  if (!isPlain(old) || !isPlain(next)) return undefined;
  const read = (state: Record<string, unknown>, key: string) => (Object.hasOwn(state, key) ? state[key] : ABSENT);
  for (const key of Object.keys(old)) add(keyed(path, key), old[key], read(next, key));
  for (const key of Object.keys(next)) if (!Object.hasOwn(old, key)) add(keyed(path, key), ABSENT, next[key]);
  return parts;
}

export function isPlain(value: unknown): value is Record<string, unknown> {
  if (!isObject(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
