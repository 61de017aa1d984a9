// `console.error` as errors, for apps that want it.

import { found, inPlace, isKnown, isObject, quietly } from "./found.js";

/** So many arguments of a call are looked at, and so many UTF-16 units of each. */
const ARGUMENTS = 10;
const UNITS = 1_000;

let isInside = false;

/**
 * Records what the app gives to `console.error` as an error of the source `logger`. An Error among the first arguments
 * is recorded with its stack; everything else becomes a text, in which objects are named by their kind and never
 * written out. What another part of this package has recorded is not recorded again. The app's console is called in
 * any case. Returns what takes this back; when somebody else has replaced `console.error` since, it stays and only
 * passes on.
 */
export function traceConsoleErrors(): () => void {
  return inPlace(
    console,
    "error",
    (before, isOn) =>
      function (this: unknown, ...args: unknown[]): void {
        if (isOn() && !isInside) {
          isInside = true;
          quietly(() => written(args));
          isInside = false;
        }
        before.apply(this, args);
      },
  );
}

function written(args: unknown[]): void {
  // React Native reports an exception to the console, and then to those who listen to exceptions.
  const isReported = (globalThis as { RN$inExceptionHandler?: () => boolean }).RN$inExceptionHandler;
  if (isReported?.()) return;
  const some = args.slice(0, ARGUMENTS);
  const at = some.findIndex(isKnown) + 1 || some.findIndex((arg) => arg instanceof Error) + 1;
  const what = at > 0 ? some[at - 1] : some.map(shown).join(" ");
  found(what, { "log.logger": "console" }, { source: "logger" });
}

/** A value as a short text. Objects of the app are not looked into: they may hold anything. */
function shown(value: unknown): string {
  if (typeof value === "symbol") return "Symbol()";
  if (typeof value === "function") return "[function]";
  if (!isObject(value)) return String(value).slice(0, UNITS);
  return Array.isArray(value) ? `[Array of ${value.length}]` : Object.prototype.toString.call(value).slice(0, UNITS);
}
