// Headers, in every form in which an app may have them.

import { isObject } from "./values.js";

/** Headers that were read. */
export interface ReadHeaders {
  /** By names in lower case. Those of one name are joined with a comma. */
  readonly pairs: Record<string, string>;
  /** What stands for the app's headers from now on, if they could be read once only. */
  readonly instead?: [string, string][];
}

/** Reads headers without changing them. `undefined`: they are not of a form that a platform takes. */
export function readHeaders(headers: unknown): ReadHeaders | undefined {
  const pairs: Record<string, string> = {};
  const add = (value: unknown, name: unknown): boolean => {
    if (typeof name === "symbol" || typeof value === "symbol") return false;
    const key = String(name).toLowerCase();
    pairs[key] = Object.hasOwn(pairs, key) ? `${pairs[key]}, ${String(value)}` : String(value);
    return true;
  };
  if (headers === undefined) return { pairs };
  if (!isObject(headers)) return undefined;
  const { forEach, get } = headers as Partial<Map<string, string>>;
  if (typeof forEach === "function" && typeof get === "function") {
    (headers as Map<string, string>).forEach((value, name) => void add(value, name));
    return { pairs };
  }
  const isList = Symbol.iterator in headers;
  const list: unknown[] = isList ? [...(headers as Iterable<unknown>)] : Object.entries(headers);
  const isRead = list.every((pair) => Array.isArray(pair) && pair.length === 2 && add(pair[1], pair[0]));
  if (isList && !Array.isArray(headers)) return { pairs, instead: list as [string, string][] };
  return isRead ? { pairs } : undefined;
}
