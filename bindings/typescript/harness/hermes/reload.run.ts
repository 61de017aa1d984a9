// One life of a JavaScript runtime that attaches, records, and is thrown away with everything open.

import { event, health, operation, start, startAction, startSpan } from "@throughline/react-native";
import { createTracedState } from "@throughline/core/valtio";
import { ask, host } from "../test/host.js";

const plain = globalThis.fetch;
start("granted", { serviceName: "reloaded", startJitter: false, traceSampleRate: 1 });
if (globalThis.fetch === plain) throw new Error("fetch is not traced");

const cart = createTracedState({ items: [] as number[] }, { name: "Cart", policy: { coalesceMs: 0 } });
event("life", { n: host.reload });
startAction("reload");
for (let n = 0; n < 20; n++) cart.items.push(n);
startSpan("never ended");
void operation("never over", () => new Promise(() => undefined));

const { accepted, unknownCalls, malformedCalls, panics, stores } = health()!;
host.write(
  `${JSON.stringify({
    reload: host.reload,
    session: ask({ ask: "sessionId" }),
    memory: ask({ ask: "memory" }),
    accepted,
    wrong: unknownCalls + malformedCalls + panics,
    mutations: stores["Cart"]?.mutations,
  })}\n`,
);
if (host.reload === 49) {
  const { logs } = ask<{ logs: { name: string; attributes: Record<string, unknown> }[] }>({ ask: "received" });
  const lives = logs.filter(({ name }) => name === "life").map(({ attributes }) => attributes["n"]);
  host.write(`${JSON.stringify({ lives })}\n`);
}
