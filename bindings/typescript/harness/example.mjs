// Bundles the sample app for Hermes: `node example.mjs OUT COLLECTOR BACKEND`.
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { options } from "./options.mjs";

const [outfile, collector, backend] = process.argv.slice(2);
const define = { COLLECTOR: JSON.stringify(collector), BACKEND: JSON.stringify(backend) };
const main = fileURLToPath(new URL("../../../examples/react-native/profile/main.ts", import.meta.url));

await build({ ...options("lowered", "production", define), entryPoints: [main], outfile });
