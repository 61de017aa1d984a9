// What `generated/bundle.mjs` makes of the generated code: see `uniffi/attach`.

/** The handle of the client that runs in this process. 0 while none runs. */
export function running(): number;

/** Asks the client with a handle. The values are an array in JSON, and the answer is JSON. */
export function ask(client: number, question: string, values: string): string;

declare const generated: {
  /** Throws when the library is of another version than the generated code. */
  initialize(): void;
};
export default generated;
