import assert from "node:assert/strict";
import { test } from "node:test";
import { TraceContext, tracedStore } from "@throughline/core";
import { traceWebSocket, traceWebSockets } from "@throughline/core/websocket";
import { App, ask } from "../test/host.js";

const trace = (n: number): string => (n + 1).toString(16).padStart(32, "a");

test("of 50 messages that come at once, each mutation is in its own message's trace", async () => {
  const app = new App();
  const store = tracedStore("Inbox", { coalesceMs: 0, maxActionsPerSecond: 1_000 });
  const read = (data: unknown) => JSON.parse(String(data)) as { n: number; traceparent: string };
  const socket = traceWebSocket(new WebSocket(ask<string>({ ask: "echoServer" })), (data) => ({
    traceparent: read(data).traceparent,
  }));
  await new Promise<void>((done) => {
    let seen = 0;
    // All listeners of a message share its context.
    socket.onmessage = ({ data }) => store.record(`unread${read(data).n}`, 0, 1);
    socket.addEventListener("message", ({ data }) => {
      store.record(`sender${read(data).n}`, 0, 1);
      if (++seen === 50) done();
    });
    socket.onopen = () => {
      const messages = Array.from({ length: 50 }, (_, n) =>
        JSON.stringify({ n, traceparent: `00-${trace(n)}-00000000000000b7-01` }),
      );
      socket.send(JSON.stringify(messages));
    };
  });
  socket.close();
  const { logs } = app.received();
  for (let n = 0; n < 50; n++) {
    for (const path of [`unread${n}`, `sender${n}`]) {
      assert.equal(logs.find(({ name }) => name === `Inbox.${path}.Update`)?.trace, trace(n), path);
    }
  }
  assert.equal(app.health().stores["Inbox"]?.ambiguous, 0);
  app.end();
});

test("a class of the app's that extends a traced WebSocket is its own, and its messages are traced", async () => {
  const app = new App();
  const undo = traceWebSockets();
  const Traced = WebSocket;
  class Inbox extends WebSocket {
    readonly seen: TraceContext[] = [];
    listen(): this {
      this.addEventListener("message", () => this.seen.push(TraceContext.current));
      return this;
    }
  }
  const inbox = new Inbox(ask<string>({ ask: "echoServer" })).listen();
  assert.ok(inbox instanceof Inbox && inbox instanceof WebSocket);
  await new Promise<void>((done) => {
    inbox.onopen = () => inbox.send(JSON.stringify(["a", "b"]));
    inbox.onmessage = () => void (inbox.seen.length === 2 && done());
  });
  const traces = inbox.seen.map(({ traceId }) => traceId);
  assert.ok(traces[0] && traces[1] && traces[0] !== traces[1]);
  inbox.close();
  undo();
  assert.notEqual(WebSocket, Traced);
  app.end();
});
