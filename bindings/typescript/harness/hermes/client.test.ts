import assert from "node:assert/strict";
import { test } from "node:test";
import {
  action,
  attach,
  diagnose,
  flush,
  health,
  installationId,
  isRunning,
  operation,
  sessionId,
  setConsent,
  setEnabled,
  setSessionSampleRate,
  shutdown,
  start,
  startView,
  ThroughlineError,
  traceHeaders,
} from "@throughline/react-native";
import { ask, type Arrived } from "../test/host.js";

const configuration = { serviceName: "shop", startJitter: false, traceSampleRate: 1, traceHosts: ["127.0.0.1"] };

const received = (): { logs: Arrived[]; spans: Arrived[] } => ask({ ask: "received" });

async function failure(work: () => unknown): Promise<ThroughlineError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof ThroughlineError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

test("before the start nothing runs, calls wait, and what needs a client says so", async () => {
  assert.deepEqual([isRunning(), sessionId(), installationId(), health()], [false, undefined, undefined, undefined]);
  assert.deepEqual([setConsent("granted"), setEnabled(true), setSessionSampleRate(1)], [false, false, false]);
  assert.equal(attach(), false);
  assert.equal((await failure(() => flush())).kind, "closed");
  assert.equal((await failure(() => shutdown())).kind, "closed");
  startView("Early");
  action("early", {}, "tap");
});

test("a configuration that cannot work is refused with its reason, and calls go on waiting", async () => {
  const wrong = [
    [{ ...configuration, sessionSampleRate: 2 }, /sample/],
    [{ ...configuration, serviceName: "" }, /service/],
    [{ ...configuration, endpoint: "nowhere" }, /endpoint|URL|url/],
    [{ ...configuration, environment: "moon" as "test" }, /environment/],
  ] as const;
  for (const [given, reason] of wrong) {
    const { kind, message } = await failure(() => start("granted", given));
    assert.equal(kind, "invalidConfig", message);
    assert.match(message, reason);
  }
  const cyclic: Record<string, unknown> = { ...configuration };
  cyclic["resource"] = cyclic;
  assert.equal((await failure(() => start("granted", cyclic as never))).kind, "invalidConfig");
  assert.equal((await failure(() => start("perhaps" as "granted", configuration))).kind, "invalidConfig");
  assert.equal(isRunning(), false);
});

test("a started client records what waited, sends it, and says how it is", async () => {
  start("granted", configuration);
  assert.equal(isRunning(), true);
  assert.match(sessionId()!, /-/);
  action("late", {}, "tap");
  await operation("Save", async (op) => {
    assert.match(op.traceHeaders("http://127.0.0.1/")["traceparent"]!, /^00-/);
    assert.deepEqual(traceHeaders("http://elsewhere.example/"), {});
  });
  const { isComplete, delivered } = await flush(20_000);
  assert.ok(isComplete && delivered > 0);
  const { logs, spans } = received();
  const named = logs.map(({ attributes }) => attributes["app.widget.name"] ?? attributes["app.screen.name"]);
  for (const name of ["Early", "early", "late"]) assert.ok(named.includes(name), `${name} in ${named.join()}`);
  assert.ok(spans.some(({ name }) => name === "Save"));
  const diagnosis = await diagnose(1_000);
  assert.match(diagnosis.text, /Nothing keeps data from arriving.*\[host_not_listed\].*elsewhere\.example/s);
  const report = health()!;
  assert.deepEqual([report.isEnabled, report.panics, report.malformedCalls, report.failures], [true, 0, 0, 0]);
  assert.equal(report.accepted, report.destinations[0]!.delivered + report.queued);
});

test("a second start changes nothing and says so, as Fast Refresh makes one", () => {
  const session = sessionId();
  start("granted", { ...configuration, serviceName: "another" });
  assert.equal(sessionId(), session);
  assert.match(health()!.problems.join("\n"), /ran already/);
});

test("a request is recorded once, with headers for a listed host alone", async () => {
  const backend = ask<string>({ ask: "environment", name: "THROUGHLINE_BACKEND" });
  const before = received().spans.length;
  await (await fetch(`${backend}/api/items/7`)).json();
  const { spans } = received();
  const requests = spans.slice(before).filter(({ attributes }) => attributes["http.request.method"]);
  assert.equal(requests.length, 1);
});

test("after a shutdown calls are counted, and a client that was started natively can be attached to", async () => {
  assert.equal(await shutdown(20_000), true);
  assert.equal(isRunning(), false);
  action("nobody");
  assert.equal(attach(), false);
  ask({ ask: "start", traceHosts: [] });
  assert.equal(attach(), true);
  assert.equal(health()!.closedCalls, 1);
  action("attached", {}, "tap");
  assert.ok(received().logs.some(({ attributes }) => attributes["app.widget.name"] === "attached"));
  assert.equal(await shutdown(20_000), true);
});

test("a client that native code ends and starts again is found by JavaScript, and nothing is lost in between", async () => {
  ask({ ask: "start", traceHosts: [] });
  assert.equal(attach(), true);
  const session = sessionId();
  ask({ ask: "shutdown" });
  ask({ ask: "start", traceHosts: ["127.0.0.1"] });
  action("next", {}, "tap");
  assert.ok(sessionId() !== session);
  await operation("Next", async (op) => {
    assert.match(op.traceHeaders("http://127.0.0.1/")["traceparent"]!, /^00-/);
  });
  assert.ok(received().logs.some(({ attributes }) => attributes["app.widget.name"] === "next"));
  assert.equal(await shutdown(20_000), true);
});
