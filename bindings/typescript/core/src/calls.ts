// Written by `cargo xtask bindings` from `uniffi/src/draft`. Do not change it by hand.

// The codes of calls.

/** Something that the user did. Fields: action_type (action type), name (text), attributes. */
export const CALL_ACTION = 3;
/**
 * A request that is over. Fields: method (text), url (text), status (u16), duration_ns (u64), bytes
 * (i64), error_type (text), attributes.
 */
export const CALL_RESOURCE = 4;
/**
 * An error, a crash, a hang. Fields: kind (error kind), source (error source), error_type (text),
 * message (text), stack (text), attributes.
 */
export const CALL_ERROR = 5;
/** The main thread was busy for long. Fields: duration_ns (u64), frozen (flag), attributes. */
export const CALL_LONG_TASK = 6;
/**
 * A measured value of the app's performance. Fields: name (text), value (f64), unit (text),
 * attributes.
 */
export const CALL_VITAL = 7;
/** An event that only the app understands. Fields: name (text), attributes. */
export const CALL_CUSTOM = 8;
/** A log. Fields: severity, body (text), logger (text), attributes. */
export const CALL_LOG = 9;
/** A value for a metric. Fields: instrument, name (text), unit (text), value (f64), attributes. */
export const CALL_MEASUREMENT = 10;
/** A view is shown, and the one before it ends. Fields: name (text). */
export const CALL_START_VIEW = 32;
/** A view is shown over the current one. Fields: name (text). */
export const CALL_PUSH_VIEW = 33;
/** The current view ends. No fields. */
export const CALL_STOP_VIEW = 34;
/** The current view is complete and can be used. No fields. */
export const CALL_MARK_INTERACTIVE = 35;
/**
 * An action begins that collects what follows from it. Fields: action_type (action type), name
 * (text), attributes.
 */
export const CALL_START_ACTION = 36;
/** The session ends, and another begins. No fields. */
export const CALL_RENEW_SESSION = 37;
/**
 * The context of the action that has just begun is put under a slot, for what happens in the same
 * turn. Fields: slot (u64).
 */
export const CALL_ACTION_CONTEXT = 38;
/** An operation begins under a slot. Fields: slot (u64), name (text), attributes. */
export const CALL_START_OPERATION = 40;
/** A span begins under a slot. Fields: slot (u64), name (text), attributes. */
export const CALL_START_SPAN = 41;
/** Sets attributes of a span. Fields: slot (u64), attributes. */
export const CALL_SPAN_ATTRIBUTES = 42;
/** Something happened within a span. Fields: slot (u64), name (text), attributes. */
export const CALL_SPAN_EVENT = 43;
/** A span refers to the span or context under another slot. Fields: slot (u64), other (u64). */
export const CALL_SPAN_LINK = 44;
/** A span or an operation ends. Fields: slot (u64), outcome, error_type (text), message (text). */
export const CALL_END_SPAN = 45;
/** The context that came with a message is put under a slot. Fields: slot (u64), headers. */
export const CALL_READ_CONTEXT = 46;
/** An operation is tried again. Fields: slot (u64), attempt (u32). */
export const CALL_RETRY = 47;
/** A request begins under a slot. Fields: slot (u64), method (text), url (text). */
export const CALL_START_REQUEST = 48;
/**
 * A request ends. Fields: slot (u64), status (u16), bytes (i64), protocol (text), error_type
 * (text), phases, attributes.
 */
export const CALL_END_REQUEST = 49;
/** The draft's context is kept for a message that arrives later. Fields: key (text). */
export const CALL_KEEP_CONTEXT = 50;
/** A context that was kept is put under a slot. Fields: slot (u64), key (text). */
export const CALL_TAKE_CONTEXT = 51;
/**
 * A traced store is declared. The answer is the version of its policy. Fields: store (u32), name
 * (text), policy (text).
 */
export const CALL_DECLARE_STORE = 64;
/**
 * A traced store was changed. Fields: store (u32), kind (mutation kind), path (text), old (value?),
 * new (value?), attributes.
 */
export const CALL_MUTATION = 65;
/**
 * Asks whether mutations of a path are recorded. The answer is a `PathAnswer`. Fields: store (u32),
 * path (text).
 */
export const CALL_DECIDE = 66;
/**
 * Replaces the policy of a store. The answer is its version. Fields: store (u32), policy (text).
 */
export const CALL_UPDATE_POLICY = 67;
/** Only hands over the count in the header. Fields: store (u32). */
export const CALL_SUPPRESSED = 68;
/** Frames that were drawn since the last such call. Fields: count (u64). */
export const CALL_FRAMES = 80;
/** A frame that took too long. Fields: duration_ns (u64). */
export const CALL_SLOW_FRAME = 81;
/** A sample of the memory that the process uses. Fields: bytes (u64). */
export const CALL_MEMORY = 82;
/** CPU time that the process used since the last such call. Fields: duration_ns (u64). */
export const CALL_CPU_TIME = 83;
/** How long the process took to start. Fields: start_type (text), duration_ns (u64). */
export const CALL_PROCESS_START = 84;
/** How long it took until the first frame was shown. Fields: duration_ns (u64). */
export const CALL_INITIAL_DISPLAY = 85;
/**
 * The app's own synchronization failed. Fields: rpc (text), code (text), retries (u32), offline
 * (flag).
 */
export const CALL_SYNC_FAILURE = 90;
/** The app's own queue was flushed. Fields: depth (u64), ok (flag). */
export const CALL_QUEUE_FLUSH = 91;
/** The user, or the app, reports that something is wrong. Fields: message (text). */
export const CALL_REPORT_PROBLEM = 92;
/**
 * Who uses the app: the attributes `id`, `name`, `email` and others. Without any: nobody. Fields:
 * attributes.
 */
export const CALL_USER = 100;
/**
 * Sets an attribute of every event from now on, or removes it. Fields: key (text), value (value?).
 */
export const CALL_GLOBAL_ATTRIBUTE = 101;
/**
 * Sets what a feature flag was evaluated to, or removes it. Fields: name (text), value (value?).
 */
export const CALL_FEATURE_FLAG = 102;
/**
 * Only in test builds: panics at a place, or at `settle` ends what would end by itself. Fields:
 * place (text).
 */
export const CALL_FAULT = 255;

// What the user did.

export const ACTION_TYPE_TAP = 1;
export const ACTION_TYPE_SCROLL = 2;
export const ACTION_TYPE_SWIPE = 3;
export const ACTION_TYPE_BACK = 4;
export const ACTION_TYPE_CUSTOM = 5;

// What an error was.

export const ERROR_KIND_HANDLED = 1;
export const ERROR_KIND_CRASH = 2;
export const ERROR_KIND_HANG = 3;
export const ERROR_KIND_ANR = 4;
export const ERROR_KIND_OUT_OF_MEMORY = 5;

// Where an error was found.

export const ERROR_SOURCE_SOURCE = 1;
export const ERROR_SOURCE_NETWORK = 2;
export const ERROR_SOURCE_LOGGER = 3;
export const ERROR_SOURCE_WEB_VIEW = 4;
export const ERROR_SOURCE_CUSTOM = 5;

// How important a log is. The numbers are OpenTelemetry's, which has four for each severity; the
// facades write the first.

export const SEVERITY_TRACE = 1;
export const SEVERITY_DEBUG = 5;
export const SEVERITY_INFO = 9;
export const SEVERITY_WARN = 13;
export const SEVERITY_ERROR = 17;
export const SEVERITY_FATAL = 21;

// The instrument of a metric.

export const INSTRUMENT_COUNTER = 1;
export const INSTRUMENT_UP_DOWN_COUNTER = 2;
export const INSTRUMENT_GAUGE = 3;
export const INSTRUMENT_HISTOGRAM = 4;

// How a span ended.

export const OUTCOME_ABANDONED = 0;
export const OUTCOME_SUCCEEDED = 1;
export const OUTCOME_FAILED = 2;
export const OUTCOME_CANCELLED = 3;
export const OUTCOME_TIMED_OUT = 4;

// What happened to a path of a store.

export const MUTATION_KIND_SET = 1;
export const MUTATION_KIND_INSERT = 2;
export const MUTATION_KIND_DELETE = 3;
export const MUTATION_KIND_REPLACE = 4;
export const MUTATION_KIND_BATCH = 5;

// What a part of a request's time was spent on.

export const PHASE_DNS = 1;
export const PHASE_CONNECT = 2;
export const PHASE_TLS = 3;
export const PHASE_FIRST_BYTE = 4;
export const PHASE_DOWNLOAD = 5;

// The parts of a draft.

/** The version of the layout. */
export const DRAFT_LAYOUT_VERSION = 1;
/**
 * The version of the library: bits 32 and above are the major number, 16 to 31 the minor one, 0 to
 * 15 the patch.
 */
export const DRAFT_LAYOUT_LIBRARY_VERSION = 65536;
/** Bytes before the fields. */
export const DRAFT_LAYOUT_HEADER_BYTES = 24;
/** Where the header has the time. */
export const DRAFT_LAYOUT_TIME_AT = 16;
/** A longer draft is refused. Twice what an event may have, because the core still cuts texts. */
export const DRAFT_LAYOUT_MAX_DRAFT_BYTES = 262144;

// What the first byte of a value says.

/** No value, where a value is optional. */
export const TAG_NONE = 0;
/** `u8`: 0 is false. */
export const TAG_BOOL = 1;
/** `i64`. */
export const TAG_INT = 2;
/** `f64`. */
export const TAG_DOUBLE = 3;
/** `u32` and that many bytes of UTF-8. */
export const TAG_TEXT = 4;
/** `u32` and that many bytes. */
export const TAG_BYTES = 5;
/** `u16` and that many values. */
export const TAG_LIST = 6;
/** `u16` and that many (text, value). */
export const TAG_MAP = 7;

// Where the facades cut what they write: a little more than the core keeps, so that it still sees,
// and marks, that something was cut.

/** Attributes of one call. */
export const LIMIT_ATTRIBUTES = 1000;
/** Attributes, lists and maps that would begin after this many bytes are left out. */
export const LIMIT_ATTRIBUTES_END_BYTES = 163840;
/** Elements of a list or a map. */
export const LIMIT_ELEMENTS = 257;
/** Levels of lists and maps within one another. */
export const LIMIT_DEPTH = 8;
/** Bytes of a value of bytes. */
export const LIMIT_BLOB_BYTES = 4097;
/** Headers of a message. */
export const LIMIT_HEADERS = 64;
/** Bytes of the body of an answer to an upload. */
export const LIMIT_RESPONSE_BYTES = 65537;
/** A text as the value of an attribute. In UTF-16 units. */
export const LIMIT_TEXT_UNITS = 2050;
/** The key of an attribute. In UTF-16 units. */
export const LIMIT_KEY_UNITS = 130;
/** A name, and every other text that has no limit of its own. In UTF-16 units. */
export const LIMIT_NAME_UNITS = 514;
/** The message of an error, the body of a log. In UTF-16 units. */
export const LIMIT_MESSAGE_UNITS = 16386;
/** The stack of an error. In UTF-16 units. */
export const LIMIT_STACK_UNITS = 49154;
/** A path of a store. In UTF-16 units. */
export const LIMIT_PATH_UNITS = 1026;
/** A URL: long enough that the core finds the end of a query that it removes. In UTF-16 units. */
export const LIMIT_URL_UNITS = 8194;
/** The policy of a store, as JSON. In UTF-16 units. */
export const LIMIT_POLICY_UNITS = 65538;

// What the core answers to a draft. Three calls answer a version or a `PathAnswer` instead of
// `DONE`.

/** It was recorded. */
export const ANSWER_DONE = 1;
/** It was not kept: sampled out, no room, switched off. The core has counted it. */
export const ANSWER_NOT_KEPT = 0;
/** There is no such client, or it is shut down. */
export const ANSWER_CLOSED = -1;
/** The bytes are not a draft. */
export const ANSWER_MALFORMED = -2;
/**
 * It names a store or a slot that is not there, or a policy that cannot work. `health` says which.
 */
export const ANSWER_UNKNOWN = -3;

// The answer to "decide", if it is positive: the version of the store's policy, shifted to the
// left, and a code.

/** How far the version is shifted. */
export const PATH_ANSWER_LAYOUT_VERSION_SHIFT = 8;
/** The bits of the code. */
export const PATH_ANSWER_LAYOUT_CODE_MASK = 255;
/**
 * The code of a path whose mutations are recorded. Every other code ignores them, and says why: it
 * is 1 + the reason.
 */
export const PATH_ANSWER_LAYOUT_RECORDS = 0;

// Where this facade's numbers begin: other languages may share the process.

/** Slots are greater than this. */
export const FACADE_FIRST_SLOT = 844424930131968;
/** The numbers of stores are greater than this. */
export const FACADE_FIRST_STORE = 50331648;
