// Copies the headers that the generated C++ includes into the package, before it is packed. An app
// then needs the generator neither to build nor to run.

import { cpSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const generator = dirname(createRequire(import.meta.url).resolve("uniffi-bindgen-react-native/package.json"));
const headers = fileURLToPath(new URL("../react-native/cpp/uniffi/", import.meta.url));
rmSync(headers, { recursive: true, force: true });
// Its licence, the MPL, is named in each of them.
cpSync(join(generator, "cpp/includes"), headers, {
  recursive: true,
  filter: (file) => !file.endsWith("registerNatives.h"),
});
