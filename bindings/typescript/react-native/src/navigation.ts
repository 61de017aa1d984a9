// Views from components, and from React Navigation.

import { useEffect, useState } from "react";
import { quietly } from "./found.js";
import { hide, show } from "./views.js";

/** So many navigators within one another are looked into. */
const DEPTH = 20;

interface RouteLike {
  readonly name?: unknown;
  readonly key?: unknown;
  readonly state?: StateLike | undefined;
}

interface StateLike {
  readonly index?: number | undefined;
  readonly routes?: readonly RouteLike[];
}

/** The reference of a container of React Navigation, as `createNavigationContainerRef()` makes it. */
export interface NavigationRefLike {
  /** Whether the container is mounted. */
  isReady(): boolean;
  /** The state of the outermost navigator. */
  getRootState(): unknown;
  /** Calls a listener at each change. Returns how to end that. */
  addListener(type: "state" | "ready", listener: () => void): () => void;
}

/**
 * Records a view while the component is shown. What it covers, such as the screen under a sheet, is the view again when
 * it is gone. A screen that stays mounted while another one is shown says whether it has the focus:
 * `useTracedView("Cart", useIsFocused())`. It is one view under StrictMode, too, which runs effects twice. Do not use it
 * for screens that {@link traceNavigation} records.
 */
export function useTracedView(name: string, isFocused = true): void {
  const [owner] = useState<object>(() => ({}));
  useEffect(() => {
    if (!isFocused) return;
    show(owner, name);
    return () => hide(owner);
  }, [owner, name, isFocused]);
}

/**
 * Records the routes of React Navigation as views: the names of the focused routes from the outermost navigator to the
 * innermost, for example `Home/Details`, and never their params. A route that only gets other params is no new view; a
 * route that is pushed once more is one. The container need not be ready yet. Returns what ends this.
 */
export function traceNavigation(ref: NavigationRefLike): () => void {
  let isOn = true;
  const look = (): void =>
    quietly(() => {
      // A container that StrictMode has shown twice keeps a listener that was taken back.
      if (!isOn || !ref.isReady()) return;
      const { path, key } = focused(ref.getRootState() as StateLike | undefined);
      if (path !== "") show(ref, path, key);
    });
  const ends: (() => void)[] = [];
  quietly(() => ends.push(ref.addListener("state", look)));
  // Versions before 7 know no such event; their first state comes with the first change.
  quietly(() => ends.push(ref.addListener("ready", look)));
  look();
  return () => {
    isOn = false;
    for (const end of ends.splice(0)) quietly(end);
    hide(ref);
  };
}

function focused(root: StateLike | undefined): { path: string; key: unknown } {
  const names: string[] = [];
  let key: unknown;
  let state = root;
  for (let depth = 0; state && depth < DEPTH; depth++) {
    const { routes = [] } = state;
    // A state that was given by a link may lack the index: its last route is the focused one.
    const route: RouteLike | undefined = routes[state.index ?? routes.length - 1];
    if (!route) break;
    names.push(String(route.name));
    // A navigator gives its routes keys as it is shown; until then, a route has none.
    if (route.key !== undefined) key = route.key;
    state = route.state;
  }
  return { path: names.join("/"), key };
}
