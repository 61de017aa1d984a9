// Records until it is killed. What it has written to its output was recorded.

import { event, health, start } from "@throughline/react-native";
import { ask, host } from "../test/host.js";

const dataDir = ask<string>({ ask: "environment", name: "THROUGHLINE_DATA_DIR" });
start("granted", { serviceName: "killed", endpoint: "http://127.0.0.1:9", startJitter: false, dataDir });

function begin(): void {
  // In the first milliseconds the journal is not on the disk yet.
  if (health()?.journal !== "mapped") return void setTimeout(begin, 1);
  for (let n = 0; ; n++) {
    event("acknowledged", { n, half: n / 2, text: `number ${n}` });
    host.write(`${n}\n`);
  }
}

begin();
