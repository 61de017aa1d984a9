// JavaScript errors that nobody has caught.

import { found, inPlace, options, quietly, tell } from "./found.js";

type Handler = (error: unknown, isFatal?: boolean) => unknown;

/** What has a handler. */
interface Place {
  handleException: Handler | undefined;
}

/** React Native's global `ErrorUtils`, as far as it is used. */
interface ErrorUtils {
  getGlobalHandler(): Handler | undefined;
  setGlobalHandler(handler: Handler | undefined): void;
}

/** What React Native gives a listener of `RN$registerExceptionListener`. */
interface ExceptionData {
  readonly message?: unknown;
  readonly name?: unknown;
  readonly componentStack?: string | null;
  readonly isFatal?: unknown;
  readonly stack?: readonly {
    readonly file?: unknown;
    readonly methodName?: unknown;
    readonly lineNumber?: unknown;
    readonly column?: unknown;
  }[];
  readonly extraData?: { readonly rawStack?: unknown };
}

interface Globals {
  ErrorUtils?: ErrorUtils;
  RN$useAlwaysAvailableJSErrorHandling?: boolean;
  RN$registerExceptionListener?: (listener: (data: ExceptionData) => void) => void;
}

/** See {@link traceErrors}. */
export interface ErrorOptions {
  /**
   * The default export of `react-native/Libraries/Core/ExceptionsManager`. React hands it the errors of components that
   * no boundary has caught, which `ErrorUtils` does not see. Without it, they are seen only if `traceConsoleErrors` is
   * on, or where React Native has exception listeners.
   */
  readonly exceptionsManager?: {
    /** Reports an error that nobody has caught. */
    handleException: (error: unknown, isFatal: boolean) => unknown;
  };
}

const globals = globalThis as Globals;

/** Whether errors are recorded that a listener is told of. Listeners cannot be taken back. */
let isListening = 0;
let listensTo: unknown;

/**
 * Records errors that nobody has caught. A fatal one is marked by the attribute `error.fatal` before any other handler
 * runs. The handlers that were there before are called as before. Returns what takes the handler back. When another
 * one was installed on top of it in the meantime, it stays and only passes errors on.
 */
export function traceErrors(given?: ErrorOptions): () => void {
  const { exceptionsManager } = options(given);
  const undo: (() => void)[] = [];
  quietly(() => {
    if (globals.RN$useAlwaysAvailableJSErrorHandling === true) return void undo.push(listen());
    const utils = globals.ErrorUtils;
    if (!utils) return;
    const place = {
      get handleException() {
        return utils.getGlobalHandler();
      },
      set handleException(to) {
        utils.setGlobalHandler(to);
      },
    };
    undo.push(intercept(place));
  });
  if (exceptionsManager) quietly(() => undo.push(intercept(exceptionsManager as Place)));
  return () => {
    for (const step of undo.splice(0)) quietly(step);
  };
}

/** Records what a handler gets, before it does. */
const intercept = (place: Place): (() => void) =>
  inPlace(
    place,
    "handleException",
    (before, isOn) =>
      function (this: unknown, error, isFatal) {
        const goOn = (): unknown => {
          if (before) return before.call(this, error, isFatal);
          // Where React Native has no handler of its own, the error goes on to the engine.
          throw error;
        };
        if (!isOn()) return goOn();
        quietly(() => found(error, {}, { isFatal: isFatal === true }));
        return tell(goOn);
      },
  );

function listen(): () => void {
  const register = globals.RN$registerExceptionListener;
  if (!register) return () => {};
  if (listensTo !== register) {
    register((data) => {
      if (isListening > 0) quietly(() => foundData(data));
    });
    listensTo = register;
  }
  isListening++;
  return () => void isListening--;
}

function foundData(data: ExceptionData): void {
  const name = typeof data.name === "string" && data.name !== "" ? data.name : "Error";
  const message = String(data.message ?? "");
  const error = new Error(message.startsWith(`${name}: `) ? message.slice(name.length + 2) : message);
  error.name = name;
  const raw = data.extraData?.rawStack;
  error.stack =
    typeof raw === "string"
      ? raw
      : `${name}: ${message}` +
        (data.stack ?? [])
          .slice(0, 100)
          .map(({ file, methodName, lineNumber, column }) => `\n    at ${methodName} (${file}:${lineNumber}:${column})`)
          .join("");
  found(error, { "error.component_stack": data.componentStack }, { isFatal: data.isFatal === true });
}
