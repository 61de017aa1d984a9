/**
 * Asks the client with a handle. The question is a name, its values are an array in JSON, and
 * the answer is JSON. There is one function of texts for all questions because code that converts
 * other types is a large part of the bundle of every app.
 *
 * | question | values | answer |
 * |---|---|---|
 * | `isRunning` | | whether the client was not shut down yet |
 * | `traceHeaders` | URL, slot, the app's own headers as an object | the headers for a request to the URL, as an object: those of the request that was started under the slot, else those of the context under it, else those of the current context |
 * | `traceId` | slot | the id of the trace of the context under the slot, 32 hexadecimal digits |
 * | `sessionId`, `installationId` | | the id, 32 hexadecimal digits with hyphens |
 * | `setConsent` | `granted`, `pending` or `denied` | whether it was kept |
 * | `setEnabled` | whether to record | whether it was kept |
 * | `setSessionSampleRate`, `setTraceSampleRate` | 0.0 to 1.0 | whether it was taken |
 * | `health` | | the client's own condition |
 *
 * The answer is `null` where there is none: while the client is off or has none, for another
 * question, and when no client has the handle.
 */
export declare function ask(client: number, question: string, values: string): string;
/**
 * Records a tap without the door: the generated code converts every argument. The benchmark
 * measures against this what the door saves, and no app's bundle has it. False when no client has
 * the handle.
 */
export declare function recordTap(client: number, name: string, attributes: Map<string, string>): boolean;
/**
 * The handle of the client that runs in this process, whoever has started it. 0 while none runs.
 */
export declare function running(): number;
/**
 * This should be called before anything else.
 *
 * It is likely that this is being done for you by the library's `index.ts`.
 *
 * It checks versions of uniffi between when the Rust scaffolding was generated
 * and when the bindings were generated.
 *
 * It also initializes the machinery to enable Rust to talk back to Javascript.
 */
declare function uniffiEnsureInitialized(): void;
declare const _default: Readonly<{
    initialize: typeof uniffiEnsureInitialized;
}>;
export default _default;
