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
import { guarded } from "./recorder.js";
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

/** A value as a sink takes it. `undefined`, functions and symbols are none. */
export function field(value: unknown): Field {
  switch (typeof value) {
    case "string":
      return text(value);
    case "number":
    case "boolean":
      return value;
    default:
      return value === null || value === undefined ? null : guarded(deepField, null, value);
  }
}

const deepField = (value: unknown): Field => deep(value, 0, { left: NODES });

function deep(value: unknown, depth: number, nodes: { left: number }): Field {
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
    case "object":
      break;
    default:
      return null;
  }
  if (value === null) return null;
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
  if (typeof attributes !== "object" || attributes === null) return fields;
  const mark = fields.length;
  try {
    // Of a plain object of primitives, which nearly all are, nothing has to be copied or caught.
    if (attributes.constructor === Object) {
      let left = LIMIT_ATTRIBUTES;
      for (const key in attributes) {
        if (--left < 0) break;
        const value = attributes[key];
        if (
          (typeof value === "string"
            ? value.length <= LIMIT_TEXT_UNITS
            : typeof value === "number" || typeof value === "boolean") &&
          key.length <= LIMIT_KEY_UNITS
        ) {
          fields.push(key, value as Field);
        } else {
          const known = field(value);
          if (known !== null) fields.push(text(key, LIMIT_KEY_UNITS), known);
        }
      }
      return fields;
    }
  } catch {
    // A getter has thrown: what the others return is kept.
    fields.length = mark;
  }
  const keys = guarded(Object.keys, [], attributes);
  for (const key of keys.slice(0, LIMIT_ATTRIBUTES)) {
    const known = guarded(() => field(attributes[key]), null);
    if (known !== null) fields.push(text(key, LIMIT_KEY_UNITS), known);
  }
  return fields;
}
