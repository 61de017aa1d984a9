// What `@throughline/react-native` takes from React Native, for Hermes. The module `Throughline` is
// what Swift or Kotlin is in an app: it starts the client natively.
import { later } from "./platform.mjs";

const host = globalThis.throughlineHost;

const ask = (request) => JSON.parse(host.harness(JSON.stringify(request)));

const throughline = {
  install: () => host.install(),
  start(json) {
    if (ask({ ask: "isRunning" }).ok) return JSON.stringify({ attached: true });
    const { ok, error } = ask({ ask: "startApp", configuration: JSON.parse(json) });
    return JSON.stringify(error === undefined ? ok : { error: "storage", reason: error });
  },
  flush: (timeoutMs) => later({ ask: "flush", timeoutMs }).then(JSON.stringify),
  shutdown: () => later({ ask: "shutdown" }).then((complete) => JSON.stringify({ complete })),
};

export const TurboModuleRegistry = { get: (name) => (name === "Throughline" ? throughline : null) };
