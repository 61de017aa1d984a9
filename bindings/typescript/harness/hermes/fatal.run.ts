// Ends with an error of JavaScript that nobody catches, as React Native ends an app: its handler is
// told of the error, and then native code ends the process. THROUGHLINE_DEATH says how.

import { health, operation, start, startView } from "@throughline/react-native";
import { ask, host } from "../test/host.js";

const variable = (name: string): string | null => ask<string | null>({ ask: "environment", name });
const dataDir = variable("THROUGHLINE_DATA_DIR")!;
const death = variable("THROUGHLINE_DEATH");

type Handler = (error: unknown, isFatal?: boolean) => void;

/** React Native's own handler: it hands the error to native code, which ends the process. */
let handler: Handler = (_, isFatal) => {
  if (!isFatal) return;
  if (death === "abort" || death === "null") host.die(death);
  host.exit(10);
};
(globalThis as { ErrorUtils?: object }).ErrorUtils = {
  getGlobalHandler: () => handler,
  setGlobalHandler: (to: Handler) => void (handler = to),
};

start("granted", { serviceName: "fatal", endpoint: "http://127.0.0.1:9", startJitter: false, dataDir });

function pay(cart: { total?: { cents: number } }): number {
  return cart.total!.cents;
}

function begin(): void {
  if (health()?.storage !== "open") return void setTimeout(begin, 1);
  startView("Checkout");
  host.write(`${ask({ ask: "sessionId" })}\n`);
  if (death === "rejection") {
    void Promise.reject(new TypeError("nobody handles this"));
    // Longer than the tracker waits.
    return void setTimeout(() => host.exit(3), 400);
  }
  if (death === "beside") {
    void operation("Sync", () => new Promise(() => undefined));
    setTimeout(() => guarded(() => pay({})), 1);
    return;
  }
  guarded(() => operation("Pay", () => pay({})));
}

/** As React Native's guard around everything that it calls. */
function guarded(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    handler(error, true);
  }
}

begin();
