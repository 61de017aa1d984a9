import { CALL_MUTATION, CALL_SUPPRESSED } from "../src/calls.js";
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
    return found.map((fields) => `${kinds[fields[4] as number]} ${fields[5]}${fields.includes("incomplete") ? " incomplete" : ""}`);
  }

  /** How many mutations were suppressed, as far as the core was told. */
  suppressed(): number {
    reportStores();
    const told = this.calls.filter(([call]) => call === CALL_MUTATION || call === CALL_SUPPRESSED);
    this.calls.length = 0;
    return told.reduce((sum, fields) => sum + (fields[2] as number), 0);
  }

  end(): void {
    close();
  }
}

let stores = 0;
/** A name that no other test has. */
export const freshName = (): string => `Store${++stores}`;

export const fieldsOf = (app: App, call: number): Field[][] => app.calls.filter(([code]) => code === call);
