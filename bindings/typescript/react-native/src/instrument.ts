// What is recorded without further calls.

import { addProblem } from "@throughline/core";
import { traceFetch } from "@throughline/core/fetch";
import { traceXhr } from "@throughline/core/xhr";
import { AppState } from "react-native";
import { traceAppStart } from "./appStart.js";
import { traceConsoleErrors } from "./console.js";
import { traceErrors, type ErrorOptions } from "./errors.js";
import { options, said } from "./found.js";
import { tellsOfLongTasks, traceLongTasks } from "./longTasks.js";
import { traceRejections, type RejectionOptions, type TrackerOptions } from "./rejections.js";

/** What is recorded without further calls. Everything that is on by default can be switched off. */
export interface Instrumentation {
  /**
   * How long the app took from the start of its process, if the user has opened it: until JavaScript started or
   * attached to the client (`app.start.javascript`), to the first render (`app.start.first_render`, by `TouchBoundary`
   * or `markFirstRender`), and to the first `markInteractive` (`app.start.interactive`). Default: true.
   */
  readonly appStart?: boolean;
  /** Requests of the global `fetch`. Default: true. */
  readonly fetch?: boolean;
  /** Requests of `XMLHttpRequest`, on which React Native's own `fetch` stands: each is recorded once. Default: true. */
  readonly xhr?: boolean;
  /** Errors that nobody has caught: see `traceErrors`. Default: true. */
  readonly errors?: boolean | ErrorOptions;
  /** Promises that were rejected and not handled, also in release builds: see `traceRejections`. Default: true. */
  readonly rejections?: boolean | RejectionOptions;
  /** Calls of `console.error`. Default: false. */
  readonly consoleErrors?: boolean;
  /**
   * Tasks that keep the JavaScript thread busy: see `traceLongTasks`. Default: where the engine tells of them. `true`:
   * elsewhere by a timer, too, which runs 20 times a second while the app is in the foreground.
   */
  readonly longTasks?: boolean;
  /**
   * More that begins with the client, and that `shutdown` ends: functions such as `traceWebSockets` of
   * `@throughline/core/websocket`, which return what ends them. Default: none.
   */
  readonly more?: readonly (() => () => void)[];
}

const globals = globalThis as { endThroughline?: () => void };

declare const __DEV__: boolean;
declare const require: (name: string) => unknown;

/** The tracker that React Native has in development, where it shows rejections to the developer. */
function developersTracker(): TrackerOptions | undefined {
  try {
    if (!__DEV__) return undefined;
    const found = require("react-native/Libraries/promiseRejectionTrackingOptions") as { default?: TrackerOptions };
    return found.default ?? (found as TrackerOptions);
  } catch {
    return undefined;
  }
}

/** Where React hands the errors of components that no boundary has caught. */
function exceptionsManager(): ErrorOptions {
  try {
    const found = require("react-native/Libraries/Core/ExceptionsManager") as { default?: object };
    return { exceptionsManager: found.default ?? found } as ErrorOptions;
  } catch {
    return {};
  }
}

/** Begins to record, and returns what ends it. `processStart` asks the native side: see `Spec.processStart`. */
export function instrument(
  instrumentation: Instrumentation | null | undefined,
  processStart: () => number,
): () => void {
  const {
    appStart = true,
    fetch = true,
    xhr = true,
    errors = true,
    rejections = true,
    consoleErrors,
    longTasks,
    more = [],
  } = options(instrumentation);
  const ends: (() => void)[] = [];
  // Another copy of this package, of a dependency or from before a refresh, would record everything once more.
  const { endThroughline } = globals;
  if (endThroughline) attempt("another copy", endThroughline);
  const add = (what: string, begin: () => () => void): void => attempt(what, () => ends.push(begin()));
  if (appStart) add("the start of the app", () => traceAppStart(processStart()));
  if (fetch) add("fetch", traceFetch as () => () => void);
  if (xhr) add("XMLHttpRequest", traceXhr);
  if (errors) add("errors", () => traceErrors({ ...exceptionsManager(), ...(errors !== true && errors) }));
  if (rejections) {
    add("rejections", () => {
      const others = developersTracker();
      return traceRejections({ ...(others && { others }), ...(rejections !== true && rejections) });
    });
  }
  if (consoleErrors) add("console.error", traceConsoleErrors);
  if (longTasks !== false) {
    add("long tasks", () =>
      (longTasks ?? tellsOfLongTasks()) ? traceLongTasks({ appState: AppState }) : () => undefined,
    );
  }
  for (const begin of Array.isArray(more) ? (more as typeof more) : []) add("more", begin);
  return (globals.endThroughline = () => {
    for (const end of ends.splice(0).reverse()) attempt("what was instrumented", end);
  });
}

/** A global that is missing, or that somebody has frozen, is no reason for the app not to start. */
function attempt(what: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    addProblem(`${what} cannot be instrumented here: ${said(error)}`);
  }
}
