// For the tests of apps: a native side that keeps what the app records, in a form that can be read.

import * as calls from "@throughline/core/calls";
import type { Field } from "@throughline/core";
import { RecordingSink } from "@throughline/core/testing";
import { useNative } from "./client.js";
import type { Configuration, Consent } from "./configuration.js";
import type { Client, CoreHealth, Native } from "./native.js";

/** What a call of the app's has recorded. */
export interface Recorded {
  /**
   * What it is: `action`, `error`, `event`, `featureFlag`, `globalAttribute`, `log`, `longTask`, `markInteractive`,
   * `measurement`, `mutation`, `operation`, `problem`, `queueFlush`, `request`, `requestEnd`, `session`, `span`,
   * `spanEnd` (of operations, too), `spanEvent`, `stopView`, `syncFailure`, `user`, `view`, `vital`, or `other`.
   */
  readonly kind: string;
  /**
   * What the app calls it: the name of an action, a view, an operation or an event, the path of a mutation, the URL of
   * a request, the message of an error, the text of a log. Empty where there is none.
   */
  readonly name: string;
  /** What else is known, by the names of the fields, for example `actionType`, `store`, `old`, `new`, `status`. */
  readonly details: Readonly<Record<string, unknown>>;
  /** The attributes that the app gave. */
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** What was recorded since {@link recordTelemetry}. */
export interface Telemetry {
  /** Everything that was recorded, the oldest first. The latest 10,000 are kept. */
  readonly records: readonly Recorded[];
  /** The records of one kind. */
  of(kind: string): readonly Recorded[];
  /** The names of the records of one kind, for short assertions. */
  names(kind: string): readonly string[];
  /** What the app has given to `start`, with the consent. Undefined while it has not. */
  readonly configuration: (Configuration & { readonly consent: Consent }) | undefined;
  /** Forgets what was recorded until now. */
  clear(): void;
}

/** How many calls are kept. */
const KEPT = 10_000;

/**
 * Records in memory what the app does from now on, in place of the native module. Call it before `start`, in Jest and
 * in Vitest alike: `start`, `attach`, `flush` and `shutdown` then work as in an app, and nothing leaves the process.
 * When it is called again, what the call before has recorded stays as it is, and a new client takes over.
 *
 * @param isIgnored whether mutations of a path are ignored, as a store's policy would say. Default: none are.
 */
export function recordTelemetry(isIgnored?: (path: string) => boolean): Telemetry {
  const double = new Double(isIgnored);
  useNative(double);
  return double;
}

let handles = 0;

class Double implements Native, Telemetry {
  configuration: Telemetry["configuration"];
  private readonly sink: RecordingSink;
  private readonly stores = new Map<Field, string>();
  private client: Client | undefined;

  constructor(isIgnored?: (path: string) => boolean) {
    this.sink = new RecordingSink(isIgnored);
  }

  get records(): readonly Recorded[] {
    return this.sink.calls.slice(-KEPT).flatMap((fields) => readable(fields, this.stores) ?? []);
  }

  of(kind: string): readonly Recorded[] {
    return this.records.filter((found) => found.kind === kind);
  }

  names(kind: string): readonly string[] {
    return this.of(kind).map(({ name }) => name);
  }

  clear(): void {
    this.sink.calls.length = 0;
  }

  start(config: string): string {
    if (this.client) return '{"attached":true}';
    this.configuration = JSON.parse(config) as NonNullable<Telemetry["configuration"]>;
    if (typeof this.configuration.serviceName !== "string" || this.configuration.serviceName === "") {
      return JSON.stringify({ error: "invalidConfig", reason: "`serviceName` is required" });
    }
    this.client = this.started(++handles);
    return "{}";
  }

  async flush(): Promise<string> {
    if (!this.client) return CLOSED;
    return JSON.stringify({ isComplete: true, delivered: this.records.length, waiting: 0 });
  }

  async shutdown(): Promise<string> {
    if (!this.client) return CLOSED;
    this.client = undefined;
    return '{"complete":true}';
  }

  processStart(): number {
    return 0;
  }

  running(): Client | undefined {
    return this.client;
  }

  door(): Pick<RecordingSink, "record" | "recordAt"> {
    return {
      record: (...fields) => this.kept(fields),
      recordAt: (_time, ...fields) => this.kept(fields),
    };
  }

  private kept(fields: Field[]): number {
    // A store is declared once, and mutations refer to it later.
    if (fields[0] === calls.CALL_DECLARE_STORE) this.stores.set(fields[3]!, String(fields[4]));
    // A test that runs for long does not grow without bound.
    if (this.sink.calls.length >= 2 * KEPT) this.sink.calls.splice(0, KEPT);
    return this.sink.record(...fields);
  }

  private started(handle: number): Client {
    return {
      handle,
      isRunning: () => this.client?.handle === handle,
      traceHeaders: () => ({}),
      traceId: () => undefined,
      sessionId: () => `session-${handle}`,
      installationId: () => "installation",
      setConsent: () => true,
      setEnabled: () => true,
      setSessionSampleRate: (rate) => rate >= 0 && rate <= 1,
      setTraceSampleRate: (rate) => rate >= 0 && rate <= 1,
      pauseDestination: () => true,
      resumeDestination: () => true,
      health: () => ({ ...HEALTH, accepted: this.records.length }),
      diagnose: () => ({ findings: [], delivered: this.records.length, waiting: 0, text: "This is a test." }),
    };
  }
}

const CLOSED = '{"error":"closed","reason":"the client does not run"}';

const HEALTH: CoreHealth = {
  isEnabled: true,
  journal: "heap",
  storage: "off",
  accepted: 0,
  queued: 0,
  dropped: {},
  destinations: [],
  lastError: undefined,
  stores: {},
  capturesCrashes: false,
  panics: 0,
  closedCalls: 0,
  malformedCalls: 0,
  unknownCalls: 0,
  problems: [],
};

/** The kinds of calls: the name of a record, which field is its `name`, and what the fields are called. */
const KINDS = new Map<number, readonly [kind: string, name: string, ...fields: string[]]>([
  [calls.CALL_ACTION, ["action", "name", "actionType", "name"]],
  [calls.CALL_START_ACTION, ["action", "name", "actionType", "name"]],
  [calls.CALL_ERROR, ["error", "message", "errorKind", "source", "type", "message", "stack"]],
  [calls.CALL_LONG_TASK, ["longTask", "", "durationNs", "frozen"]],
  [calls.CALL_VITAL, ["vital", "name", "name", "value", "unit"]],
  [calls.CALL_CUSTOM, ["event", "name", "name"]],
  [calls.CALL_LOG, ["log", "body", "severity", "body", "logger"]],
  [calls.CALL_MEASUREMENT, ["measurement", "name", "instrument", "name", "unit", "value"]],
  [calls.CALL_START_VIEW, ["view", "name", "name"]],
  [calls.CALL_PUSH_VIEW, ["view", "name", "name"]],
  [calls.CALL_STOP_VIEW, ["stopView", ""]],
  [calls.CALL_MARK_INTERACTIVE, ["markInteractive", ""]],
  [calls.CALL_RENEW_SESSION, ["session", ""]],
  [calls.CALL_START_OPERATION, ["operation", "name", "slot", "name"]],
  [calls.CALL_START_SPAN, ["span", "name", "slot", "name"]],
  [calls.CALL_SPAN_EVENT, ["spanEvent", "name", "slot", "name"]],
  [calls.CALL_END_SPAN, ["spanEnd", "", "slot", "outcome", "errorType", "message"]],
  [calls.CALL_START_REQUEST, ["request", "url", "slot", "method", "url"]],
  [calls.CALL_END_REQUEST, ["requestEnd", "", "slot", "status", "bytes", "protocol", "errorType", "phases"]],
  [calls.CALL_MUTATION, ["mutation", "path", "store", "mutationKind", "path", "old", "new"]],
  [calls.CALL_SYNC_FAILURE, ["syncFailure", "rpc", "rpc", "code", "retries", "offline"]],
  [calls.CALL_QUEUE_FLUSH, ["queueFlush", "", "depth", "ok"]],
  [calls.CALL_REPORT_PROBLEM, ["problem", "message", "message"]],
  [calls.CALL_USER, ["user", ""]],
  [calls.CALL_GLOBAL_ATTRIBUTE, ["globalAttribute", "key", "key", "value"]],
  [calls.CALL_FEATURE_FLAG, ["featureFlag", "name", "name", "value"]],
]);

/** What codes say, by the field that has them. */
const CODES: Readonly<Record<string, readonly string[]>> = {
  actionType: ["", "tap", "scroll", "swipe", "back", "custom"],
  errorKind: ["", "handled", "crash", "hang", "anr", "outOfMemory"],
  source: ["", "source", "network", "logger", "webView", "custom"],
  instrument: ["", "counter", "upDownCounter", "gauge", "histogram"],
  outcome: ["abandoned", "succeeded", "failed", "cancelled", "timedOut"],
  mutationKind: ["", "set", "insert", "delete", "replace", "batch"],
};

/** What only the core needs, and no test reads. */
const SILENT = new Set([calls.CALL_DECLARE_STORE, calls.CALL_UPDATE_POLICY, calls.CALL_SUPPRESSED, calls.CALL_DECIDE]);

function readable(fields: readonly Field[], stores: ReadonlyMap<Field, string>): Recorded | undefined {
  const call = fields[0] as number;
  if (SILENT.has(call)) return undefined;
  const [kind, named, ...names] = KINDS.get(call) ?? ["other", "", "call"];
  const values = KINDS.has(call) ? fields.slice(3) : [call];
  const details: Record<string, unknown> = {};
  names.forEach((field, at) => {
    const value = plain(values[at] ?? null);
    details[field] = field === "store" ? stores.get(values[at]!) : (CODES[field]?.[value as number] ?? value);
  });
  const attributes: Record<string, unknown> = {};
  for (let at = names.length; at + 1 < values.length; at += 2) attributes[String(values[at])] = plain(values[at + 1]!);
  const name = named === "" ? "" : String(details[named]);
  delete details[named];
  return { kind, name, details, attributes };
}

/** A value as the app has given it, as far as it crosses to the core. */
function plain(value: Field): unknown {
  if (!Array.isArray(value)) return value;
  const [tag, ...rest] = value as readonly Field[];
  if (tag === calls.TAG_LIST) return rest.map(plain);
  if (tag === calls.TAG_INT) return BigInt(String(rest[0]));
  const map: Record<string, unknown> = {};
  for (let at = 0; at + 1 < rest.length; at += 2) map[String(rest[at])] = plain(rest[at + 1]!);
  return map;
}
