// Views from Expo Router.

import { useEffect, useState } from "react";
import { attempt } from "./found.js";
import { hide, show } from "./views.js";

/**
 * Records the routes of Expo Router as views, in the root layout: `useExpoRouterViews(useSegments(), usePathname())`. A
 * view is named after the file of the route, for example `/user/[id]`, so that the value of the parameter is never
 * recorded. The path name is only compared: another user is another view. Groups such as `(tabs)` are left out.
 */
export function useExpoRouterViews(segments: readonly string[], pathname?: string): void {
  const [owner] = useState<object>(() => ({}));
  const pattern = patternOf(segments);
  useEffect(() => show(owner, pattern, pathname), [owner, pattern, pathname]);
  useEffect(() => () => hide(owner), [owner]);
}

const patternOf = (segments: readonly string[]): string =>
  `/${attempt(() => segments.filter((segment) => !/^\(.*\)$/.test(segment)).join("/")) ?? ""}`;
