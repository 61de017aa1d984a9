// The profile screen without its pixels, in Hermes, against the inspector and the sample backend:
// `cargo xtask example react-native`. The app beside it has the same code with components.

import { flush, sessionId, shutdown, start, startAction, startView, stopView } from "@throughline/react-native";
import { profile, rename } from "./profile";

// The URLs that `throughline inspect --sample-backend` prints. The build puts them in.
declare const COLLECTOR: string;
declare const BACKEND: string;

async function main(): Promise<void> {
  start("granted", {
    serviceName: "profile-react-native",
    environment: "development",
    startJitter: false,
    endpoint: COLLECTOR,
    traceHosts: ["127.0.0.1"],
  });
  startView("Profile");
  // In an app, `TouchBoundary` sees the taps.
  startAction("save");
  await rename(BACKEND, "Ada");
  startAction("save");
  await rename(BACKEND, "taken");
  // The user leaves the view, which ends the action that still collects.
  stopView();
  console.log(`The name is ${profile.displayName}. ${profile.error}`);
  const { delivered, isComplete } = await flush(5_000);
  console.log(`Delivered: ${delivered} events. Session: ${COLLECTOR}/session/${sessionId()}`);
  await shutdown();
  if (!isComplete) throw new Error("not everything was delivered");
}

main().catch((failed: unknown) => {
  console.error(String(failed));
  Object.assign(globalThis, { exitCode: 1 });
});
