// First, so that what the app does while it loads is seen.
import "./telemetry";

import { AppRegistry } from "react-native";
import { App } from "./App";

AppRegistry.registerComponent("ThroughlineApp", () => App);
