// The package as it is in Node, where there is neither React Native nor its generated code. A test
// puts its own native side in their place.

import { register } from "node:module";

const source = (text: string): string => `data:text/javascript,${encodeURIComponent(text)}`;

/** What the package imports that cannot be loaded in Node, and what is loaded instead. */
const INSTEAD = {
  "react-native": source(
    'export const TurboModuleRegistry = { get: () => null }; export const AppState = { currentState: "active", addEventListener: () => ({ remove() {} }) };',
  ),
  "./attach.js": source(
    'export const running = () => 0; export const ask = () => "null"; export default { initialize() {} };',
  ),
};

register(
  source(
    `const instead = ${JSON.stringify(INSTEAD)};
     export const resolve = (name, context, next) =>
       Object.hasOwn(instead, name) ? { url: instead[name], shortCircuit: true } : next(name, context);`,
  ),
);
