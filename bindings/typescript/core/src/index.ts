// `@throughline/core`: what an app records, over one sink, on any platform.

export * from "./events.js";
export * from "./span.js";
export type { Capture, StorePolicy } from "./policy.js";
export { tracedStore, type Mutation, type MutationKind, type TracedStore } from "./store.js";
export type { Field, Sink } from "./sink.js";
export type { Attributes, AttributeValue } from "./values.js";
export { changes } from "./diff.js";

// For the packages of platforms.
export { close, declareStores, reportStores } from "./store.js";
export { counts, open, whenUnheard, type FacadeCounts } from "./recorder.js";
export { addProblem, problems } from "./problems.js";
