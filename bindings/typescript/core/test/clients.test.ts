// The clients that apps use on top of `fetch` and `XMLHttpRequest`: each request is recorded once, with its operation.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { ApolloClient, gql, HttpLink, InMemoryCache } from "@apollo/client";
import axios from "axios";
import { GraphQLClient } from "graphql-request";
import { JSDOM } from "jsdom";
import { CALL_END_REQUEST } from "../src/calls.js";
import { traceFetch } from "../src/fetch.js";
import { operationOf } from "../src/graphql.js";
import { traceXhr } from "../src/xhr.js";
import { App, fieldsOf } from "./support.js";

const traceparents: unknown[] = [];
const server = createServer((request, response) => {
  if (request.method !== "OPTIONS") traceparents.push(request.headers["traceparent"]);
  response.setHeader("access-control-allow-origin", "*");
  response.setHeader("access-control-allow-headers", "*, traceparent, content-type");
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ data: { me: { __typename: "User", name: "Ada" }, rename: true } }));
});
let url = "";
before(async () => {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => (server.closeAllConnections() as void) ?? server.close());

/** The scopes of a platform, both traced. */
function traced() {
  const app = new App();
  const { window } = new JSDOM("", { url: `${url}/page` });
  const page = window as unknown as { XMLHttpRequest: typeof XMLHttpRequest };
  const scope = { fetch: globalThis.fetch };
  const undo = [traceFetch(scope), traceXhr(page)];
  return { app, scope, page, end: () => undo.forEach((end) => end()) };
}

/** The operations of the requests that have ended. */
const operations = (app: App): unknown[] =>
  fieldsOf(app, CALL_END_REQUEST).map((fields) => {
    const at = (key: string) => fields[fields.indexOf(key) + 1];
    return [at("graphql.operation.type"), at("graphql.operation.name")];
  });

test("Apollo Client's queries and mutations are one request each, with their names", async () => {
  const { app, scope, end } = traced();
  for (const useGETForQueries of [false, true]) {
    const link = new HttpLink({ uri: `${url}/graphql`, fetch: scope.fetch, useGETForQueries });
    const client = new ApolloClient({ link, cache: new InMemoryCache() });
    await client.query({
      query: gql`
        query Me($id: ID) {
          me(id: $id) {
            name
          }
        }
      `,
      variables: { id: "operationName" },
    });
    await client.mutate({
      mutation: gql`
        mutation Rename {
          rename
        }
      `,
    });
    client.stop();
  }
  assert.deepEqual(operations(app), [
    ["query", "Me"],
    ["mutation", "Rename"],
    ["query", "Me"],
    ["mutation", "Rename"],
  ]);
  const ends = app.requests().map((request) => request.replace(/\?.*(?= )/, ""));
  assert.deepEqual(ends, ["POST /graphql 200", "POST /graphql 200", "GET /graphql 200", "POST /graphql 200"]);
  assert.equal(new Set(traceparents.splice(0)).size, 4);
  end();
});

test("graphql-request's requests are one each, with their names", async () => {
  const { app, scope, end } = traced();
  const client = new GraphQLClient(`${url}/graphql`, { fetch: scope.fetch });
  await client.request("query Me { me { name } }");
  await client.request("mutation Rename { rename }");
  assert.deepEqual(operations(app), [
    ["query", "Me"],
    ["mutation", "Rename"],
  ]);
  assert.deepEqual(app.requests(), ["POST /graphql 200", "POST /graphql 200"]);
  assert.equal(new Set(traceparents.splice(0)).size, 2);
  end();
});

test("axios is one request each, on fetch and on XMLHttpRequest, and a cancelled one is cancelled", async () => {
  const { app, scope, page, end } = traced();
  const onFetch = { adapter: "fetch", env: { fetch: scope.fetch, Request, Response } } as never;
  await axios.get(`${url}/a`, onFetch);
  await axios.post(`${url}/b`, { query: "query Me { me { name } }" }, onFetch);
  Object.assign(globalThis, { XMLHttpRequest: page.XMLHttpRequest });
  // What axios decides on when it is loaded.
  const { default: onXhr } = (await import(
    new URL("../../../node_modules/axios/dist/esm/axios.js", import.meta.url).href
  )) as { default: typeof axios };
  await onXhr.post(`${url}/c`, { query: "mutation Rename { rename }" }, { adapter: "xhr" });
  assert.deepEqual(operations(app).slice(2), [["mutation", "Rename"]]);
  const controller = new AbortController();
  const running = onXhr.get(`${url}/d`, { adapter: "xhr", signal: controller.signal });
  controller.abort();
  await assert.rejects(running);
  assert.deepEqual(app.requests(), ["GET /a 200", "POST /b 200", "POST /c 200", "GET /d 0 cancelled"]);
  assert.ok(
    traceparents
      .splice(0)
      .slice(0, 3)
      .every((header) => String(header).startsWith("00-")),
  );
  end();
});

test("a body that is no operation is not taken for one, and its values are never read out", () => {
  const of = (body: unknown) => operationOf("https://api.test/graphql", body);
  const name = (body: object) => of(JSON.stringify(body))?.["graphql.operation.name"];
  assert.equal(name({ query: "query A { a }", variables: { operationName: "B" } }), "A");
  assert.equal(name({ query: "query A { a } query B { b }", operationName: "B" }), "B");
  assert.equal(name({ query: "# first\nquery A { a }" }), "A");
  assert.equal(name({ extensions: { persistedQuery: { version: 1 } }, operationName: "A" }), "A");
  assert.equal(name({ query: "a secret that the user looks for" }), undefined);
  assert.equal(name({ query: "query A { a }", operationName: "a secret" }), "A");
  assert.equal(name({ operationName: "A" }), undefined);
  for (const body of [undefined, null, "", "{", '{"query', '["query"]', '{"query":1}', new Blob(["x"]), 5])
    assert.equal(of(body), undefined);
  assert.equal(of(`{"query":"query A { a }","x":"${"x".repeat(100_000)}"}`), undefined);
  assert.equal(operationOf("https://api.test/?operationName=A&query=%E0%A4%A", undefined), undefined);
});
