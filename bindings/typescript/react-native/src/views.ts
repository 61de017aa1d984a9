// Which view is shown, whoever has found out: a hook or a navigator.

import { startView, stopView } from "@throughline/core";
import { quietly } from "./found.js";

interface Shown {
  readonly owner: object;
  readonly name: string;
  readonly key: unknown;
  isLeaving?: boolean;
}

/** What is shown, the latest last: a sheet lies over the view that it has covered. */
let shown: Shown[] = [];
/** What the core knows of. */
let current: Shown | undefined;

const of = (owner: object): Shown | undefined => shown.find((known) => known.owner === owner);

/**
 * An owner shows a view. That it shows the same one again, with the same key, is nothing new: React's StrictMode runs
 * effects twice, and a navigator tells of changes that have nothing to do with the view.
 */
export function show(owner: object, name: string, key?: unknown): void {
  const known = of(owner);
  if (known && known.name === name && Object.is(known.key, key)) {
    known.isLeaving = false;
    return;
  }
  become([...shown.filter((other) => other !== known), { owner, name, key }]);
}

/** An owner shows nothing any more, unless it does again in the same turn. What it has covered is the view then. */
export function hide(owner: object): void {
  const known = of(owner);
  if (!known) return;
  known.isLeaving = true;
  void Promise.resolve().then(() => become(shown.filter(({ isLeaving }) => !isLeaving)));
}

/** Tells a new client of the view that is shown. */
export function showAgain(): void {
  if (current) startView(current.name);
}

function become(next: Shown[]): void {
  shown = next;
  const last = next[next.length - 1];
  if (last === current) return;
  current = last;
  quietly(() => (last ? startView(last.name) : stopView()));
}
