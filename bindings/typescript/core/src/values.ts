// What an app says, as a sink takes it. Nothing here throws, whatever the app hands over.

import {
  LIMIT_ATTRIBUTES,
  LIMIT_BLOB_BYTES,
  LIMIT_DEPTH,
  LIMIT_ELEMENTS,
  LIMIT_KEY_UNITS,
  LIMIT_TEXT_UNITS,
  TAG_INT,
  TAG_LIST,
  TAG_MAP,
} from "./calls.js";
import { counts, guarded } from "./recorder.js";
import type { Field } from "./sink.js";

/** What an attribute may have. Other values are left out, or become a text. */
export type AttributeValue =
  | string
  | number
  | boolean
  | bigint
  | Date
  | Uint8Array
  | null
  | undefined
  | readonly AttributeValue[]
  | { readonly [key: string]: AttributeValue };

/** Attributes of the app's own. */
export type Attributes = { readonly [key: string]: AttributeValue };

/** How many elements of lists and maps one value may have in all, on every level. */
const NODES = 1_000;
/** Larger numbers are not written out. */
const BIGINT_BITS = 4_096;

/** A text, cut where the core cuts it too, but not within a pair of surrogates. */
export function text(value: unknown, units = LIMIT_TEXT_UNITS): string {
  const whole = typeof value === "string" ? value : guarded(String, "", value);
  if (whole.length <= units) return whole;
  const last = whole.charCodeAt(units - 1);
  return whole.slice(0, last >= 0xd800 && last < 0xdc00 ? units - 1 : units);
}

/** A number, of whatever the app hands over. `NaN`: it is none. */
export const number = (value: unknown): number => (typeof value === "number" ? value : guarded(Number, NaN, value));

/** Whether a value is an object. A function is none. */
export const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

/** A value as a sink takes it. `undefined`, functions and symbols are none. */
export const field = (value: unknown): Field =>
  typeof value === "object" ? guarded<Field, [unknown]>(deep, null, value) : deep(value);

function deep(value: unknown, depth = 0, nodes = { left: NODES }): Field {
  switch (typeof value) {
    case "string":
      return text(value);
    case "number":
    case "boolean":
      return value;
    case "bigint":
      if (value === BigInt.asIntN(64, value)) return [TAG_INT, value.toString()];
      // The digits of a very large one take seconds, and are cut anyway.
      return value === BigInt.asIntN(BIGINT_BITS, value) ? text(value.toString()) : "…";
  }
  if (!isObject(value)) return null;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  if (value instanceof Error) return text(`${value.name}: ${value.message}`);
  if (ArrayBuffer.isView(value)) {
    // A copy, because the app may change its bytes while a call waits for the start.
    return new Uint8Array(value.buffer, value.byteOffset, Math.min(value.byteLength, LIMIT_BLOB_BYTES)).slice();
  }
  // The core leaves out what is nested deeper, and marks that.
  if (depth >= LIMIT_DEPTH) return "…";
  if (Array.isArray(value) || value instanceof Set) {
    const list: Field[] = [TAG_LIST];
    for (const element of value) {
      if (list.length > LIMIT_ELEMENTS || --nodes.left < 0) break;
      list.push(guarded(deep, null, element, depth + 1, nodes));
    }
    return list;
  }
  const map: Field[] = [TAG_MAP];
  const isMap = value instanceof Map;
  for (const key of isMap ? value.keys() : Object.keys(value)) {
    if (map.length > 2 * LIMIT_ELEMENTS || --nodes.left < 0) break;
    // A getter may throw. What it would have returned is none then, and the rest is kept.
    const read = () =>
      deep(isMap ? value.get(key) : (value as Record<string, unknown>)[key as string], depth + 1, nodes);
    map.push(text(key, LIMIT_KEY_UNITS), guarded(read, null));
  }
  return map;
}

/** Adds attributes to the fields of a call, as alternating keys and values. Those without a value are left out. */
export function addAttributes(fields: Field[], attributes: Attributes | undefined): Field[] {
  const keys = isObject(attributes) ? guarded(Object.keys, [], attributes) : [];
  const end = Math.min(keys.length, LIMIT_ATTRIBUTES);
  for (let at = 0; at < end;) {
    try {
      while (at < end) {
        const key = keys[at++]!;
        const value = attributes![key];
        // Where everything is a primitive, as in nearly all attributes, nothing has to be converted.
        const known = typeof value === "number" || typeof value === "boolean" ? value : field(value);
        if (known !== null) fields.push(text(key, LIMIT_KEY_UNITS), known);
      }
    } catch {
      // A getter has thrown: what the others return is kept.
      counts.failures++;
    }
  }
  return fields;
}
