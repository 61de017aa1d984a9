// GraphQL: the name of the operation that a request asks for.

import { guarded } from "./recorder.js";
import { isObject, type Attributes } from "./values.js";

/** Longer bodies are not read. In UTF-16 units. */
const BODY = 64 * 1_024;
const NAME = /^[_A-Za-z]\w{0,127}$/;
const DOCUMENT = /^\s*(?:#[^\n]*\n\s*)*(query|mutation|subscription)\b\s*([_A-Za-z]\w{0,127})?/;

/** What a request says of itself if it asks for an operation of GraphQL: never its variables. */
export function operationOf(url: string, body: unknown): Attributes | undefined {
  if (typeof body === "string") {
    if (body.length > BODY || !/^\s*\{.*"(query|extensions)"/s.test(body)) return undefined;
    return guarded(() => described(JSON.parse(body) as Record<string, unknown>));
  }
  if (!url.includes("operationName=")) return undefined;
  const parameter = (name: string) => new RegExp(`[?&]${name}=([^&#]*)`).exec(url)?.[1];
  const query = parameter("query") ?? parameter("extensions");
  if (query === undefined) return undefined;
  return guarded(() => described({ query: decodeURIComponent(query), operationName: parameter("operationName") }));
}

function described({ query, extensions, operationName }: Record<string, unknown>): Attributes | undefined {
  if (typeof query !== "string" && !isObject(extensions)) return undefined;
  const [, type, own] = (typeof query === "string" && DOCUMENT.exec(query)) || [];
  const name = typeof operationName === "string" && NAME.test(operationName) ? operationName : own;
  if ((name ?? type) === undefined) return undefined;
  return { "graphql.operation.name": name, "graphql.operation.type": type };
}
