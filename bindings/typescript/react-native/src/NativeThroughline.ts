// The specification of the native module, from which React Native's Codegen writes the classes that
// the module in Kotlin and in Objective-C++ implements.

import type { TurboModule } from "react-native";
import { TurboModuleRegistry } from "react-native";

export interface Spec extends TurboModule {
  /**
   * Puts the door and the generated code of the core into this JavaScript runtime.
   *
   * @returns false when the runtime has no JSI, for example under a remote debugger.
   */
  install(): boolean;
  /**
   * Starts the client with the facade of the platform, in Swift or in Kotlin. When one runs already, because the app
   * has started it natively, that one stays as it is.
   *
   * @param config a `Configuration`, as JSON.
   * @returns JSON: `{}`, `{"attached": true}` when a client ran already, or `{"error": KIND, "reason": TEXT}`. With
   * `"starting": true`, the client does not run yet: the start goes on behind the answer.
   */
  start(config: string): string;
  /** Sends everything. The promise is fulfilled with a `FlushOutcome` as JSON, or as `start` with an error. */
  flush(timeoutMs: number): Promise<string>;
  /** Ends the client. The promise is fulfilled with `{"complete": BOOL}`, or as `start` with an error. */
  shutdown(timeoutMs: number): Promise<string>;
  /**
   * When the process was started because the user opened the app, ms since the epoch. 0: it was started for something
   * else, such as a push or to be ready, or somebody has asked already, as a runtime before this one.
   */
  processStart(): number;
}

/** The module, if the app has it. It is made when it is first asked for, which may throw. */
const find = (): Spec | null | undefined => TurboModuleRegistry.get<Spec>("Throughline");
export default find;
