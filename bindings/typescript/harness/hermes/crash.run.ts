// Dies of native code, in an open view and an operation that runs. THROUGHLINE_DEATH says how, and
// what JavaScript does meanwhile; `signals` ends it with a line that says which signals are handled. Without THROUGHLINE_DATA_DIR it dies alone, for comparison.

import { health, operation, start, startView, TraceContext } from "@throughline/react-native";
import { ask, host } from "../test/host.js";

const variable = (name: string): string | null => ask<string | null>({ ask: "environment", name });
const dataDir = variable("THROUGHLINE_DATA_DIR");
const [kind = "", place = ""] = (variable("THROUGHLINE_DEATH") ?? "").split(" ");

/** Is on the stack of JavaScript when the process dies. */
function pay(): unknown {
  switch (place) {
    case "timer":
      return new Promise(() => setTimeout(() => host.die(kind), 1));
    case "promise":
      return Promise.resolve().then(() => host.die(kind));
    case "thread":
      host.dieElsewhere(kind);
      for (let n = 0; ; n++) JSON.stringify({ n, text: `number ${n}` });
    default:
      return host.die(kind);
  }
}

function begin(): void {
  // The last thing to open is the database. From then on, crashes are written down.
  if (dataDir && health()?.storage !== "open") return void setTimeout(begin, 1);
  if (kind === "signals") return void host.write(`${host.caughtSignals()}\n`);
  startView("Checkout");
  void operation("Pay", () => {
    if (dataDir) host.write(`${ask({ ask: "sessionId" })} ${TraceContext.current.traceId}\n`);
    return pay();
  });
}

if (dataDir) {
  const captureCrashes = variable("THROUGHLINE_CAPTURE") !== "off";
  start("granted", {
    serviceName: "dies",
    endpoint: "http://127.0.0.1:9",
    startJitter: false,
    dataDir,
    captureCrashes,
  });
}
begin();
