import assert from "node:assert/strict";
import { test } from "node:test";
import { operation, startAction, startOperation, startView, tracedStore } from "@throughline/core";
import { createTracedState } from "@throughline/core/valtio";
import { App } from "./host.js";

interface Profile {
  displayName: string;
  isLoading: boolean;
  error: string | undefined;
}

const profile = createTracedState<Profile>(
  { displayName: "Ada", isLoading: false, error: undefined },
  {
    name: "UserProfile",
    policy: { transient: ["isLoading"], captures: [{ paths: "displayName", capture: "full" }], coalesceMs: 0 },
    getContext: () => ({ screen: "settings" }),
  },
);

test("a store of before the start is traced, with its policy, and every mutation is accounted for", () => {
  const app = new App();
  startView("Settings");
  startAction("save");
  for (let n = 0; n < 20; n++) {
    profile.isLoading = true;
    profile.displayName = `Grace ${n}`;
    profile.isLoading = false;
  }
  const { logs } = app.received();
  const updates = logs.filter(({ name }) => name === "state.mutation" || String(name).endsWith(".Update"));
  assert.equal(updates.length, 20, [...new Set(logs.map(({ name }) => name))].join());
  assert.equal(updates[0]?.attributes["screen"], "settings");
  assert.equal(updates[0]?.attributes["state.new"], "Grace 0");
  assert.equal(new Set(updates.map(({ trace }) => trace)).size, 1, "all are caused by the tap");
  const counts = app.health().stores["UserProfile"]!;
  assert.deepEqual([counts.mutations, counts.recorded, counts.suppressed, counts.dropped], [60, 20, 40, 0]);
  assert.deepEqual([app.health().malformed, app.health().panics, app.health().dropped], [0, 0, 0]);
  app.end();
});

test("with the operation taken along, 50 overlapping ones are never mixed up", async () => {
  const app = new App();
  const store = tracedStore("Names", { coalesceMs: 0, maxActionsPerSecond: 10_000 });
  const wait = () => new Promise<void>((done) => setTimeout(done, Math.random() * 10));
  await Promise.all(
    Array.from({ length: 50 }, (_, n) =>
      operation(`Op${n}`, async (op) => {
        store.record(`before${n}`, 0, n + 1);
        await wait();
        op.run(() => store.record(`after${n}`, 0, n + 1));
        await wait();
      }),
    ),
  );
  const { logs, spans } = app.received();
  for (let n = 0; n < 50; n++) {
    const span = spans.find(({ name }) => name === `Op${n}`);
    assert.equal(span?.attributes["operation.outcome"], "succeeded");
    for (const path of [`before${n}`, `after${n}`]) {
      const update = logs.find(({ name }) => name === `Names.${path}.Update`);
      assert.deepEqual([update?.trace, update?.span], [span?.trace, span?.span], path);
    }
  }
  assert.equal(app.health().stores["Names"]?.ambiguous, 0);
  app.end();
});

test("without it, what cannot be told is counted as ambiguous and not guessed", async () => {
  const app = new App();
  const store = tracedStore("Guess", { coalesceMs: 0, maxActionsPerSecond: 10_000 });
  const wait = () => new Promise<void>((done) => setTimeout(done, 1));
  await Promise.all(
    [1, 2].map((n) =>
      operation(`Op${n}`, async () => {
        await wait();
        store.record(`after${n}`, 0, n);
      }),
    ),
  );
  const { logs } = app.received();
  const found = logs.filter(({ name }) => String(name).startsWith("Guess."));
  assert.equal(found.length, 2);
  const counts = app.health().stores["Guess"]!;
  assert.equal(counts.ambiguous, found.filter(({ attributes }) => attributes["state.cause"] === "ambiguous").length);
  assert.ok(counts.ambiguous >= 1);
  app.end();
});

test("beside an upload that runs, a tap is the cause of what its own turn changes, and later changes are not guessed", async () => {
  const app = new App();
  const store = tracedStore("Turns", { coalesceMs: 0, maxActionsPerSecond: 10_000 });
  const upload = startOperation("Upload");
  for (let n = 0; n < 20; n++) {
    await new Promise((done) => setTimeout(done));
    startAction(`tap${n}`);
    store.record(`now${n}`, 0, 1);
    await undefined;
    store.record(`later${n}`, 0, 1);
  }
  // The next action ends the last one, whose span is known then.
  startAction("end");
  upload.succeed();
  const { logs, spans } = app.received();
  const update = (path: string) => logs.find(({ name }) => name === `Turns.${path}.Update`)!;
  for (let n = 0; n < 20; n++) {
    const { attributes, trace } = update(`now${n}`);
    assert.equal(attributes["state.cause"], "action", `${n}`);
    assert.equal(trace, spans.find(({ name }) => name === `tap${n}`)?.trace, `${n}`);
    assert.equal(update(`later${n}`).attributes["state.cause"], "ambiguous", `${n}`);
  }
  assert.deepEqual([app.health().stores["Turns"]?.ambiguous, app.health().unknown], [20, 0]);
  app.end();
});
