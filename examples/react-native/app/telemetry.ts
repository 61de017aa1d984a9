// The wiring of a React Native app, to be read. It was compiled and bundled, and never run on a device.

import { start } from "@throughline/react-native";

try {
  // What the user has decided comes first. With "pending", everything stays on the device.
  start("granted", {
    serviceName: "profile-app",
    environment: __DEV__ ? "development" : "production",
    // The inspector, as Android's emulator reaches it.
    endpoint: "http://10.0.2.2:4318",
    // Only these hosts get trace headers.
    traceHosts: ["api.example.com"],
  });
} catch (error) {
  // Telemetry is no reason for an app not to start.
  console.warn(error);
}
