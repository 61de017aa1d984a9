// What is recorded without further calls.

import { addProblem } from "@throughline/core";
import { traceFetch } from "@throughline/core/fetch";
import { traceXhr } from "@throughline/core/xhr";

/** What is recorded without further calls. Everything that is true by default can be switched off. */
export interface Instrumentation {
  /** Requests of the global `fetch`. Default: true. */
  readonly fetch?: boolean;
  /** Requests of `XMLHttpRequest`, on which React Native's own `fetch` stands: each is recorded once. Default: true. */
  readonly xhr?: boolean;
}

/** Begins to record, and returns what ends it. */
export function instrument(instrumentation: Instrumentation | null | undefined): () => void {
  const { fetch = true, xhr = true } = instrumentation ?? {};
  const ends: (() => void)[] = [];
  if (fetch) attempt("fetch", () => ends.push(traceFetch()));
  if (xhr) attempt("XMLHttpRequest", () => ends.push(traceXhr()));
  return () => {
    for (const end of ends.splice(0).reverse()) attempt("what was instrumented", end);
  };
}

/** A global that is missing, or that somebody has frozen, is no reason for the app not to start. */
function attempt(what: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    addProblem(`${what} cannot be instrumented here: ${error instanceof Error ? error.message : typeof error}`);
  }
}
