// Bundles what the guide for React Native records, for Hermes: `node guide.mjs APP OUT`. The packages
// are those that npm has installed in the app. The app sends on its own; this program ends at once, so
// it does what `flush` is for.
import { join } from "node:path";
import { build } from "esbuild";
import { options } from "./options.mjs";

const [app, outfile] = process.argv.slice(2);
const shared = options("lowered", "development");
const contents = `
import "./telemetry";
import "./hello";
import { flush, shutdown, startAction } from "@throughline/react-native";

async function end() {
  // An action collects until nothing happens any more. The next one ends it at once.
  startAction("end");
  const { delivered, isComplete } = await flush(5000);
  console.log(delivered + " delivered");
  await shutdown();
  if (!isComplete) throw new Error("not everything was delivered");
}

end().catch((failed) => {
  console.error(String(failed));
  Object.assign(globalThis, { exitCode: 1 });
});
`;

await build({
  ...shared,
  // Nothing comes from the checkout but what stands for the platform.
  nodePaths: [join(app, "node_modules"), ...shared.nodePaths],
  stdin: { contents, resolveDir: app, loader: "ts" },
  outfile,
  metafile: true,
}).then(({ metafile }) => {
  const ours = Object.keys(metafile.inputs).filter((path) => path.includes("bindings/typescript/react-native/"));
  if (ours.length > 0) throw new Error(`these come from the checkout: ${ours}`);
});
