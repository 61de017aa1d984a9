// The profile screen of an app, written as apps are written: state of the module, assigned to
// directly, an asynchronous function, the global `fetch`. It runs against the inspector and the
// sample backend, and the story is read from the inspector.

import assert from "node:assert/strict";
import { test } from "node:test";
import { error, operation, startAction, startView, type Operation } from "@throughline/core";
import { traceFetch } from "@throughline/core/fetch";
import { createTracedState } from "@throughline/core/valtio";
import { traceXhr } from "@throughline/core/xhr";
import { App, ask } from "./host.js";

const variable = (name: string): string => {
  const value = ask<string | null>({ ask: "environment", name });
  if (!value) throw new Error(`${name} is not set`);
  return value;
};
const collector = variable("THROUGHLINE_COLLECTOR");
const backend = variable("THROUGHLINE_BACKEND");

const profile = createTracedState(
  { displayName: "", isLoading: false, error: undefined as string | undefined },
  {
    name: "UserProfile",
    policy: {
      transient: ["isLoading"],
      captures: [{ paths: "displayName", capture: "full" }],
      coalesceMs: 0,
      maxActionsPerSecond: 1_000,
    },
  },
);

/** The server has refused a request. */
class Refused extends Error {
  override name = "Refused";
}

/** Saves a name, which must not be the one that the profile has. With an operation, what is behind an `await` is told where it belongs. */
async function rename(name: string, op?: Operation): Promise<void> {
  const inside = <T>(work: () => T): T => (op ? op.run(work) : work());
  inside(() => (profile.isLoading = true));
  try {
    const answer = await fetch(`${backend}/api/me`, {
      method: "PUT",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ displayName: name }),
    });
    if (!answer.ok) throw new Refused(`the server says ${answer.status}`);
    inside(() => (profile.displayName = name));
  } catch (refused) {
    inside(() => {
      profile.error = String(refused);
      error(refused);
    });
  } finally {
    inside(() => (profile.isLoading = false));
  }
}

/** A record or a span, as the inspector returns it. */
interface Item {
  readonly name: string;
  readonly body: string;
  readonly trace: string;
  readonly span: string;
  readonly parent: string;
  readonly service: string;
  readonly attributes: Record<string, unknown>;
}

let platformFetch: typeof fetch;

async function get(path: string): Promise<Item[]> {
  const items = (await (await platformFetch(collector + path)).json()) as Item[] | { items: Item[] };
  return Array.isArray(items) ? items : items.items;
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** Runs a flow in a new app, and returns what the inspector knows of its session. */
async function session(flow: () => Promise<void>): Promise<{ items: Item[]; app: App }> {
  platformFetch = globalThis.fetch;
  // Answers come in another order than the requests were made, the same in every run.
  let seed = 20260101;
  const random = (): number => (seed = (seed * 48271) % 2147483647) / 2147483647;
  globalThis.fetch = async (...request) => {
    const answer = await platformFetch(...request);
    await pause(random() * 60);
    return answer;
  };
  const app = new App(["127.0.0.1"], collector);
  const ends = [traceFetch(), ...(typeof XMLHttpRequest === "function" ? [traceXhr()] : [])];
  try {
    startView("Profile");
    await flow();
    startView("Home");
    app.flush();
  } finally {
    for (const end of ends) end();
    globalThis.fetch = platformFetch;
  }
  // A page has 5,000 entries, which is more than any flow records.
  return { items: await get(`/api/session/${ask<string>({ ask: "sessionId" })}`), app };
}

const attribute = (item: Item, key: string): string => String(item.attributes[key] ?? "");
const taps = (items: Item[]): Item[] => items.filter((item) => attribute(item, "app.widget.name").startsWith("save"));
const requests = (items: Item[]): Item[] => items.filter((item) => attribute(item, "http.request.method") === "PUT");
const updates = (items: Item[]): Item[] => items.filter(({ body }) => body === "UserProfile.displayName.Update");

/** Asserts that a trace has one request, and that the backend's span is its child. */
async function assertServed(trace: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const items = await get(`/api/trace/${trace}`);
    const sent = items.filter(({ service, attributes }) => service === "shop" && attributes["http.request.method"]);
    assert.equal(sent.length, 1, `one request in ${trace}`);
    // The backend sends its span when it likes.
    if (items.some(({ name, parent }) => name === "PUT /api/me" && parent === sent[0]!.span)) return;
    assert.ok(attempt < 200, `no span of the backend in ${trace}`);
    await pause(50);
  }
}

test("one rename after the other: each request, mutation and backend span is in its tap's trace", async () => {
  const { items, app } = await session(async () => {
    for (let n = 0; n < 5; n++) {
      startAction(`save ${n}`);
      await rename(n === 3 ? "taken" : `name ${n}`);
    }
  });
  assert.equal(taps(items).length, 5);
  const stories = new Map(taps(items).map((tap) => [attribute(tap, "app.widget.name"), tap.trace]));
  assert.equal(new Set(stories.values()).size, 5);
  assert.equal(requests(items).length, 5);
  assert.equal(updates(items).length, 4);
  for (const update of updates(items)) {
    assert.equal(update.trace, stories.get(attribute(update, "state.new").replace("name", "save")));
    assert.equal(attribute(update, "state.cause"), "action");
  }
  for (const trace of stories.values()) await assertServed(trace);
  const failed = stories.get("save 3");
  assert.ok(items.some((item) => item.trace === failed && item.body === "UserProfile.error.Update"));
  const tap = taps(items).find(({ trace }) => trace === failed)!;
  const refused = items.find((item) => attribute(item, "exception.type") === "Refused")!;
  assert.equal(attribute(refused, "rum.action.id"), attribute(tap, "rum.action.id"));
  assert.ok(!items.some(({ body }) => body.includes("isLoading")));
  const counts = app.health().stores["UserProfile"]!;
  assert.deepEqual([counts.recorded, counts.suppressed, counts.dropped, counts.ambiguous], [5, 10, 0, 0]);
  app.end();
});

test("50 renames at once: nothing is in a wrong trace, and what cannot be told is counted", async () => {
  const { items, app } = await session(async () => {
    const all: Promise<void>[] = [];
    for (let n = 0; n < 50; n++) {
      startAction(`save ${n}`);
      all.push(rename(`another ${n}`));
    }
    await Promise.all(all);
  });
  const stories = new Map(taps(items).map((tap) => [attribute(tap, "app.widget.name"), tap.trace]));
  assert.equal(stories.size, 50, "taps");
  assert.equal(new Set(requests(items).map(({ trace }) => trace)).size, 50, "traces of requests");
  for (const trace of stories.values()) await assertServed(trace);
  const failures = items.filter((item) => attribute(item, "exception.type")).map(({ attributes }) => attributes);
  assert.deepEqual(failures, [], "every rename succeeds");
  assert.equal(updates(items).length, 50, "updates");
  let ambiguous = 0;
  for (const update of updates(items)) {
    if (attribute(update, "state.cause") === "ambiguous") ambiguous++;
    else assert.equal(update.trace, stories.get(attribute(update, "state.new").replace("another", "save")));
  }
  assert.equal(app.health().stores["UserProfile"]!.ambiguous, ambiguous);
  app.end();
});

test("50 renames at once as operations: all are told apart, and nothing is ambiguous", async () => {
  const { items, app } = await session(async () => {
    startAction("save all");
    await Promise.all(Array.from({ length: 50 }, (_, n) => operation(`Rename ${n}`, (op) => rename(`third ${n}`, op))));
  });
  const stories = new Map(items.filter(({ name }) => name.startsWith("Rename ")).map((item) => [item.name, item]));
  assert.equal(stories.size, 50);
  assert.equal(requests(items).length, 50);
  assert.equal(updates(items).length, 50);
  for (const update of updates(items)) {
    const story = stories.get(attribute(update, "state.new").replace("third", "Rename"));
    assert.deepEqual([update.trace, update.span], [story?.trace, story?.span]);
  }
  for (const request of requests(items)) {
    assert.ok([...stories.values()].some(({ trace, span }) => request.trace === trace && request.parent === span));
  }
  assert.equal(app.health().stores["UserProfile"]!.ambiguous, 0);
  app.end();
});
