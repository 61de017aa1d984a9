import assert from "node:assert/strict";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { JSDOM } from "jsdom";
import { WebSocketServer } from "ws";
import { operation, TraceContext, tracedStore } from "../src/index.js";
import { traceFetch } from "../src/fetch.js";
import { traceWebSocket, traceWebSockets } from "../src/websocket.js";
import { traceXhr } from "../src/xhr.js";
import { CALL_READ_CONTEXT, CALL_START_OPERATION, CALL_START_REQUEST } from "../src/calls.js";
import { App, fieldsOf, freshName } from "./support.js";

const received: IncomingMessage[] = [];
const server = createServer((request, response) => {
  received.push(request);
  if (request.url === "/never") return;
  if (request.url === "/cut") return void request.socket.destroy();
  response.setHeader("access-control-allow-origin", "*");
  response.setHeader("access-control-allow-headers", "*, traceparent, content-type");
  response.setHeader("content-type", "application/json");
  response.statusCode = request.url === "/missing" ? 404 : 200;
  response.end(JSON.stringify({ data: { ok: true } }));
});
let url = "";
before(async () => {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => (server.closeAllConnections() as void) ?? server.close());

const traceparents = () =>
  received
    .splice(0)
    .filter(({ method }) => method !== "OPTIONS")
    .map(({ headers }) => headers["traceparent"]);

/** A `fetch` in a scope of its own, as it is on the platform. */
const scope = () => ({ fetch: globalThis.fetch });

test("each fetch is one request with its status, and carries its own trace", async () => {
  const app = new App();
  const own = scope();
  const undo = traceFetch(own);
  assert.equal(traceFetch(own), undo, "tracing twice is once");
  const response = await own.fetch(`${url}/a`, { method: "post", body: "x" });
  assert.deepEqual(await response.json(), { data: { ok: true } });
  assert.equal((await own.fetch(new URL(`${url}/missing`))).url, `${url}/missing`);
  assert.deepEqual(app.requests(), ["POST /a 200", "GET /missing 404"]);
  const [first, second] = traceparents();
  assert.ok(first && second && first !== second);
  undo();
  await own.fetch(`${url}/a`);
  assert.deepEqual([app.requests(), traceparents()], [[], [undefined]]);
});

test("the app's own objects are neither changed nor used up, and its headers stay", async () => {
  const app = new App();
  const own = scope();
  const undo = traceFetch(own);
  const request = new Request(`${url}/a`, { method: "POST", body: "x", headers: { "x-own": "1" } });
  await own.fetch(request);
  assert.equal(request.headers.get("traceparent"), null);
  const headers = new Headers({ "x-own": "2" });
  await own.fetch(new Request(`${url}/a`, { headers: { "x-own": "1" } }), { headers });
  assert.equal(headers.get("traceparent"), null);
  await own.fetch(`${url}/a`, {
    headers: [
      ["x-own", "3"],
      ["X-Own", "4"],
    ],
  });
  await own.fetch(`${url}/a`, { headers: { TraceParent: "00-app" } });
  assert.deepEqual(
    received.map((request) => request.headers["x-own"]),
    ["1", "2", "3, 4", undefined],
  );
  assert.equal(received[3]?.headers["traceparent"], "00-app");
  received.length = 0;
  assert.equal(app.requests().length, 4);
  undo();
});

test("a cancelled request is cancelled whatever the reason, a timed-out one timed out, and a broken one failed", async () => {
  const app = new App();
  const own = scope();
  const undo = traceFetch(own);
  for (const reason of [undefined, "the user left", new Error("own"), null]) {
    const controller = new AbortController();
    const running = own.fetch(`${url}/never`, { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 5);
    await assert.rejects(
      running.then((response) => response.text()),
      () => true,
    );
  }
  const controller = new AbortController();
  const running = own.fetch(new Request(`${url}/never`, { signal: controller.signal }));
  controller.abort();
  await assert.rejects(running);
  await assert.rejects(own.fetch(`${url}/never`, { signal: AbortSignal.timeout(5) }));
  await assert.rejects(own.fetch(`${url}/cut`));
  await assert.rejects(own.fetch("http://[bad"));
  const found = app.requests();
  assert.deepEqual(found.slice(0, 6), [...Array(5).fill("GET /never 0 cancelled"), "GET /never 0 timeout"]);
  assert.match(found[6] ?? "", /^GET \/cut 0 (UND_ERR_SOCKET|ECONNRESET)$/);
  received.length = 0;
  undo();
});

test("with another SDK's patch, in every order of installing and removing, no request is recorded twice", async () => {
  // Which of them wraps the other, which is removed and installed again, and how many of the two
  // requests afterwards are recorded. Whoever restores what it has found takes away what came later.
  const orders = [
    ["us", "them", "us", 1],
    ["us", "them", "them", 2],
    ["them", "us", "us", 1],
    ["them", "us", "them", 0],
  ] as const;
  for (const [first, second, removed, recorded] of orders) {
    const app = new App();
    const own = scope();
    let seen = 0;
    const undo: Partial<Record<"us" | "them", () => void>> = {};
    const install = {
      them: () => {
        const inner = own.fetch;
        own.fetch = (...args) => (seen++, inner(...args));
        undo.them = () => void (own.fetch = inner);
      },
      us: () => void (undo.us = traceFetch(own)),
    };
    install[first]();
    install[second]();
    await own.fetch(`${url}/a`);
    assert.deepEqual([app.requests(), seen], [["GET /a 200"], 1]);
    undo[removed]?.();
    await own.fetch(`${url}/a`);
    install[removed]();
    await own.fetch(`${url}/a`);
    assert.equal(app.requests().length, recorded, `${first}, ${second}, without ${removed} for a while`);
    assert.equal(seen, removed === "us" ? 3 : 2, "the other's patch still works");
    undo.us?.();
    await own.fetch(`${url}/a`);
    assert.deepEqual(app.requests(), []);
  }
  received.length = 0;
});

/** A browser's XMLHttpRequest, and the `fetch` of React Native, which is built on it. */
async function dom() {
  const { window } = new JSDOM("", { url: `${url}/page`, pretendToBeVisual: false });
  const scope = window as unknown as { XMLHttpRequest: typeof XMLHttpRequest };
  return { window, scope };
}

test("each send of an XMLHttpRequest is one request, also when the object is used again", async () => {
  const app = new App();
  const { scope } = await dom();
  const undo = traceXhr(scope);
  const xhr = new scope.XMLHttpRequest();
  const over = (event: string) => new Promise((done) => xhr.addEventListener(event, done, { once: true }));
  for (const path of ["a", "missing"]) {
    const loaded = over("loadend");
    xhr.open("GET", `${url}/${path}`);
    xhr.setRequestHeader("x-own", path);
    xhr.send();
    await loaded;
  }
  const headers = received.map((request) => [request.headers["x-own"], request.headers["traceparent"]?.includes(",")]);
  assert.deepEqual(headers, [
    ["a", false],
    ["missing", false],
  ]);
  xhr.open("GET", `${url}/never`);
  xhr.send();
  xhr.open("GET", `${url}/never`);
  xhr.send();
  xhr.abort();
  xhr.open("GET", `${url}/never`);
  xhr.abort();
  xhr.open("GET", `${url}/never`);
  xhr.timeout = 5;
  const timedOut = over("timeout");
  xhr.send();
  await timedOut;
  xhr.open("GET", `${url}/a`);
  xhr.timeout = 0;
  xhr.setRequestHeader("traceparent", "00-app");
  const loaded = over("loadend");
  xhr.send();
  await loaded;
  assert.equal(received.at(-1)?.headers["traceparent"], "00-app");
  assert.deepEqual(app.requests(), [
    "GET /a 200",
    "GET /missing 404",
    "GET /never 0 cancelled",
    "GET /never 0 cancelled",
    "GET /never 0 timeout",
    "GET /a 200",
  ]);
  received.length = 0;
  undo();
});

test("50 interleaved messages of a WebSocket are each in their own trace", async () => {
  const app = new App();
  const sockets = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await new Promise((done) => sockets.once("listening", done));
  sockets.on("connection", (socket) => {
    for (let n = 0; n < 50; n++) socket.send(JSON.stringify({ n, trace: { traceparent: `00-${n}` } }));
  });
  const { window } = await dom();
  const socket = traceWebSocket(
    new window.WebSocket(`ws://127.0.0.1:${(sockets.address() as AddressInfo).port}`) as unknown as WebSocket,
    (message) => (JSON.parse(String(message)) as { trace: Record<string, string> }).trace,
  );
  const store = tracedStore(freshName());
  const seen: number[] = [];
  const listener = (event: MessageEvent) => {
    const { n } = JSON.parse(String(event.data)) as { n: number };
    seen.push(n);
    store.record(`m${n}`, -1, n);
    const context = TraceContext.current;
    setTimeout(() => context.run(() => store.record(`later${n}`, -1, n)), Math.random() * 5);
  };
  let handled = 0;
  const handler = { handleEvent: () => void handled++ };
  socket.addEventListener("message", listener);
  socket.addEventListener("message", listener);
  socket.addEventListener("message", handler);
  const removed = () => assert.fail("it was removed");
  socket.addEventListener("message", removed);
  socket.removeEventListener("message", removed);
  let last = 0;
  socket.onmessage = () => void last++;
  while (app.calls.filter(([call]) => call === 65).length < 100) await new Promise((done) => setTimeout(done, 5));
  const contexts = new Map(app.calls.filter(([call]) => call === 46).map((fields) => [fields[3], fields[5]]));
  for (const fields of app.calls.filter(([call]) => call === 65)) {
    assert.equal(contexts.get(fields[1]!), `00-${String(fields[5]).replace(/\D/g, "")}`);
  }
  assert.deepEqual([seen.length, handled, last, contexts.size], [50, 50, 50, 50]);
  socket.close();
  sockets.close();
  for (const client of sockets.clients) client.terminate();
});

test("op.fetch is the platform's fetch within the operation, also behind an await", async () => {
  const app = new App();
  const undo = traceFetch();
  const answer: Response = await operation("Load", async (op) => {
    await Promise.resolve();
    return op.fetch(`${url}/a`, { method: "POST", body: "x" });
  });
  assert.equal(answer.status, 200);
  const slot = fieldsOf(app, CALL_START_OPERATION)[0]![3];
  assert.deepEqual(
    fieldsOf(app, CALL_START_REQUEST).map((fields) => fields[1]),
    [slot],
  );
  undo();
  await assert.rejects(TraceContext.current.fetch("http://"), TypeError);
  received.length = 0;
  app.end();
});

test("every WebSocket of the app is traced, and the class stays what it was", async () => {
  const app = new App();
  const sockets = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await new Promise((done) => sockets.once("listening", done));
  sockets.on("connection", (socket) => {
    socket.on("message", (text) => socket.send(String(text)));
    socket.send(JSON.stringify({ traceparent: "00-first" }));
  });
  const address = `ws://127.0.0.1:${(sockets.address() as AddressInfo).port}`;
  const { window } = await dom();
  const scope = window as unknown as { WebSocket: typeof WebSocket };
  const Platform = scope.WebSocket;
  const read = (message: unknown) => JSON.parse(String(message)) as Record<string, string>;
  const undo = traceWebSockets(read, scope);
  assert.equal(traceWebSockets(read, scope), undo, "tracing twice is once");
  const Traced = scope.WebSocket;
  assert.deepEqual(
    [Traced.OPEN, Traced.name, Traced.prototype, Traced.length],
    [1, Platform.name, Platform.prototype, Platform.length],
  );
  class Own extends Traced {
    readonly kind = "own";
    greet(): string {
      return `${this.kind} ${this.url}`;
    }
  }
  const plain = new Traced(address);
  const own = new Own(address);
  assert.ok(plain instanceof Traced && plain instanceof Platform && own instanceof Own && own instanceof Platform);
  assert.equal(own.greet(), `own ${address}/`);
  assert.throws(() => (Traced as unknown as () => void)(), TypeError);
  assert.throws(() => new Traced("nowhere"), { name: "SyntaxError" });
  const contextOfNext = (socket: WebSocket): Promise<TraceContext> =>
    new Promise((done) => socket.addEventListener("message", () => done(TraceContext.current), { once: true }));
  const [first, second] = await Promise.all([contextOfNext(plain), contextOfNext(own)]);
  assert.notEqual(first.slot, second.slot);
  assert.deepEqual(
    fieldsOf(app, CALL_READ_CONTEXT).map((fields) => fields[5]),
    ["00-first", "00-first"],
  );
  undo();
  assert.equal(scope.WebSocket, Platform);
  // Neither a socket that is open nor a class that an app has kept records anything more.
  const after = contextOfNext(plain);
  plain.send("{}");
  assert.equal((await after).slot, 0);
  const late = new Traced(address);
  assert.equal((await contextOfNext(late)).slot, 0);
  assert.equal(fieldsOf(app, CALL_READ_CONTEXT).length, 2);
  app.end();
  for (const socket of [plain, own, late]) socket.close();
  sockets.close();
  for (const client of sockets.clients) client.terminate();
});

test("a second SDK around WebSocket goes on, in whichever order the two end", async () => {
  for (const isOursFirst of [true, false]) {
    const made: string[] = [];
    class Platform {}
    const scope = { WebSocket: Platform as unknown as typeof WebSocket };
    const theirs = (): (() => void) => {
      const before = scope.WebSocket;
      scope.WebSocket = new Proxy(before, {
        construct: (inner, args, by) => (made.push("theirs"), Reflect.construct(inner, args, by) as object),
      });
      return () => void (scope.WebSocket = before);
    };
    const [first, second] = isOursFirst
      ? [traceWebSockets(undefined, scope), theirs()]
      : [theirs(), traceWebSockets(undefined, scope)];
    new scope.WebSocket("ws://a");
    assert.deepEqual(made, ["theirs"]);
    first();
    new scope.WebSocket("ws://a");
    second();
    assert.ok(new scope.WebSocket("ws://a") instanceof Platform);
  }
  assert.doesNotThrow(traceWebSockets(undefined, {}));
  assert.doesNotThrow(
    traceWebSockets(undefined, Object.freeze({ WebSocket: class {} as unknown as typeof WebSocket })),
  );
});
