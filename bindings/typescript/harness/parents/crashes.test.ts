// Hermes in a process of its own, which dies of native code or of an error of JavaScript, and what
// the next launch of the app says.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ask, type Arrived } from "../test/host.js";
import { ended, variable } from "./child.js";

/** Launches the app again, and returns the errors that have arrived of the process that died. */
function launch(dataDir: string): Arrived[] {
  ask({ ask: "start", traceHosts: [], dataDir });
  const { logs } = ask<{ logs: Arrived[] }>({ ask: "received" });
  ask({ ask: "shutdown" });
  return logs.filter(({ attributes }) => "exception.type" in attributes);
}

/** The functions that `throughline symbolicate` finds in a stack. */
function functions(stack: string, dir: string): string[] {
  const report = join(dir, "report.txt");
  writeFileSync(report, stack);
  const program = variable("THROUGHLINE_CLI");
  const { stdout } = spawnSync(program, ["symbolicate", report, "--debug-dir", variable("THROUGHLINE_HERMES")]);
  return stdout
    .toString()
    .split("\n")
    .filter((line) => line.startsWith("        "))
    .map((line) => line.trim());
}

/** A way to die, the signal of which the process does, and the function in which that happens. */
const KINDS = [
  ["null", "SIGSEGV", "dieOfNull"],
  ["abort", "SIGABRT", "dieOfAbort"],
  ["trap", "SIGILL", "dieOfTrap"],
  ["division", "SIGFPE", "dieOfDivision"],
  ["exception", "SIGABRT", "dieOfException"],
] as const;
const PLACES = ["call", "timer", "promise", "thread"];

test("native code that dies below JavaScript is reported once, and the process ends as without us", async () => {
  const deaths = Math.max(50, Number(variable("THROUGHLINE_KILLS")));
  const alone = new Map<string, string>();
  for (let death = 0; death < deaths; death++) {
    const [kind, signal, name] = KINDS[death % KINDS.length]!;
    const how = `${kind} ${PLACES[Math.floor(death / KINDS.length) % PLACES.length]}`;
    if (!alone.has(how)) {
      const { code, signal } = await ended("crash.run.js", { THROUGHLINE_DEATH: how });
      alone.set(how, `${code} ${signal}`);
    }
    const dataDir = mkdtempSync(join(tmpdir(), "throughline-crash-"));
    const end = await ended("crash.run.js", { THROUGHLINE_DEATH: how, THROUGHLINE_DATA_DIR: dataDir });
    assert.equal(`${end.code} ${end.signal}`, alone.get(how), how);
    const [session, trace] = end.output.split(" ");
    const errors = launch(dataDir);
    assert.equal(errors.length, 1, `${how}: ${errors.map(({ attributes }) => attributes["exception.type"])}`);
    const { attributes, trace: itsTrace } = errors[0]!;
    assert.equal(attributes["exception.type"], signal, how);
    assert.equal(attributes["session.id"], session, how);
    assert.equal(attributes["app.screen.name"], "Checkout", how);
    assert.equal(attributes["operation.name"], "Pay", how);
    assert.equal(itsTrace, trace, how);
    const found = functions(String(attributes["exception.stacktrace"]), dataDir);
    assert.match(found.find((line) => line.includes("dieOf")) ?? "", new RegExp(name), `${how}: ${found.join("\n")}`);
    rmSync(dataDir, { recursive: true });
  }
  console.log(`${deaths} deaths below JavaScript, each reported once`);
});

test("Hermes handles no signal of those that we do, and we handle none when capture is off", async () => {
  // ILL, TRAP, ABRT, BUS, FPE, SEGV and SYS: `signal(7)`.
  const ours = [4, 5, 6, 7, 8, 11, 31].map((signal) => 1n << BigInt(signal - 1)).reduce((all, one) => all | one);
  const caught = async (environment: Record<string, string>): Promise<bigint> => {
    const { output } = await ended("crash.run.js", { THROUGHLINE_DEATH: "signals", ...environment });
    return BigInt(`0x${output.trim()}`) & ours;
  };
  const dataDir = mkdtempSync(join(tmpdir(), "throughline-signals-"));
  assert.equal(await caught({}), 0n);
  assert.equal(await caught({ THROUGHLINE_DATA_DIR: dataDir }), ours);
  // The journal has a handler of its own, for its own pages.
  const bus = 1n << 6n;
  assert.equal(await caught({ THROUGHLINE_DATA_DIR: dataDir, THROUGHLINE_CAPTURE: "off" }), bus);
  rmSync(dataDir, { recursive: true });
});

/** Lets a process end by an error of JavaScript. Returns its session, and the errors that arrive of it. */
async function fatal(how: string, status: string): Promise<{ session: string; errors: Arrived[] }> {
  const dataDir = mkdtempSync(join(tmpdir(), "throughline-fatal-"));
  const end = await ended("fatal.run.js", { THROUGHLINE_DEATH: how, THROUGHLINE_DATA_DIR: dataDir });
  assert.equal(`${end.code} ${end.signal}`, status);
  const errors = launch(dataDir);
  rmSync(dataDir, { recursive: true });
  return { session: end.output, errors };
}

/** The crashes among errors. */
const crashes = (errors: Arrived[]) => errors.filter(({ attributes }) => "app.crash.id" in attributes);

test("an error of JavaScript that ends the process is a crash, in the trace of its operation", async () => {
  const { session, errors } = await fatal("exit", "10 null");
  const [crash, ...others] = crashes(errors);
  assert.equal(others.length, 0);
  const { attributes, trace } = crash!;
  assert.equal(attributes["session.id"], session);
  assert.equal(attributes["app.screen.name"], "Checkout");
  assert.equal(attributes["exception.type"], "TypeError");
  assert.match(String(attributes["exception.stacktrace"]), /at pay \(/);
  assert.equal(attributes["error.fatal"], true);
  assert.match(String(attributes["error.fatal.id"]), /./);
  // The operation has failed, which is an error of its own, in the same trace.
  const failure = errors.find((error) => error !== crash);
  assert.equal(errors.length, 2);
  assert.match(trace, /^[0-9a-f]{32}$/);
  assert.equal(failure!.trace, trace);
});

test("an error of JavaScript beside an operation that runs belongs to it, as a signal would", async () => {
  const { errors } = await fatal("beside", "10 null");
  assert.equal(errors.length, 1);
  const { attributes, trace } = errors[0]!;
  assert.equal(attributes["operation.name"], "Sync");
  assert.match(trace, /^[0-9a-f]{32}$/);
});

test("native code that aborts after an error of JavaScript is the same death", async () => {
  const { errors } = await fatal("abort", "null SIGABRT");
  assert.deepEqual(
    crashes(errors).map(({ attributes }) => attributes["exception.type"]),
    ["TypeError"],
  );
  assert.ok(errors.every(({ attributes }) => attributes["exception.type"] !== "SIGABRT"));
});

test("native code that dies of an error of JavaScript adds what it knows to the same death", async () => {
  const { errors } = await fatal("null", "null SIGSEGV");
  const [crash, ...others] = crashes(errors);
  assert.equal(others.length, 0);
  assert.equal(crash!.attributes["exception.type"], "TypeError");
  const signal = errors.filter(({ attributes }) => attributes["exception.type"] === "SIGSEGV");
  assert.equal(signal.length, 1);
  assert.equal(signal[0]!.attributes["rum.error.fatal.id"], crash!.attributes["app.crash.id"]);
});

test("a rejection that nobody handles is an error, and no crash", async () => {
  const { session, errors } = await fatal("rejection", "3 null");
  assert.equal(errors.length, 1);
  assert.equal(crashes(errors).length, 0);
  assert.equal(errors[0]!.attributes["error.unhandled_rejection"], true);
  assert.equal(errors[0]!.attributes["session.id"], session);
});
