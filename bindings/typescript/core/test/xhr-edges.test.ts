// `XMLHttpRequest` and `WebSocket` where apps use them in unusual ways.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { JSDOM } from "jsdom";
import { WebSocketServer } from "ws";
import { CALL_READ_CONTEXT } from "../src/calls.js";
import { traceFetch } from "../src/fetch.js";
import { traceWebSocket } from "../src/websocket.js";
import { traceXhr } from "../src/xhr.js";
import { App, fieldsOf } from "./support.js";

const server = createServer((request, response) => {
  if (request.url === "/never") return;
  response.setHeader("access-control-allow-origin", "*");
  response.setHeader("access-control-allow-headers", "*, traceparent, content-type");
  response.end("ok");
});
let url = "";
before(async () => {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => (server.closeAllConnections() as void) ?? server.close());

type Scope = { XMLHttpRequest: typeof XMLHttpRequest };
const dom = () => {
  const { window } = new JSDOM("", { url: `${url}/page` });
  return { window, scope: window as unknown as Scope };
};
const sent = (xhr: XMLHttpRequest, path: string, method = "GET") =>
  new Promise<void>((done) => {
    xhr.open(method, path.startsWith("/") ? `${url}${path}` : path);
    xhr.addEventListener("loadend", () => done(), { once: true });
    xhr.send();
  });

/** A fresh copy of React Native's `fetch`, on an XMLHttpRequest. It takes both from the global object. */
async function whatwg(scope: Scope): Promise<typeof fetch> {
  Object.assign(globalThis, { XMLHttpRequest: scope.XMLHttpRequest });
  const module = (await import("whatwg-fetch" as string)) as { fetch: typeof fetch };
  return module.fetch;
}

test("React Native's fetch is one request, with the end of its body, however it is opened", async () => {
  const app = new App();
  const { scope } = dom();
  const page = { fetch: await whatwg(scope) };
  const undo = [traceFetch(page), traceXhr(scope)];
  const response = await page.fetch(`${url}/a`, { method: "POST", body: "x" });
  assert.equal(await response.text(), "ok");
  // It changes the address of such a request.
  await page.fetch(`${url}/b?q=1`, { cache: "no-store" });
  const ended = app.calls.filter(([call]) => call === 49);
  assert.ok(ended.every((fields) => !fields.includes("throughline.ended")));
  assert.deepEqual(app.requests(), ["POST /a 200", "GET /b?q=1 200"]);
  const controller = new AbortController();
  const running = page.fetch(`${url}/never`, { signal: controller.signal });
  controller.abort();
  await assert.rejects(running);
  assert.deepEqual(app.requests(), ["GET /never 0 cancelled"]);
  undo.forEach((end) => end());
});

test("an XMLHttpRequest that something else sends during a fetch is a request of its own", async () => {
  const app = new App();
  const { scope } = dom();
  const beacon = () => {
    const xhr = new scope.XMLHttpRequest();
    const over = new Promise((done) => xhr.addEventListener("loadend", done));
    xhr.open("POST", `${url}/beacon`);
    xhr.send();
    return over;
  };
  let over: Promise<unknown> | undefined;
  const page = {
    fetch: ((...args: Parameters<typeof fetch>) => ((over = beacon()), globalThis.fetch(...args))) as typeof fetch,
  };
  const undo = [traceFetch(page), traceXhr(scope)];
  await page.fetch(`${url}/a`);
  await over;
  assert.deepEqual(app.requests().sort(), ["GET /a 200", "POST /beacon 200"]);
  undo.forEach((end) => end());
});

test("an object that is used for every request does not collect listeners", async () => {
  const app = new App();
  const { scope } = dom();
  const undo = traceXhr(scope);
  const xhr = new scope.XMLHttpRequest();
  let added = 0;
  const add = xhr.addEventListener.bind(xhr) as (...args: unknown[]) => void;
  xhr.addEventListener = ((...args: unknown[]) => (added++, add(...args))) as never;
  for (let n = 0; n < 5; n++) await sent(xhr, "/a");
  assert.ok(added <= 5 + 4, `${added} listeners were added, 5 of them by the test`);
  assert.deepEqual(app.requests(), Array(5).fill("GET /a 200"));
  undo();
});

test("a request goes on when opening the object again is refused", async () => {
  const app = new App();
  const { scope } = dom();
  const undo = traceXhr(scope);
  const xhr = new scope.XMLHttpRequest();
  const over = sent(xhr, "/a");
  assert.throws(() => xhr.open("bad method", url));
  await over;
  assert.deepEqual(app.requests(), ["GET /a 200"]);
  undo();
});

test("tracing twice, and in two scopes, records each request once", async () => {
  const app = new App();
  const [first, second] = [dom().scope, dom().scope];
  const undo = traceXhr(first);
  assert.equal(traceXhr(first), undo);
  const undoSecond = traceXhr(second);
  await sent(new first.XMLHttpRequest(), "/a");
  await sent(new second.XMLHttpRequest(), "/b");
  assert.deepEqual(app.requests(), ["GET /a 200", "GET /b 200"]);
  undoSecond();
  await sent(new first.XMLHttpRequest(), "/a");
  assert.deepEqual(app.requests(), ["GET /a 200"]);
  undo();
});

test("with another SDK's patch of XMLHttpRequest, in every order, each request is one and the other's works", async () => {
  for (const first of ["us", "them"])
    for (const removed of ["us", "them"]) {
      const app = new App();
      const { scope } = dom();
      const proto = scope.XMLHttpRequest.prototype;
      let seen = 0;
      const undo: Record<string, () => void> = {};
      const install = {
        them: () => {
          const { send } = proto;
          proto.send = function (this: XMLHttpRequest, ...args) {
            seen++;
            return send.apply(this, args);
          };
          undo["them"] = () => void (proto.send = send);
        },
        us: () => void (undo["us"] = traceXhr(scope)),
      };
      install[first as "us"]();
      install[first === "us" ? "them" : "us"]();
      await sent(new scope.XMLHttpRequest(), "/a");
      assert.deepEqual([app.requests(), seen], [["GET /a 200"], 1], `${first} first`);
      undo[removed]!();
      await sent(new scope.XMLHttpRequest(), "/a");
      assert.ok(app.requests().length <= (removed === "us" ? 0 : 1), `${first} first, without ${removed}`);
      install[removed as "us"]();
      await sent(new scope.XMLHttpRequest(), "/a");
      assert.ok(app.requests().length <= 1, `${first} first, with ${removed} again`);
      undo["us"]!();
      await sent(new scope.XMLHttpRequest(), "/a");
      assert.deepEqual(app.requests(), []);
    }
});

test("a file that an XMLHttpRequest reads is no request", () => {
  const app = new App();
  class Reader {
    open(): void {}
    setRequestHeader(): void {}
    send(): void {}
    addEventListener(): void {}
  }
  const scope = { XMLHttpRequest: Reader } as unknown as Scope;
  const undo = traceXhr(scope);
  for (const address of ["file:///photo.jpg", "data:text/plain,secret", "blob:1", "content://media/1"]) {
    const xhr = new scope.XMLHttpRequest();
    xhr.open("GET", address);
    xhr.send();
  }
  assert.deepEqual(app.calls, []);
  undo();
});

test("a listener of before the tracing is called once, and can be removed", async () => {
  const app = new App();
  const sockets = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await new Promise((done) => sockets.once("listening", done));
  const { window } = dom();
  const address = `ws://127.0.0.1:${(sockets.address() as AddressInfo).port}`;
  const plain = new window.WebSocket(address) as unknown as WebSocket;
  const calls: string[] = [];
  const kept = () => void calls.push("kept");
  const removed = () => void calls.push("removed");
  const handler = () => void calls.push("handler");
  plain.addEventListener("message", kept);
  plain.addEventListener("message", removed);
  plain.onmessage = handler;
  const socket = traceWebSocket(plain, () => ({ traceparent: "00-a" }));
  assert.equal(
    traceWebSocket(socket, () => undefined),
    socket,
  );
  assert.equal(socket.onmessage, handler);
  socket.addEventListener("message", kept);
  socket.removeEventListener("message", removed);
  const once = () => void calls.push("once");
  socket.addEventListener("message", once, { once: true });
  socket.addEventListener("message", null as never);
  const [client] = await Promise.all([
    new Promise<import("ws").WebSocket>((done) => sockets.once("connection", done)),
    new Promise((done) => plain.addEventListener("open", done)),
  ]);
  const next = () => new Promise((done) => plain.addEventListener("message", done, { once: true }));
  for (const message of ["1", "2"]) {
    const came = next();
    client.send(message);
    await came;
  }
  assert.deepEqual(calls.sort(), ["handler", "handler", "kept", "kept", "once"]);
  assert.equal(fieldsOf(app, CALL_READ_CONTEXT).length, 2, "one context for each message");
  socket.onmessage = () => void calls.push("replaced");
  const came = next();
  client.send("3");
  await came;
  assert.deepEqual(calls.slice(5).sort(), ["kept", "replaced"]);
  const frozen = Object.freeze({ addEventListener() {}, removeEventListener() {} }) as never;
  assert.equal(
    traceWebSocket(frozen, () => undefined),
    frozen,
  );
  socket.close();
  sockets.close();
  for (const other of sockets.clients) other.terminate();
});
