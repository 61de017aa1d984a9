// What of a traced store is recorded.

/** How much of a value is recorded: see {@link StorePolicy.capture}. */
export type Capture = "none" | "primitive" | "summary" | "full";

/**
 * What of a traced store is recorded.
 *
 * A pattern is a path of dotted keys in which `*` stands for one key, `**` for any number of keys,
 * `[3]` for an element and `[*]` for any element: `items[*].price`, `**.isLoading`. A store with a
 * pattern that cannot be read records nothing, and `health()` names the pattern.
 */
export interface StorePolicy {
  /** Paths whose mutations are recorded as actions. Default: all. */
  readonly allow?: readonly string[];
  /** Paths whose mutations are not recorded although `allow` covers them. */
  readonly deny?: readonly string[];
  /** Paths whose mutations never make an action of their own, for example loading flags. */
  readonly transient?: readonly string[];
  /** Paths whose values are never recorded. */
  readonly redact?: readonly string[];
  /**
   * How much of a value is recorded where `captures` has no rule for its path. `primitive`, the
   * default: booleans and numbers, and of texts the length. `summary`: of lists and maps the number
   * of elements, too. `full`: everything, up to 1,024 characters.
   */
  readonly capture?: Capture;
  /** How much is recorded of the values of some paths. The last rule that covers a path counts. */
  readonly captures?: readonly { readonly paths: string; readonly capture: Capture }[];
  /** Mutations of one path with one cause within this time, in ms, make one action. Default: 250. */
  readonly coalesceMs?: number;
  /** A value that is back where it was within this time, in ms, makes no action. Default: 0, it does. */
  readonly ignoreIfRevertedMs?: number;
  /** How many actions a store may make a second. Further mutations are only counted. Default: 20. */
  readonly maxActionsPerSecond?: number;
}

/** A policy that the core refuses, and names in `health()`: its store records nothing. */
export const UNREADABLE = '"it cannot be written as JSON"';

/** A policy as the core reads it. */
export function policyJson(policy: StorePolicy): string {
  // A text has as many members as letters.
  if (typeof policy !== "object") return UNREADABLE;
  const { coalesceMs, ignoreIfRevertedMs, maxActionsPerSecond, ...patterns } = policy;
  return JSON.stringify({
    ...patterns,
    coalesce_ms: coalesceMs,
    ignore_if_reverted_ms: ignoreIfRevertedMs,
    max_actions_per_second: maxActionsPerSecond,
  });
}
