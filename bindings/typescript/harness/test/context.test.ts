// What belongs to another moment, or to another turn, than the one in which JavaScript records it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { action, foundError, operation, startAction, startView } from "@throughline/core";
import { traceFetch } from "@throughline/core/fetch";
import { traceXhr } from "@throughline/core/xhr";
import { App, type Arrived } from "./host.js";

/** Returns when the clock of JavaScript, which counts whole ms, is surely past everything before. */
async function later(): Promise<number> {
  const before = Date.now();
  while (Date.now() < before + 3) await new Promise((done) => setTimeout(done, 1));
  return Date.now();
}

test("an error that is known late belongs to the view, the action and the session of its own time", async () => {
  const app = new App();
  startView("Cart");
  startAction("Buy");
  await later();
  const then = await later();
  await later();
  startView("Receipt");
  startAction("Close");
  await later();
  foundError(new Error("late"), {}, { time: then });
  foundError(new Error("now"));
  const { logs } = app.received();
  const said = (message: string): Arrived => logs.find((each) => each.attributes["exception.message"] === message)!;
  const [late, now] = [said("late"), said("now")];
  const buy = logs.find((each) => each.attributes["app.widget.name"] === "Buy")!;
  assert.equal(late.attributes["app.screen.name"], "Cart");
  assert.equal(now.attributes["app.screen.name"], "Receipt");
  assert.notEqual(late.attributes["app.screen.id"], now.attributes["app.screen.id"]);
  assert.equal(late.attributes["rum.action.id"], buy.attributes["rum.action.id"]);
  assert.notEqual(now.attributes["rum.action.id"], buy.attributes["rum.action.id"]);
  app.end();
});

test("what is older than everything that is known belongs to what is current", () => {
  const app = new App();
  startView("Home");
  foundError(new Error("old"), {}, { time: Date.now() - 60_000 });
  action("after", {}, "tap");
  const { logs } = app.received();
  const old = logs.find((each) => each.attributes["exception.message"] === "old")!;
  assert.equal(old.attributes["app.screen.name"], "Home");
  app.end();
});

test("a request by op.fetch behind an await is in the trace of its operation", async () => {
  const app = new App();
  const ends = [traceFetch(), ...(typeof XMLHttpRequest === "function" ? [traceXhr()] : [])];
  // Nobody listens there. That the request was made is recorded all the same.
  const nowhere = "http://127.0.0.1:9/";
  await operation("Search", async (op) => {
    await Promise.resolve();
    await op.fetch(`${nowhere}inside`, { method: "POST", body: "x" }).catch(() => undefined);
    await fetch(`${nowhere}outside`).catch(() => undefined);
  });
  for (const end of ends) end();
  const { spans } = app.received();
  const search = spans.find(({ name }) => name === "Search")!;
  const request = (path: string): Arrived => spans.find((span) => String(span.attributes["url.full"]).endsWith(path))!;
  assert.deepEqual([request("inside").trace, request("inside").parent], [search.trace, search.span]);
  assert.notEqual(request("outside").trace, search.trace);
  app.end();
});
