// What a call costs. Prints one line of JSON.

import { action } from "@throughline/core";
import { createTracedState } from "@throughline/core/valtio";
import { proxy } from "valtio/vanilla";
import { App } from "./host.js";

const ROUNDS = 41;
const CALLS = 2_000;

/** The median time of a call in ns, over rounds of calls. */
function median(work: (n: number) => void): number {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    for (let n = 0; n < CALLS; n++) work(round * CALLS + n);
    times.push(((performance.now() - start) * 1e6) / CALLS);
  }
  return Math.round(times.sort((a, b) => a - b)[ROUNDS >> 1]!);
}

const shape = () => ({
  list: Array.from({ length: 50 }, (_, id) => ({ id, view: { isLoading: false } })),
  n: 0,
  isLoading: false,
});
const app = new App();
const plainState = proxy(shape());
const tracedState = createTracedState(shape(), { name: "Bench", policy: { transient: ["**.isLoading"] } });
const flip = (state: ReturnType<typeof shape>) => (n: number) => {
  const { view } = state.list[n % 50]!;
  view.isLoading = !view.isLoading;
};
const door = median((n) => app.record(3, 0, 0, 5, "checkout", "sku", `A-${n}`, "count", n, "gift", n % 2 === 0));
const record = median((n) => action("checkout", { sku: `A-${n}`, count: n, gift: n % 2 === 0 }));
const { accepted, dropped } = (app.received(), app.health());
const plain = median(flip(plainState));
const traced = median(flip(tracedState));
const counts = app.health().stores["Bench"];
console.log(
  JSON.stringify({
    door_p50_ns: door,
    record_p50_ns: record,
    accepted,
    dropped,
    valtio_ns: plain,
    ignored_ns: traced,
    ignored_over_valtio_ns: traced - plain,
    suppressed: counts?.suppressed,
  }),
);
app.end();
