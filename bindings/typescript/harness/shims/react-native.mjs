// What `@throughline/react-native` takes from React Native, for Hermes. The module `Throughline` is
// what Swift or Kotlin is in an app: it starts the client natively.
import { later } from "./platform.mjs";

const host = globalThis.throughlineHost;

const ask = (request) => JSON.parse(host.harness(JSON.stringify(request)));

const throughline = {
  install: () => host.install(),
  start: (json) => JSON.stringify(ask({ ask: "startApp", configuration: JSON.parse(json) }).ok),
  flush: (timeoutMs) => later({ ask: "flush", timeoutMs }).then(JSON.stringify, closed),
  processStart: () => {
    const first = started;
    started = 0;
    return first;
  },
  shutdown: () => later({ ask: "shutdown" }).then((complete) => JSON.stringify({ complete }), closed),
};

/** The harness is started by its user. As on a device, one runtime of the process is told. */
let started = host.reload ? 0 : Date.now();

const closed = (error) => JSON.stringify({ error: "closed", reason: error.message });

export const TurboModuleRegistry = { get: (name) => (name === "Throughline" ? throughline : null) };

export const AppState = { currentState: "active", addEventListener: () => ({ remove() {} }) };

export const View = "View";
