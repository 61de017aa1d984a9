import { CALL_END_REQUEST, CALL_MUTATION, CALL_START_REQUEST, CALL_SUPPRESSED } from "../src/calls.js";
import { close, declareStores, open, reportStores, type Field } from "../src/index.js";
import { RecordingSink } from "../src/testing.js";

/** A sink that is open, of which the mutations can be read. */
export class App extends RecordingSink {
  constructor(isIgnored?: (path: string) => boolean) {
    super(isIgnored);
    open(this, declareStores);
  }

  /** The paths of the mutations since the last call, and what happened to them. */
  mutations(): string[] {
    const kinds = ["", "set", "insert", "delete", "replace", "batch"];
    const found = this.calls.filter(([call]) => call === CALL_MUTATION);
    this.calls.length = 0;
    return found.map(
      (fields) => `${kinds[fields[4] as number]} ${fields[5]}${fields.includes("incomplete") ? " incomplete" : ""}`,
    );
  }

  /** How many mutations were suppressed, as far as the core was told. */
  suppressed(): number {
    reportStores();
    const told = this.calls.filter(([call]) => call === CALL_MUTATION || call === CALL_SUPPRESSED);
    this.calls.length = 0;
    return told.reduce((sum, fields) => sum + (fields[2] as number), 0);
  }

  /** Traces every host, as long as the app has no trace of its own. */
  override traceHeaders(_url: string, slot: number, existing: Record<string, string>): Record<string, string> {
    return "traceparent" in existing
      ? {}
      : { traceparent: `00-${"a".repeat(32)}-${slot.toString(16).padStart(16, "0")}-01` };
  }

  /** The requests that have ended: method, path, status and why there was no answer. */
  requests(): string[] {
    const begun = new Map(
      this.calls.filter(([call]) => call === CALL_START_REQUEST).map((fields) => [fields[3], fields]),
    );
    const ended = this.calls.filter(([call]) => call === CALL_END_REQUEST);
    this.calls.length = 0;
    return ended.map((fields) => {
      const start = begun.get(fields[3]);
      return `${start?.[4]} ${String(start?.[5]).replace(/^http:..[^/]*/, "")} ${fields[4]}${fields[7] === "" ? "" : ` ${fields[7]}`}`;
    });
  }

  end(): void {
    close();
  }
}

let stores = 0;
/** A name that no other test has. */
export const freshName = (): string => `Store${++stores}`;

export const fieldsOf = (app: App, call: number): Field[][] => app.calls.filter(([code]) => code === call);
