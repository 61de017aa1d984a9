// Paths into state, in the syntax of the core: `cart.items[3].price`, and `["a.b"]` for odd keys.

/** What would be read as a part of the syntax. An empty key is odd, too. */
const ODD = /[.[\]\\"*]/;

/** A path and a key of what it leads to. */
export function keyed(path: string, key: string): string {
  if (key === "" || ODD.test(key)) return `${path}["${key.replace(/[\\"]/g, "\\$&")}"]`;
  return path === "" ? key : `${path}.${key}`;
}

/** A path and an index of what it leads to. */
export const indexed = (path: string, index: number | string): string => `${path}[${index}]`;
