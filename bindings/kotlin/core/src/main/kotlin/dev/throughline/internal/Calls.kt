// Written by `cargo xtask bindings` from `uniffi/src/draft`. Do not change it by hand.
package dev.throughline.internal

/** The codes of calls. */
internal object Call {
    /** Something that the user did. Fields: action_type (action type), name (text), attributes. */
    const val ACTION: Int = 3

    /**
     * A request that is over. Fields: method (text), url (text), status (u16), duration_ns (u64),
     * bytes (i64), error_type (text), attributes.
     */
    const val RESOURCE: Int = 4

    /**
     * An error, a crash, a hang. Fields: kind (error kind), source (error source), error_type
     * (text), message (text), stack (text), attributes.
     */
    const val ERROR: Int = 5

    /** The main thread was busy for long. Fields: duration_ns (u64), frozen (flag), attributes. */
    const val LONG_TASK: Int = 6

    /**
     * A measured value of the app's performance. Fields: name (text), value (f64), unit (text),
     * attributes.
     */
    const val VITAL: Int = 7

    /** An event that only the app understands. Fields: name (text), attributes. */
    const val CUSTOM: Int = 8

    /** A log. Fields: severity, body (text), logger (text), attributes. */
    const val LOG: Int = 9

    /**
     * A value for a metric. Fields: instrument, name (text), unit (text), value (f64), attributes.
     */
    const val MEASUREMENT: Int = 10

    /** A view is shown, and the one before it ends. Fields: name (text). */
    const val START_VIEW: Int = 32

    /** A view is shown over the current one. Fields: name (text). */
    const val PUSH_VIEW: Int = 33

    /** The current view ends. No fields. */
    const val STOP_VIEW: Int = 34

    /** The current view is complete and can be used. No fields. */
    const val MARK_INTERACTIVE: Int = 35

    /**
     * An action begins that collects what follows from it. Fields: action_type (action type), name
     * (text), attributes.
     */
    const val START_ACTION: Int = 36

    /** The session ends, and another begins. No fields. */
    const val RENEW_SESSION: Int = 37

    /**
     * The context of the action that has just begun is put under a slot, for what happens in the
     * same turn. Fields: slot (u64).
     */
    const val ACTION_CONTEXT: Int = 38

    /** An operation begins under a slot. Fields: slot (u64), name (text), attributes. */
    const val START_OPERATION: Int = 40

    /** A span begins under a slot. Fields: slot (u64), name (text), attributes. */
    const val START_SPAN: Int = 41

    /** Sets attributes of a span. Fields: slot (u64), attributes. */
    const val SPAN_ATTRIBUTES: Int = 42

    /** Something happened within a span. Fields: slot (u64), name (text), attributes. */
    const val SPAN_EVENT: Int = 43

    /** A span refers to the span or context under another slot. Fields: slot (u64), other (u64). */
    const val SPAN_LINK: Int = 44

    /**
     * A span or an operation ends. Fields: slot (u64), outcome, error_type (text), message (text).
     */
    const val END_SPAN: Int = 45

    /** The context that came with a message is put under a slot. Fields: slot (u64), headers. */
    const val READ_CONTEXT: Int = 46

    /** An operation is tried again. Fields: slot (u64), attempt (u32). */
    const val RETRY: Int = 47

    /** A request begins under a slot. Fields: slot (u64), method (text), url (text). */
    const val START_REQUEST: Int = 48

    /**
     * A request ends. Fields: slot (u64), status (u16), bytes (i64), protocol (text), error_type
     * (text), phases, attributes.
     */
    const val END_REQUEST: Int = 49

    /** The draft's context is kept for a message that arrives later. Fields: key (text). */
    const val KEEP_CONTEXT: Int = 50

    /** A context that was kept is put under a slot. Fields: slot (u64), key (text). */
    const val TAKE_CONTEXT: Int = 51

    /**
     * A traced store is declared. The answer is the version of its policy. Fields: store (u32),
     * name (text), policy (text).
     */
    const val DECLARE_STORE: Int = 64

    /**
     * A traced store was changed. Fields: store (u32), kind (mutation kind), path (text), old
     * (value?), new (value?), attributes.
     */
    const val MUTATION: Int = 65

    /**
     * Asks whether mutations of a path are recorded. The answer is a `PathAnswer`. Fields: store
     * (u32), path (text).
     */
    const val DECIDE: Int = 66

    /**
     * Replaces the policy of a store. The answer is its version. Fields: store (u32), policy
     * (text).
     */
    const val UPDATE_POLICY: Int = 67

    /** Only hands over the count in the header. Fields: store (u32). */
    const val SUPPRESSED: Int = 68

    /** Frames that were drawn since the last such call. Fields: count (u64). */
    const val FRAMES: Int = 80

    /** A frame that took too long. Fields: duration_ns (u64). */
    const val SLOW_FRAME: Int = 81

    /** A sample of the memory that the process uses. Fields: bytes (u64). */
    const val MEMORY: Int = 82

    /** CPU time that the process used since the last such call. Fields: duration_ns (u64). */
    const val CPU_TIME: Int = 83

    /** How long the process took to start. Fields: start_type (text), duration_ns (u64). */
    const val PROCESS_START: Int = 84

    /** How long it took until the first frame was shown. Fields: duration_ns (u64). */
    const val INITIAL_DISPLAY: Int = 85

    /**
     * The app's own synchronization failed. Fields: rpc (text), code (text), retries (u32), offline
     * (flag).
     */
    const val SYNC_FAILURE: Int = 90

    /** The app's own queue was flushed. Fields: depth (u64), ok (flag). */
    const val QUEUE_FLUSH: Int = 91

    /** The user, or the app, reports that something is wrong. Fields: message (text). */
    const val REPORT_PROBLEM: Int = 92

    /**
     * Who uses the app: the attributes `id`, `name`, `email` and others. Without any: nobody.
     * Fields: attributes.
     */
    const val USER: Int = 100

    /**
     * Sets an attribute of every event from now on, or removes it. Fields: key (text), value
     * (value?).
     */
    const val GLOBAL_ATTRIBUTE: Int = 101

    /**
     * Sets what a feature flag was evaluated to, or removes it. Fields: name (text), value
     * (value?).
     */
    const val FEATURE_FLAG: Int = 102

    /**
     * Only in test builds: panics at a place, or at `settle` ends what would end by itself. Fields:
     * place (text).
     */
    const val FAULT: Int = 255
}

/** What the user did. */
internal object ActionTypeCode {
    const val TAP: Int = 1
    const val SCROLL: Int = 2
    const val SWIPE: Int = 3
    const val BACK: Int = 4
    const val CUSTOM: Int = 5
}

/** What an error was. */
internal object ErrorKindCode {
    const val HANDLED: Int = 1
    const val CRASH: Int = 2
    const val HANG: Int = 3
    const val ANR: Int = 4
    const val OUT_OF_MEMORY: Int = 5
}

/** Where an error was found. */
internal object ErrorSourceCode {
    const val SOURCE: Int = 1
    const val NETWORK: Int = 2
    const val LOGGER: Int = 3
    const val WEB_VIEW: Int = 4
    const val CUSTOM: Int = 5
}

/**
 * How important a log is. The numbers are OpenTelemetry's, which has four for each severity; the
 * facades write the first.
 */
internal object SeverityCode {
    const val TRACE: Int = 1
    const val DEBUG: Int = 5
    const val INFO: Int = 9
    const val WARN: Int = 13
    const val ERROR: Int = 17
    const val FATAL: Int = 21
}

/** The instrument of a metric. */
internal object InstrumentCode {
    const val COUNTER: Int = 1
    const val UP_DOWN_COUNTER: Int = 2
    const val GAUGE: Int = 3
    const val HISTOGRAM: Int = 4
}

/** How a span ended. */
internal object OutcomeCode {
    const val ABANDONED: Int = 0
    const val SUCCEEDED: Int = 1
    const val FAILED: Int = 2
    const val CANCELLED: Int = 3
    const val TIMED_OUT: Int = 4
}

/** What happened to a path of a store. */
internal object MutationKindCode {
    const val SET: Int = 1
    const val INSERT: Int = 2
    const val DELETE: Int = 3
    const val REPLACE: Int = 4
    const val BATCH: Int = 5
}

/** What a part of a request's time was spent on. */
internal object PhaseCode {
    const val DNS: Int = 1
    const val CONNECT: Int = 2
    const val TLS: Int = 3
    const val FIRST_BYTE: Int = 4
    const val DOWNLOAD: Int = 5
}

/** The parts of a draft. */
internal object DraftLayout {
    /** The version of the layout. */
    const val VERSION: Int = 1

    /**
     * The version of the library: bits 32 and above are the major number, 16 to 31 the minor one, 0
     * to 15 the patch.
     */
    const val LIBRARY_VERSION: Long = 65536

    /** Bytes before the fields. */
    const val HEADER_BYTES: Int = 24

    /** Where the header has the time. */
    const val TIME_AT: Int = 16

    /**
     * A longer draft is refused. Twice what an event may have, because the core still cuts texts.
     */
    const val MAX_DRAFT_BYTES: Int = 262144
}

/** What the first byte of a value says. */
internal object Tag {
    /** No value, where a value is optional. */
    const val NONE: Int = 0

    /** `u8`: 0 is false. */
    const val BOOL: Int = 1

    /** `i64`. */
    const val INT: Int = 2

    /** `f64`. */
    const val DOUBLE: Int = 3

    /** `u32` and that many bytes of UTF-8. */
    const val TEXT: Int = 4

    /** `u32` and that many bytes. */
    const val BYTES: Int = 5

    /** `u16` and that many values. */
    const val LIST: Int = 6

    /** `u16` and that many (text, value). */
    const val MAP: Int = 7
}

/**
 * Where the facades cut what they write: a little more than the core keeps, so that it still sees,
 * and marks, that something was cut.
 */
internal object Limit {
    /** Attributes of one call. */
    const val ATTRIBUTES: Int = 1000

    /** Attributes, lists and maps that would begin after this many bytes are left out. */
    const val ATTRIBUTES_END_BYTES: Int = 163840

    /** Elements of a list or a map. */
    const val ELEMENTS: Int = 257

    /** Levels of lists and maps within one another. */
    const val DEPTH: Int = 8

    /** Bytes of a value of bytes. */
    const val BLOB_BYTES: Int = 4097

    /** Headers of a message. */
    const val HEADERS: Int = 64

    /** Bytes of the body of an answer to an upload. */
    const val RESPONSE_BYTES: Int = 65537

    /** A text as the value of an attribute. In UTF-16 units. */
    const val TEXT_UNITS: Int = 2050

    /** The key of an attribute. In UTF-16 units. */
    const val KEY_UNITS: Int = 130

    /** A name, and every other text that has no limit of its own. In UTF-16 units. */
    const val NAME_UNITS: Int = 514

    /** The message of an error, the body of a log. In UTF-16 units. */
    const val MESSAGE_UNITS: Int = 16386

    /** The stack of an error. In UTF-16 units. */
    const val STACK_UNITS: Int = 49154

    /** A path of a store. In UTF-16 units. */
    const val PATH_UNITS: Int = 1026

    /**
     * A URL: long enough that the core finds the end of a query that it removes. In UTF-16 units.
     */
    const val URL_UNITS: Int = 8194

    /** The policy of a store, as JSON. In UTF-16 units. */
    const val POLICY_UNITS: Int = 65538
}

/**
 * What the core answers to a draft. Three calls answer a version or a `PathAnswer` instead of
 * `DONE`.
 */
internal object Answer {
    /** It was recorded. */
    const val DONE: Long = 1

    /** It was not kept: sampled out, no room, switched off. The core has counted it. */
    const val NOT_KEPT: Long = 0

    /** There is no such client, or it is shut down. */
    const val CLOSED: Long = -1

    /** The bytes are not a draft. */
    const val MALFORMED: Long = -2

    /**
     * It names a store or a slot that is not there, or a policy that cannot work. `health` says
     * which.
     */
    const val UNKNOWN: Long = -3
}

/**
 * The answer to "decide", if it is positive: the version of the store's policy, shifted to the
 * left, and a code.
 */
internal object PathAnswerLayout {
    /** How far the version is shifted. */
    const val VERSION_SHIFT: Int = 8

    /** The bits of the code. */
    const val CODE_MASK: Long = 255

    /**
     * The code of a path whose mutations are recorded. Every other code ignores them, and says why:
     * it is 1 + the reason.
     */
    const val RECORDS: Long = 0
}

/** Where this facade's numbers begin: other languages may share the process. */
internal object Facade {
    /** Slots are greater than this. */
    const val FIRST_SLOT: Long = 281474976710656

    /** The numbers of stores are greater than this. */
    const val FIRST_STORE: Int = 16777216
}
