// `fetch` where apps and platforms use it in unusual ways.

import assert from "node:assert/strict";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { CALL_START_REQUEST } from "../src/calls.js";
import { operation } from "../src/index.js";
import { traceFetch } from "../src/fetch.js";
import { traceXhr } from "../src/xhr.js";
import { App, fieldsOf } from "./support.js";

const received: { method: string; headers: IncomingMessage["headers"]; body: string }[] = [];
const server = createServer((request, response) => {
  if (request.url === "/never") return;
  let body = "";
  request.on("data", (part: Buffer) => (body += part.toString()));
  request.on("end", () => {
    received.push({ method: request.method!, headers: request.headers, body });
    response.end("ok");
  });
});
let url = "";
before(async () => {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => (server.closeAllConnections() as void) ?? server.close());

const own = () => {
  const scope = { fetch: globalThis.fetch };
  const undo = traceFetch(scope);
  return { scope, undo, app: new App() };
};
const last = () => received.splice(0).at(-1)!;

test("a request that the app gives as the options keeps its method, its body and its headers", async () => {
  const { scope, undo, app } = own();
  const options = new Request(`${url}/other`, { method: "POST", body: "text", headers: { "x-own": "1" } });
  await scope.fetch(`${url}/a`, options as RequestInit);
  const { method, body, headers } = last();
  assert.deepEqual([method, body, headers["x-own"]], ["POST", "text", "1"]);
  assert.ok(headers["traceparent"]);
  assert.deepEqual(app.requests(), ["POST /a 200"]);
  undo();
});

test("headers that can be read once reach the server", async () => {
  const { scope, undo } = own();
  function* pairs(): Generator<[string, string]> {
    yield ["x-own", "1"];
  }
  for (const headers of [pairs(), new Map([["x-own", "1"]]), new Headers({ "x-own": "1" }), { "X-Own": 1 }]) {
    await scope.fetch(`${url}/a`, { headers: headers as unknown as Headers });
    const sent = last().headers;
    assert.deepEqual([sent["x-own"], typeof sent["traceparent"]], ["1", "string"]);
  }
  undo();
});

test("headers that the platform refuses are refused as without us", async () => {
  const { scope, undo } = own();
  for (const headers of [[["only-a-name"]], [["a", "b", "c"]], { "bad name": "1" }, 5, "text"]) {
    const refused = async (fetch: typeof globalThis.fetch) => {
      try {
        await fetch(`${url}/a`, { headers: headers as never });
        return "sent";
      } catch (error) {
        return (error as Error).message;
      }
    };
    assert.equal(await refused(scope.fetch), await refused(globalThis.fetch));
  }
  received.length = 0;
  undo();
});

test("the referrer that a request hides stays hidden", async () => {
  const seen: (RequestInit | undefined)[] = [];
  const scope = {
    fetch: ((input: Request, init?: RequestInit) => {
      seen.push(init);
      return globalThis.fetch(input, init);
    }) as typeof fetch,
  };
  const undo = traceFetch(scope);
  new App();
  const request = new Request(`${url}/a`, { referrer: "", referrerPolicy: "no-referrer" });
  await scope.fetch(request);
  // Options that are not empty take both away from a request.
  assert.deepEqual([seen[0]?.referrer, seen[0]?.referrerPolicy], [request.referrer, request.referrerPolicy]);
  received.length = 0;
  undo();
});

test("what is no request of the network is not recorded, nor its data", async () => {
  const { scope, undo, app } = own();
  const data = "data:text/plain;base64,c2VjcmV0";
  assert.equal(await (await scope.fetch(data)).text(), "secret");
  const blob = URL.createObjectURL(new Blob(["secret"]));
  assert.equal(await (await scope.fetch(blob)).text(), "secret");
  assert.deepEqual(app.calls, []);
  undo();
});

test("tracing one scope does not end the tracing of another", async () => {
  const { scope, undo, app } = own();
  const other = { fetch: globalThis.fetch };
  const undoOther = traceFetch(other);
  await scope.fetch(`${url}/a`);
  await other.fetch(`${url}/b`);
  assert.deepEqual(app.requests(), ["GET /a 200", "GET /b 200"]);
  undoOther();
  await scope.fetch(`${url}/a`);
  assert.deepEqual(app.requests(), ["GET /a 200"]);
  undo();
  received.length = 0;
});

test("a fetch of one's own, such as expo/fetch, is traced by itself, and once beneath the global one", async () => {
  const app = new App();
  // As from reports: no XMLHttpRequest, no Request, and an error without a name when it is cancelled.
  const native = async (input: string, init: RequestInit = {}): Promise<Response> => {
    const { signal, ...rest } = init;
    return new Promise((resolve, reject) => {
      signal?.addEventListener("abort", () => {
        const error = new Error("The operation was aborted.");
        Object.defineProperty(error, "name", { value: undefined });
        reject(error);
      });
      globalThis.fetch(input, rest).then(resolve, reject);
    });
  };
  const fetch = traceFetch(native);
  assert.equal(traceFetch(fetch), fetch, "twice is once");
  assert.equal(traceFetch(native), fetch, "and gives the same function");
  const response = await fetch(`${url}/a`, { method: "PUT" });
  assert.equal(await response.text(), "ok");
  assert.ok(last().headers["traceparent"]);
  const controller = new AbortController();
  const running = fetch(`${url}/never`, { signal: controller.signal });
  controller.abort();
  await assert.rejects(running);
  assert.deepEqual(app.requests(), ["PUT /a 200", "GET /never 0 cancelled"]);
  const failing = traceFetch((_url: string): Promise<Response> => {
    const error = new Error("broken");
    Object.defineProperty(error, "name", { value: undefined });
    return Promise.reject(error);
  });
  await assert.rejects(failing(`${url}/a`));
  assert.deepEqual(app.requests(), ["GET /a 0 Error"]);
  const scope = { fetch: fetch as typeof globalThis.fetch };
  const undo = traceFetch(scope);
  await scope.fetch(`${url}/a`);
  assert.deepEqual(app.requests(), ["GET /a 200"]);
  undo();
  received.length = 0;
});

test("another request inside a wrapper beneath ours is one of its own", async () => {
  const app = new App();
  const scope = { fetch: globalThis.fetch };
  const inner = scope.fetch;
  scope.fetch = (input, init) => {
    if (String(input).endsWith("/token")) return inner(input, init);
    void scope.fetch(`${url}/token`);
    return inner(input, init);
  };
  const undo = traceFetch(scope);
  await scope.fetch(`${url}/a`);
  await new Promise((done) => setTimeout(done, 20));
  assert.deepEqual(app.requests().sort(), ["GET /a 200", "GET /token 200"]);
  undo();
  received.length = 0;
});

test("without a fetch or an XMLHttpRequest, there is none afterwards either", () => {
  const scope = {} as { fetch: typeof fetch };
  const undo = traceFetch(scope);
  assert.equal("fetch" in scope, false);
  undo();
  const none = {} as Parameters<typeof traceXhr>[0];
  traceXhr(none)();
  assert.deepEqual(Object.keys(none ?? {}), []);
  const frozen = Object.freeze({ fetch: globalThis.fetch });
  traceFetch(frozen)();
});

test("a mock that answers with no promise, or with no response, is the app's own business", async () => {
  const app = new App();
  const scope = { fetch: (() => undefined) as unknown as typeof fetch };
  let undo = traceFetch(scope);
  assert.equal(scope.fetch(`${url}/a`), undefined);
  undo();
  const empty = { fetch: (() => Promise.resolve(undefined)) as unknown as typeof fetch };
  undo = traceFetch(empty);
  assert.equal(await empty.fetch(`${url}/b`), undefined);
  undo();
  assert.deepEqual(app.requests(), ["GET /a 0", "GET /b 0"]);
});

test("what fetch has and takes besides, it has and takes afterwards", async () => {
  const args: unknown[][] = [];
  const inner = Object.assign((...all: unknown[]) => (args.push(all), Promise.resolve(new Response())), {
    polyfill: true,
  });
  const scope = { fetch: inner as unknown as typeof fetch };
  const undo = traceFetch(scope);
  new App();
  const traced = scope.fetch as unknown as typeof inner;
  assert.equal(traced.polyfill, true);
  await traced();
  await traced(`${url}/a`, undefined, "third");
  assert.deepEqual([args[0], args[1]?.[2]], [[], "third"]);
  undo();
});

test("a signal that the app has taken off its request cancels nothing", async () => {
  const { scope, undo, app } = own();
  const controller = new AbortController();
  const request = new Request(`http://127.0.0.1:1/closed`, { signal: controller.signal });
  const running = scope.fetch(request, { signal: null });
  controller.abort();
  await assert.rejects(running);
  assert.match(app.requests()[0] ?? "", /closed 0 (ECONNREFUSED|TypeError)$|0 \w+/);
  undo();
});

test("a request that was aborted before it began is cancelled", async () => {
  const { scope, undo, app } = own();
  await assert.rejects(scope.fetch(`${url}/a`, { signal: AbortSignal.abort() }));
  assert.deepEqual(app.requests(), ["GET /a 0 cancelled"]);
  undo();
});

test("a URL is recorded as the app has written it, and no class of the platform's changes it", async () => {
  const app = new App();
  const scope = { fetch: (() => Promise.resolve(new Response())) as typeof fetch };
  const undo = traceFetch(scope);
  const platform = globalThis.URL;
  // The URL of older versions of React Native ends every address with a slash.
  class Slashed {
    readonly href: string;
    constructor(href: string) {
      this.href = `${href}/`;
    }
  }
  globalThis.URL = Slashed as never;
  try {
    void scope.fetch("https://api.test/a");
  } finally {
    globalThis.URL = platform;
  }
  assert.equal(fieldsOf(app, CALL_START_REQUEST)[0]?.[5], "https://api.test/a");
  undo();
});

test("a body that streams up is sent as it is, and one that streams down is the app's", async () => {
  const { scope, undo, app } = own();
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode("part one, "));
      controller.enqueue(new TextEncoder().encode("part two"));
      controller.close();
    },
  });
  const response = await scope.fetch(`${url}/a`, { method: "POST", body, duplex: "half" } as RequestInit);
  assert.equal(last().body, "part one, part two");
  assert.equal(response.bodyUsed, false);
  assert.equal(await response.text(), "ok");
  assert.deepEqual(app.requests(), ["POST /a 200"]);
  undo();
});

test("an operation gives back a promise with everything that the app's has", async () => {
  new App();
  const running = Promise.resolve(1);
  const thunk = Object.assign(running, { requestId: "id", unwrap: () => running.then((value) => value + 1) });
  const traced = operation("Thunk", () => thunk);
  assert.deepEqual([traced.requestId, await traced.unwrap(), await traced], ["id", 2, 1]);
  const odd = operation("Odd", () => ({ then: (resolve: (value: number) => void) => void resolve(5) }));
  assert.equal(await odd, 5);
  const result = {
    get then(): never {
      throw new Error("then");
    },
  };
  assert.equal(
    operation("Getter", () => result as object),
    result,
  );
  assert.equal(
    operation("None", () => 1, null as never),
    1,
  );
});
