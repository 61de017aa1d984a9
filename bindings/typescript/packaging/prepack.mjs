// npm runs it in the folder of a package before it packs that. It copies what the package needs from
// elsewhere: the licences, and for React Native the headers that the generated C++ includes. An app
// then needs the generator neither to build nor to run.

import { copyFileSync, cpSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

for (const licence of ["LICENSE-APACHE", "LICENSE-MIT"]) {
  copyFileSync(new URL(`../../../${licence}`, import.meta.url), licence);
}
if (process.env.npm_package_name === "@throughline/react-native") {
  const generator = dirname(createRequire(import.meta.url).resolve("uniffi-bindgen-react-native/package.json"));
  const headers = fileURLToPath(new URL("../react-native/cpp/uniffi/", import.meta.url));
  rmSync(headers, { recursive: true, force: true });
  // Each of them names its licence, the MPL. The tests of the generator need the one that is left out.
  cpSync(join(generator, "cpp/includes"), headers, {
    recursive: true,
    filter: (file) => !file.endsWith("registerNatives.h"),
  });
}
