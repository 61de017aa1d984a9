// The adapters that the profile flow does not use, with the real core.

import assert from "node:assert/strict";
import { test } from "node:test";
import { atom, createStore } from "jotai/vanilla";
import { makeAutoObservable, runInAction } from "mobx";
import { traceAtom } from "@throughline/core/jotai";
import { traceMobx } from "@throughline/core/mobx";
import { App } from "./host.js";

const policy = { coalesceMs: 0 };

test("Jotai and MobX: mutations arrive with their patterns, in builds for production too", async () => {
  const app = new App();
  const items = traceAtom(atom([{ price: 1 }]), { name: "Basket", path: "items", policy });
  const later = atom(null, async (_get, set) => {
    await Promise.resolve();
    set(items, (old) => [{ price: 2 }, ...old.slice(1)]);
  });
  await createStore().set(later);
  class Cart {
    items = [{ price: 1 }];
    constructor() {
      makeAutoObservable(this);
    }
    get total(): number {
      return this.items.reduce((sum, { price }) => sum + price, 0);
    }
  }
  const cart = new Cart();
  const end = traceMobx(cart, { name: "Cart", policy });
  runInAction(() => (cart.items[0]!.price = 2));
  assert.equal(cart.total, 2);
  end();
  const names = app.received().logs.map(({ name }) => name);
  for (const name of ["Basket.items[*].price.Update", "Cart.items[*].price.Update"]) {
    assert.equal(names.filter((each) => each === name).length, 1, name);
  }
  app.end();
});
