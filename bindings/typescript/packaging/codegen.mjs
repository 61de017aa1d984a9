// Runs React Native's Codegen over the specification of the native module, as an app's build does.
//
// usage: node codegen.mjs FOLDER
//
// Writes Java, C++ and Objective-C++ into the folder, and fails if the specification cannot be read.

import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const { combineSchemasInFileList } = require("@react-native/codegen/lib/cli/combine/combine-js-to-schema.js");
const { generate } = require("@react-native/codegen/lib/generators/RNCodegen.js");

const [outputDirectory] = process.argv.slice(2);
const folder = new URL("../react-native/", import.meta.url);
const { codegenConfig } = JSON.parse(readFileSync(new URL("package.json", folder), "utf8"));
const spec = fileURLToPath(new URL(`${codegenConfig.jsSrcsDir}/NativeThroughline.ts`, folder));
const schema = combineSchemasInFileList([spec], null, null, codegenConfig.name);
mkdirSync(outputDirectory, { recursive: true });
const isWritten = generate(
  {
    libraryName: codegenConfig.name,
    schema,
    outputDirectory,
    packageName: codegenConfig.android.javaPackageName,
    assumeNonnull: true,
    useLocalIncludePaths: false,
  },
  { generators: ["modulesAndroid", "modulesCxx", "modulesIOS"] },
);
if (!isWritten) process.exit(1);
