// What calls cost in Hermes. Prints one line of JSON, whose units are the ends of the names.

import { action } from "@throughline/core";
import { createTracedState } from "@throughline/core/valtio";
import { findNative, type Native } from "@throughline/react-native/native";
import { health, shutdown, start } from "@throughline/react-native";
import { proxy } from "valtio/vanilla";
import { ask, host } from "../test/host.js";

const ROUNDS = 101;
const CALLS = 1_000;
const PATHS = 200;

const middle = (times: number[]): number => times.sort((one, other) => one - other)[times.length >> 1]!;

/** The median time of a call in ns, over rounds of calls. What is recorded is stored between them. */
function median(work: (n: number) => void, between: () => void = () => undefined): number {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const begun = performance.now();
    for (let n = 0; n < CALLS; n++) work(round * CALLS + n);
    times.push(((performance.now() - begun) * 1e6) / CALLS);
    between();
  }
  return middle(times);
}

const drain = (): void => void ask({ ask: "drain" });

start("granted", { serviceName: "bench", startJitter: false, endpoint: "http://127.0.0.1:9", selfReport: false });
const native = findNative() as Native;
const client = native.running()!;
// As the generated code would record, if it were used for that.
const generatedClient = client as unknown as { recordTap(name: string, attributes: Map<string, string>): boolean };
const { record } = native.door(client.handle);
const skus = Array.from({ length: CALLS }, (_, n) => `A-${n}`);

const door = median(
  (n) => record(3, 0, 0, 5, "checkout", "sku", skus[n % CALLS]!, "count", n, "gift", n % 2 === 0),
  drain,
);
const recorded = median((n) => action("checkout", { sku: skus[n % CALLS]!, count: n, gift: n % 2 === 0 }), drain);
const generated = median((n) => {
  generatedClient.recordTap(
    "checkout",
    new Map([
      ["sku", skus[n % CALLS]!],
      ["count", String(n)],
      ["gift", String(n % 2 === 0)],
    ]),
  );
}, drain);
drain();
const { accepted, dropped } = health()!;
const lost = ROUNDS * CALLS * 3 - accepted + Object.values(dropped).reduce((sum, count) => sum + count, 0);

/** 200 paths at depth 4, through indices of an array, and one beside them that is recorded. */
const shape = () => ({
  rows: Array.from({ length: PATHS / 4 }, () => ({ view: { a: 0, b: 0, c: 0, d: 0 } })),
  total: 0,
});
const keys = ["a", "b", "c", "d"] as const;
const write = (state: ReturnType<typeof shape>) => (n: number) => {
  state.rows[(n >> 2) % (PATHS / 4)]!.view[keys[n & 3]!] = n + 1;
};
const plainState = proxy(shape());
const tracedState = createTracedState(shape(), {
  name: "Bench",
  policy: { transient: ["rows[*].view.*"], coalesceMs: 0 },
});

/** The first write to each path of a new state, in ns. */
function cold(state: ReturnType<typeof shape>): number {
  const begun = performance.now();
  for (let n = 0; n < PATHS; n++) write(state)(n);
  return ((performance.now() - begun) * 1e6) / PATHS;
}
const plainCold = cold(plainState);
const tracedCold = cold(tracedState);
const mixed = (state: ReturnType<typeof shape>) => () => {
  state.total++;
};
const plain: number[] = [];
const over: number[] = [];
// In turns, so that both have the same machine.
for (let turn = 0; turn < 7; turn++) {
  const one = median(write(plainState), mixed(plainState));
  over.push(median(write(tracedState), mixed(tracedState)) - one);
  plain.push(one);
}
const counts = health()!.stores["Bench"]!;
host.write(
  `${JSON.stringify({
    hermes_record_p50_ns: Math.round(recorded),
    hermes_door_p50_ns: Math.round(door),
    hermes_uniffi_record_p50_ns: Math.round(generated),
    hermes_ignored_ns: Math.round(middle(over)),
    hermes_ignored_cold_ns: Math.round(tracedCold - plainCold),
    hermes_valtio_write_ns: Math.round(middle(plain)),
    hermes_lost_events: lost,
  })}\n`,
);
if (counts.mutations !== counts.recorded + Object.values(counts.suppressed).reduce((sum, count) => sum + count, 0)) {
  throw new Error(`the books do not balance: ${JSON.stringify(counts)}`);
}
void shutdown(20_000);
