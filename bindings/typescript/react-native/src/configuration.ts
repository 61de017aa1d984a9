// The configuration of `start`. It crosses to the platform's facade as JSON.

/** What the user has decided about the collection of data. */
export type Consent =
  /** Events are recorded and sent. */
  | "granted"
  /** Events are recorded and kept apart on the device, at most 8 MiB, until the user has decided. */
  | "pending"
  /** Nothing is recorded, and everything that was recorded is erased. */
  | "denied";

/** A signal of OTLP. Most events are logs; requests and operations are traces. */
export type Signal = "logs" | "traces" | "metrics";

/**
 * How an event is kept and sent. `crash`: crashes, ANRs, hangs that ended the app. `error`: handled errors, and logs of
 * severity ERROR or above. `event`: sessions, views, actions, requests, long tasks, vitals, custom events. `bulk`: logs,
 * metrics and spans.
 */
export type Lane = "crash" | "error" | "event" | "bulk";

/** A kind of event. `error` is crashes as well as handled errors. */
export type EventKind =
  "session" | "view" | "action" | "resource" | "error" | "longTask" | "vital" | "custom" | "log" | "metric" | "span";

/** A format of a backend beside OTLP. */
export type BackendFormat =
  | {
      /** Datadog's intakes for RUM, logs and spans. The endpoint is left out, or the base URL of a proxy. */
      readonly type: "datadog";
      readonly clientToken: string;
      /** The id of the RUM application. */
      readonly applicationId: string;
      /** `us1`, `us3`, `us5`, `eu1`, `ap1`, `ap2`, or the site's domain. Default: `us1`. */
      readonly site?: string;
      /** Whether operations and spans go to RUM as vitals, in place of the intake for spans. Default: false. */
      readonly operations?: boolean;
    }
  | {
      /** Sentry, for errors, release health and logs. The endpoint is the DSN. */
      readonly type: "sentry";
    }
  | {
      /** A service of your own by the Connect protocol. The endpoint is the base URL. */
      readonly type: "connect";
      /** Whether messages are JSON instead of protobuf. Default: false. */
      readonly json?: boolean;
    }
  | {
      /** The HTTP input of Fluentd or Fluent Bit. The endpoint is the base URL. */
      readonly type: "fluentd";
      /** By which Fluentd routes: small letters, digits, `_`, and `.` in between. */
      readonly tag: string;
    };

/** A backend. It takes OTLP over HTTP, unless it has another format. */
export interface Destination {
  /**
   * Names the backend in `health()`, and its position in the queue: keep the name when the endpoint changes. Default:
   * the type of a format, `sentry` for example, and `sentry-2` for a second one; else `default` for the first
   * destination, the URL for others. An empty name is none.
   */
  readonly name?: string;
  /** The base URL. For OTLP, `/v1/logs`, `/v1/traces` and `/v1/metrics` are appended. */
  readonly endpoint?: string;
  /** Headers of every request, for example an API key. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: `protobuf`. */
  readonly encoding?: "protobuf" | "json";
  /** How sums and histograms are sent. Default: `cumulative`. */
  readonly temporality?: "cumulative" | "delta";
  /** The signals that the backend takes. Default: all. */
  readonly signals?: readonly Signal[];
  /** The full URLs of signals that are not below the base URL. */
  readonly signalEndpoints?: Readonly<Partial<Record<Signal, string>>>;
  /** Another format than OTLP. `encoding`, `temporality` and the signals are OTLP's alone. */
  readonly format?: BackendFormat;
  /**
   * The lanes whose events are meant for the destination, whatever its format. What no destination takes is counted as
   * `no_destination`. Crashes that no destination takes go to those that take errors. Default: all.
   */
  readonly lanes?: readonly Lane[];
  /** The kinds of events that are meant for it: an event has to be of the lanes and of the kinds. Default: all. */
  readonly kinds?: readonly EventKind[];
  /**
   * How old an event may be in ms that is sent to it, 1 minute to 366 days; crashes are sent all the same. Default: as
   * old as {@link Configuration.maxAgeMs} and the format allow.
   */
  readonly maxAgeMs?: number;
}

/** A host that may receive trace headers, with its sub-domains. */
export interface TraceHost {
  /** The host alone, without scheme and port. */
  readonly host: string;
  /** The headers that are written. Default: those of W3C, `traceContext` and `baggage`. */
  readonly formats?: readonly ("traceContext" | "baggage" | "datadog" | "b3" | "b3Multi" | "correlation")[];
  /** Which requests get headers: those of traces that are recorded, or all. Default: `sampled`. */
  readonly injection?: "sampled" | "all";
  /** The keys of baggage that are passed on, besides the session's id. */
  readonly baggageKeys?: readonly string[];
}

/** What must not leave the device, beyond the defaults. */
export interface RedactRules {
  /** Further keys of secrets, for example `salary`. */
  readonly denyKeys?: readonly string[];
  /** Keys that are not secret although a rule says so. */
  readonly allowKeys?: readonly string[];
  /** Keeps the queries and fragments of URLs. Secret parameters lose their values all the same. Default: false. */
  readonly keepQueries?: boolean;
  /**
   * What is searched for in free text: e-mail addresses, payment cards, JSON web tokens, and what follows `Bearer` and
   * `Basic`. `attributes` says whether the texts of attributes are searched as well. Default: all true.
   */
  readonly patterns?: Readonly<Partial<Record<"email" | "card" | "jwt" | "bearer" | "attributes", boolean>>>;
}

/** Keeps sessions that are not sampled on the device, and sends them only if something happens. */
export interface TailSampling {
  /** How far back events are kept, 1 to 60 minutes, in ms. */
  readonly windowMs?: number;
  /** How many bytes of events are kept, 64 KiB to 8 MiB. The oldest are dropped first. Default: 2 MiB. */
  readonly bytes?: number;
  /** Whether sessions that the sample rate would keep wait for their reason, too. Default: false. */
  readonly allSessions?: boolean;
  /** Whether a handled error is a reason to send. Crashes, hangs and ANRs always are. Default: true. */
  readonly onError?: boolean;
  /** An operation that takes at least so many ms is a reason to send. Default: no duration is. */
  readonly slowOperationMs?: number;
}

/** The configuration of `start`. Fields that are left out have the default of the platform's facade. */
export interface Configuration {
  /** The app's name, for `service.name`. Required; at most 255 bytes. */
  readonly serviceName: string;
  /** The app's version. Default: that of the app's bundle or package. */
  readonly serviceVersion?: string;
  /** The base URL of a backend that takes OTLP over HTTP: the first destination. */
  readonly endpoint?: string;
  /** Backends, at most 8. Without one, events stay on the device within {@link Configuration.queueBytes}. */
  readonly destinations?: readonly Destination[];
  /** The hosts that may receive trace headers. Default: none. */
  readonly traceHosts?: readonly (string | TraceHost)[];
  /** Where the app runs. Sets the defaults of the trace sample rate and the flush interval. Default: `production`. */
  readonly environment?: "development" | "test" | "staging" | "production";
  /** False: no thread is started and no file is written. Default: true. */
  readonly enabled?: boolean;
  /** The share of sessions that is recorded, 0 to 1. Errors and crashes are always recorded. Default: 1. */
  readonly sessionSampleRate?: number;
  /** The share of traces that is recorded, 0 to 1. Default: 1 in development and test, else 0.1. */
  readonly traceSampleRate?: number;
  /**
   * How long an event may wait until others are sent with it, 100 ms to 1 day. Default: 2,000 ms in development and
   * test, else 30,000 ms.
   */
  readonly flushIntervalMs?: number;
  /** How many waiting events are sent without waiting for the interval. Default: 100. */
  readonly flushEvents?: number;
  /** What is sent over a metered network: everything, no logs, metrics and spans, or crashes alone. Default: `all`. */
  readonly meteredUploads?: "all" | "noBulk" | "crashesOnly";
  /** How many compressed bytes are sent a day, crashes excepted. Default: no limit. */
  readonly dailyBytes?: number;
  /** How many bytes the queue on the disk may have, 1 MiB to 4 GiB. Default: 64 MiB. */
  readonly queueBytes?: number;
  /** The age in ms at which an event is dropped and counted, 1 minute to 366 days. Default: 7 days. */
  readonly maxAgeMs?: number;
  /** Spreads the first upload after a start over 10 s, so that not all devices arrive at once. Default: true. */
  readonly startJitter?: boolean;
  /** Records Throughline's own condition as events: drops, failed uploads, time offline. Default: true. */
  readonly selfReport?: boolean;
  /** Records crashes of native code, and reports them at the next launch. Default: true. */
  readonly captureCrashes?: boolean;
  /** Records exceptions of native code that nobody has caught: of Kotlin, Java and Objective-C. Default: true. */
  readonly captureUncaughtExceptions?: boolean;
  /** Writes what Throughline does to the system's log. Default: false. */
  readonly debug?: boolean;
  /** A directory that only Throughline uses. Default: one of the app's that is excluded from backups. */
  readonly dataDir?: string;
  /** Whether this installation gets a random id. Default: true. */
  readonly installationId?: boolean;
  /** A text that differs between devices, by which a cloned backup is noticed. It is never sent. */
  readonly deviceTag?: string;
  /** Further attributes of the resource. At most 112. */
  readonly resource?: Readonly<Record<string, string>>;
  /** What must not leave the device. */
  readonly redact?: RedactRules;
  /** What is kept of sessions that are not sampled. Default: nothing. */
  readonly tailSampling?: TailSampling;
}
