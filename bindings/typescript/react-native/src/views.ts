// Which view is shown, whoever has found out: a hook or a navigator.

import { startView, stopView } from "@throughline/core";
import { quietly } from "./found.js";

interface Shown {
  readonly owner: object;
  readonly name: string;
  readonly key: unknown;
}

let shown: Shown | undefined;
let isLeaving = false;

/**
 * An owner shows a view. That it shows the same one again, with the same key, is nothing new: React's StrictMode runs
 * effects twice, and a navigator tells of changes that have nothing to do with the view.
 */
export function show(owner: object, name: string, key?: unknown): void {
  const isSame = shown?.owner === owner && shown.name === name && Object.is(shown.key, key);
  isLeaving = false;
  if (isSame) return;
  shown = { owner, name, key };
  quietly(() => startView(name));
}

/** An owner shows nothing any more. The view ends unless it, or another one, is shown in the same turn. */
export function hide(owner: object): void {
  if (shown?.owner !== owner) return;
  isLeaving = true;
  void Promise.resolve().then(() => {
    if (!isLeaving) return;
    isLeaving = false;
    shown = undefined;
    quietly(stopView);
  });
}

/** Tells a new client of the view that is shown. */
export function showAgain(): void {
  if (shown && !isLeaving) startView(shown.name);
}
