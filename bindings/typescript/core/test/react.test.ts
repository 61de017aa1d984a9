import assert from "node:assert/strict";
import { test } from "node:test";
import { JSDOM } from "jsdom";
import { freshName, App } from "./support.js";

const { window } = new JSDOM("<main></main>");
Object.assign(globalThis, {
  window,
  document: window.document,
  navigator: window.navigator,
  IS_REACT_ACT_ENVIRONMENT: process.env["NODE_ENV"] !== "production",
});

const { act, createElement, StrictMode } = await import("react");
const { createRoot } = await import("react-dom/client");
const { proxy, useSnapshot } = await import("valtio");
const { createTracedState } = await import("../src/valtio.js");

interface Cart {
  items: { n: number }[];
  coupon: string;
  isLoading: boolean;
}
const initial = (): Cart => ({ items: [{ n: 1 }, { n: 2 }], coupon: "", isLoading: false });

/** How often each component is rendered while a state is changed. */
async function renders(state: Cart, isStrict: boolean): Promise<number[]> {
  const counts = [0, 0];
  const Coupon = () => (counts[0]!++, createElement("p", null, useSnapshot(state).coupon));
  const Items = () => (
    counts[1]!++,
    createElement(
      "p",
      null,
      useSnapshot(state)
        .items.map(({ n }) => n)
        .join(),
    )
  );
  const main = window.document.createElement("main");
  const root = createRoot(main);
  const settle = async (work: () => void) => {
    if (process.env["NODE_ENV"] === "production") {
      work();
      await new Promise((done) => setTimeout(done, 5));
    } else await act(async () => work());
  };
  const both = createElement("div", null, createElement(Coupon), createElement(Items));
  await settle(() => root.render(isStrict ? createElement(StrictMode, null, both) : both));
  await settle(() => void (state.coupon = "TEN"));
  await settle(() => void (state.coupon = "TEN"));
  await settle(() => void state.items.push({ n: 3 }));
  await settle(() => void (state.items[0]!.n = 10));
  await settle(() => void state.items.splice(0, 1));
  await settle(() => void (state.isLoading = true));
  assert.equal(main.textContent, "TEN2,3");
  await settle(() => root.unmount());
  return counts;
}

test("components render as often with tracing as without", async () => {
  for (const isStrict of [false, true]) {
    const plain = await renders(proxy(initial()), isStrict);
    const app = new App((path) => path === "isLoading");
    const traced = await renders(createTracedState(initial(), { name: freshName() }), isStrict);
    assert.deepEqual(traced, plain);
    assert.deepEqual(app.mutations(), ["set coupon", "insert items[2]", "set items[0].n", "batch items"]);
  }
});
