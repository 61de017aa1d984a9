import assert from "node:assert/strict";
import { test } from "node:test";
import { tracedStore } from "@throughline/core";
import { traceWebSocket } from "@throughline/core/websocket";
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
