// Hermes in a process of its own, which is killed, or whose JavaScript is reloaded.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { ask, type Arrived } from "../test/host.js";
import { hermes, variable } from "./child.js";

test("what was recorded when Hermes is killed arrives, all of it and once", async () => {
  const kills = Number(variable("THROUGHLINE_KILLS"));
  let seed = Number(variable("THROUGHLINE_SEED"));
  const random = (): number => (seed = (seed * 48271) % 2147483647) / 2147483647;
  let recorded = 0;
  for (let kill = 0; kill < kills; kill++) {
    const dataDir = mkdtempSync(join(tmpdir(), "throughline-kill-"));
    const child = hermes("kill.run.js", [], { THROUGHLINE_DATA_DIR: dataDir });
    let output = "";
    child.stdout.on("data", (bytes: Buffer) => (output += bytes.toString()));
    while (output === "") await pause(1);
    await pause(random() * 60);
    child.kill("SIGKILL");
    await once(child, "close");
    // The last line may have been cut.
    const acknowledged = output.slice(0, output.lastIndexOf("\n")).split("\n").map(Number);
    ask({ ask: "start", traceHosts: [], dataDir });
    const { logs } = ask<{ logs: Arrived[] }>({ ask: "received" });
    ask({ ask: "shutdown" });
    rmSync(dataDir, { recursive: true });
    const arrived = logs.filter(({ name }) => name === "acknowledged").map(({ attributes }) => Number(attributes["n"]));
    assert.equal(new Set(arrived).size, arrived.length, `kill ${kill}: nothing arrives twice`);
    const known = new Set(arrived);
    assert.deepEqual(
      acknowledged.filter((n) => !known.has(n)),
      [],
      `kill ${kill}: nothing is lost of ${acknowledged.length}`,
    );
    recorded += acknowledged.length;
  }
  console.log(`${kills} kills, ${recorded} events recorded before, none lost`);
});

test("after 50 reloads of JavaScript there is one client, and nothing leaks", async () => {
  const child = hermes("reload.run.js", ["50"]);
  let output = "";
  child.stdout.on("data", (bytes: Buffer) => (output += bytes.toString()));
  const [code] = (await once(child, "close")) as [number];
  assert.equal(code, 0);
  const lines = output.trim().split("\n");
  const { lives } = JSON.parse(lines.pop()!) as { lives: number[] };
  const reloads = lines.map((line) => JSON.parse(line) as { session: string; memory: number; wrong: number });
  assert.equal(reloads.length, 50);
  assert.equal(new Set(reloads.map(({ session }) => session)).size, 1, "one session, so one client");
  assert.ok(reloads.every(({ wrong }) => wrong === 0));
  assert.deepEqual(
    lives.sort((one, other) => one - other),
    Array.from({ length: 50 }, (_, n) => n),
    "each runtime has recorded once",
  );
  // The first ones fill caches and pools.
  const grown = reloads[49]!.memory - reloads[19]!.memory;
  assert.ok(grown < 4_096, `30 reloads have taken ${grown} KiB`);
});
