// The package as it is in Node, where there is neither React Native nor its generated code. A test
// puts its own native side in their place.

import { register } from "node:module";

const source = (text: string): string => `data:text/javascript,${encodeURIComponent(text)}`;

/** What the package imports that cannot be loaded in Node, and what is loaded instead. */
const INSTEAD = {
  "react-native": source(
    `export const TurboModuleRegistry = { get: () => {
       const module = globalThis.nativeThroughline;
       return typeof module === "function" ? module() : (module ?? null);
     } };
     export const AppState = { currentState: "active", addEventListener: () => ({ remove() {} }) };`,
  ),
  "./attach.js": source(
    'export const running = () => 0; export const ask = () => "null"; export default { initialize() {} };',
  ),
};

register(
  source(
    `const instead = ${JSON.stringify(INSTEAD)};
     export const resolve = async (name, context, next) => {
       if (Object.hasOwn(instead, name)) return { url: instead[name], shortCircuit: true };
       const found = await next(name, context);
       // What a copy of the package imports belongs to that copy.
       const copy = /[?]copy=.*/.exec(context.parentURL ?? "")?.[0];
       return copy && found.url.startsWith("file:") && !found.url.includes("?")
         ? { ...found, url: found.url + copy }
         : found;
     };`,
  ),
);

/** A further copy of the package, evaluated anew, in an app with a native module, or `null` for none. */
export async function copyOf(name: string, nativeModule: object | null) {
  Object.assign(globalThis, { nativeThroughline: nativeModule });
  try {
    const load = (module: string): Promise<unknown> => import(`../src/${module}.js?copy=${name}`);
    return {
      index: (await load("index")) as typeof import("../src/index.js"),
      jest: (await load("jest")) as typeof import("../src/jest.js"),
      findNative: ((await load("turbo")) as typeof import("../src/turbo.js")).findNative,
    };
  } finally {
    if (nativeModule === null) Object.assign(globalThis, { nativeThroughline: undefined });
  }
}
