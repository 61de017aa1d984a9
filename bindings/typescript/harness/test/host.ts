// The real core, and a backend that keeps what it gets.

import { close, declareStores, open, reportStores, type Field, type Sink } from "@throughline/core";

/** What the process around the tests brings: Node's addon, or the harness of Hermes. */
interface Host {
  /** The bytes of a call at a time, or `undefined` when it is no call. */
  draft(time: number, ...fields: Field[]): Uint8Array | undefined;
  /** The functions that record, for the client with a handle. */
  door(handle: number): Pick<Sink, "record" | "recordAt">;
  harness(request: string): string;
  /** A file of the repository. */
  readFile(path: string): string;
  /** Writes to the standard output at once. In Hermes alone. */
  write(text: string): number;
  /** Ends the process, as native code that is wrong: by a null pointer, a trap and so on. In Hermes alone. */
  die(kind: string): never;
  /** As {@link Host.die}, on another thread while JavaScript goes on. In Hermes alone. */
  dieElsewhere(kind: string): void;
  /** Ends the process at once. In Hermes alone. */
  exit(code: number): never;
  /** The mask of the signals that have a handler, in hexadecimal digits. In Hermes alone. */
  caughtSignals(): string;
  /** How often this bundle has run in the process before. In Hermes alone. */
  readonly reload: number;
}

export const host = (globalThis as unknown as { throughlineHost: Host }).throughlineHost;

/** An event or a span that has arrived. */
export interface Arrived {
  readonly name: string;
  readonly attributes: Record<string, unknown>;
  readonly trace: string;
  readonly span: string;
  readonly parent: string;
  readonly status?: number | null;
}

export interface StoreCounts {
  readonly mutations: number;
  readonly recorded: number;
  readonly suppressed: number;
  readonly dropped: number;
  readonly ambiguous: number;
}

export interface Health {
  readonly accepted: number;
  readonly dropped: number;
  readonly malformed: number;
  readonly unknown: number;
  readonly panics: number;
  readonly problems: readonly string[];
  readonly stores: Record<string, StoreCounts>;
}

/** Asks the harness around the tests. */
export function ask<T>(request: object): T {
  const answer = JSON.parse(host.harness(JSON.stringify(request))) as { ok: T; error?: string };
  if (answer.error !== undefined) throw new Error(answer.error);
  return answer.ok;
}

/** A client that was started natively, to which this JavaScript is attached. */
export class App implements Sink {
  readonly record: Sink["record"];
  readonly recordAt: Sink["recordAt"];

  /** Without an endpoint, the backend is one whose content {@link App.received} returns. */
  constructor(traceHosts: string[] = ["127.0.0.1", "api.test"], endpoint?: string) {
    const { record, recordAt } = host.door(ask<number>({ ask: "start", traceHosts, endpoint }));
    this.record = record;
    this.recordAt = recordAt;
    open(this, declareStores);
  }

  traceHeaders(url: string, slot: number, existing: Record<string, string>): Record<string, string> {
    return ask({ ask: "traceHeaders", url, slot, existing });
  }

  traceId(slot: number): string | undefined {
    return ask<string | null>({ ask: "traceId", slot }) ?? undefined;
  }

  /** Sends everything, and returns what has arrived until now. */
  received(): { logs: Arrived[]; spans: Arrived[] } {
    reportStores();
    return ask({ ask: "received" });
  }

  /** Sends everything to the endpoint. */
  flush(): void {
    reportStores();
    const { isComplete } = ask<{ isComplete: boolean }>({ ask: "flush", timeoutMs: 20_000 });
    if (!isComplete) throw new Error("not everything was sent");
  }

  health(): Health {
    reportStores();
    return ask({ ask: "health" });
  }

  end(): void {
    close();
    ask({ ask: "shutdown" });
  }
}
