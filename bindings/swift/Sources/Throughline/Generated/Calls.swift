// Written by `cargo xtask bindings` from `uniffi/src/draft`. Do not change it by hand.

/// The codes of calls.
enum Call: UInt8 {
    /// Something that the user did. Fields: action_type (action type), name (text), attributes.
    case action = 3
    /// A request that is over. Fields: method (text), url (text), status (u16), duration_ns (u64),
    /// bytes (i64), error_type (text), attributes.
    case resource = 4
    /// An error, a crash, a hang. Fields: kind (error kind), source (error source), error_type
    /// (text), message (text), stack (text), attributes.
    case error = 5
    /// The main thread was busy for long. Fields: duration_ns (u64), frozen (flag), attributes.
    case longTask = 6
    /// A measured value of the app's performance. Fields: name (text), value (f64), unit (text),
    /// attributes.
    case vital = 7
    /// An event that only the app understands. Fields: name (text), attributes.
    case custom = 8
    /// A log. Fields: severity, body (text), logger (text), attributes.
    case log = 9
    /// A value for a metric. Fields: instrument, name (text), unit (text), value (f64), attributes.
    case measurement = 10
    /// A view is shown, and the one before it ends. Fields: name (text).
    case startView = 32
    /// A view is shown over the current one. Fields: name (text).
    case pushView = 33
    /// The current view ends. No fields.
    case stopView = 34
    /// The current view is complete and can be used. No fields.
    case markInteractive = 35
    /// An action begins that collects what follows from it. Fields: action_type (action type), name
    /// (text), attributes.
    case startAction = 36
    /// The session ends, and another begins. No fields.
    case renewSession = 37
    /// The context of the action that has just begun is put under a slot, for what happens in the
    /// same turn. Fields: slot (u64).
    case actionContext = 38
    /// An operation begins under a slot. Fields: slot (u64), name (text), attributes.
    case startOperation = 40
    /// A span begins under a slot. Fields: slot (u64), name (text), attributes.
    case startSpan = 41
    /// Sets attributes of a span. Fields: slot (u64), attributes.
    case spanAttributes = 42
    /// Something happened within a span. Fields: slot (u64), name (text), attributes.
    case spanEvent = 43
    /// A span refers to the span or context under another slot. Fields: slot (u64), other (u64).
    case spanLink = 44
    /// A span or an operation ends. Fields: slot (u64), outcome, error_type (text), message (text).
    case endSpan = 45
    /// The context that came with a message is put under a slot. Fields: slot (u64), headers.
    case readContext = 46
    /// An operation is tried again. Fields: slot (u64), attempt (u32).
    case retry = 47
    /// A request begins under a slot. Fields: slot (u64), method (text), url (text).
    case startRequest = 48
    /// A request ends. Fields: slot (u64), status (u16), bytes (i64), protocol (text), error_type
    /// (text), phases, attributes.
    case endRequest = 49
    /// The draft's context is kept for a message that arrives later. Fields: key (text).
    case keepContext = 50
    /// A context that was kept is put under a slot. Fields: slot (u64), key (text).
    case takeContext = 51
    /// A traced store is declared. The answer is the version of its policy. Fields: store (u32),
    /// name (text), policy (text).
    case declareStore = 64
    /// A traced store was changed. Fields: store (u32), kind (mutation kind), path (text), old
    /// (value?), new (value?), attributes.
    case mutation = 65
    /// Asks whether mutations of a path are recorded. The answer is a `PathAnswer`. Fields: store
    /// (u32), path (text).
    case decide = 66
    /// Replaces the policy of a store. The answer is its version. Fields: store (u32), policy
    /// (text).
    case updatePolicy = 67
    /// Only hands over the count in the header. Fields: store (u32).
    case suppressed = 68
    /// Frames that were drawn since the last such call. Fields: count (u64).
    case frames = 80
    /// A frame that took too long. Fields: duration_ns (u64).
    case slowFrame = 81
    /// A sample of the memory that the process uses. Fields: bytes (u64).
    case memory = 82
    /// CPU time that the process used since the last such call. Fields: duration_ns (u64).
    case cpuTime = 83
    /// How long the process took to start. Fields: start_type (text), duration_ns (u64).
    case processStart = 84
    /// How long it took until the first frame was shown. Fields: duration_ns (u64).
    case initialDisplay = 85
    /// The app's own synchronization failed. Fields: rpc (text), code (text), retries (u32),
    /// offline (flag).
    case syncFailure = 90
    /// The app's own queue was flushed. Fields: depth (u64), ok (flag).
    case queueFlush = 91
    /// The user, or the app, reports that something is wrong. Fields: message (text).
    case reportProblem = 92
    /// Who uses the app: the attributes `id`, `name`, `email` and others. Without any: nobody.
    /// Fields: attributes.
    case user = 100
    /// Sets an attribute of every event from now on, or removes it. Fields: key (text), value
    /// (value?).
    case globalAttribute = 101
    /// Sets what a feature flag was evaluated to, or removes it. Fields: name (text), value
    /// (value?).
    case featureFlag = 102
    /// Only in test builds: panics at a place, or at `settle` ends what would end by itself.
    /// Fields: place (text).
    case fault = 255
}

extension ActionType {
    /// The code in a draft.
    var code: UInt8 {
        switch self {
        case .tap: 1
        case .scroll: 2
        case .swipe: 3
        case .back: 4
        case .custom: 5
        }
    }
}

extension ErrorKind {
    /// The code in a draft.
    var code: UInt8 {
        switch self {
        case .handled: 1
        case .crash: 2
        case .hang: 3
        case .anr: 4
        case .outOfMemory: 5
        }
    }
}

/// Where an error was found.
enum ErrorSource: UInt8 {
    case source = 1
    case network = 2
    case logger = 3
    case webView = 4
    case custom = 5
}

extension Severity {
    /// The code in a draft.
    var code: UInt8 {
        switch self {
        case .trace: 1
        case .debug: 5
        case .info: 9
        case .warn: 13
        case .error: 17
        case .fatal: 21
        }
    }
}

extension Instrument {
    /// The code in a draft.
    var code: UInt8 {
        switch self {
        case .counter: 1
        case .upDownCounter: 2
        case .gauge: 3
        case .histogram: 4
        }
    }
}

/// How a span ended.
enum Outcome: UInt8 {
    case abandoned = 0
    case succeeded = 1
    case failed = 2
    case cancelled = 3
    case timedOut = 4
}

extension MutationKind {
    /// The code in a draft.
    var code: UInt8 {
        switch self {
        case .set: 1
        case .insert: 2
        case .delete: 3
        case .replace: 4
        case .batch: 5
        }
    }
}

extension TracedRequest.Phase {
    /// The code in a draft.
    var code: UInt8 {
        switch self {
        case .dns: 1
        case .connect: 2
        case .tls: 3
        case .firstByte: 4
        case .download: 5
        }
    }
}

/// The parts of a draft.
enum DraftLayout {
    /// The version of the layout.
    static let version: UInt8 = 1
    /// The version of the library: bits 32 and above are the major number, 16 to 31 the minor one,
    /// 0 to 15 the patch.
    static let libraryVersion: UInt64 = 65536
    /// Bytes before the fields.
    static let headerBytes: Int = 24
    /// Where the header has the time.
    static let timeAt: Int = 16
    /// A longer draft is refused. Twice what an event may have, because the core still cuts texts.
    static let maxDraftBytes: Int = 262144
}

/// What the first byte of a value says.
enum Tag {
    /// No value, where a value is optional.
    static let none: UInt8 = 0
    /// `u8`: 0 is false.
    static let bool: UInt8 = 1
    /// `i64`.
    static let int: UInt8 = 2
    /// `f64`.
    static let double: UInt8 = 3
    /// `u32` and that many bytes of UTF-8.
    static let text: UInt8 = 4
    /// `u32` and that many bytes.
    static let bytes: UInt8 = 5
    /// `u16` and that many values.
    static let list: UInt8 = 6
    /// `u16` and that many (text, value).
    static let map: UInt8 = 7
}

/// Where the facades cut what they write: a little more than the core keeps, so that it still sees,
/// and marks, that something was cut.
enum Limit {
    /// Attributes of one call.
    static let attributes: Int = 1000
    /// Attributes, lists and maps that would begin after this many bytes are left out.
    static let attributesEndBytes: Int = 163840
    /// Elements of a list or a map.
    static let elements: Int = 257
    /// Levels of lists and maps within one another.
    static let depth: Int = 8
    /// Bytes of a value of bytes.
    static let blobBytes: Int = 4097
    /// Headers of a message.
    static let headers: Int = 64
    /// Bytes of the body of an answer to an upload.
    static let responseBytes: Int = 65537
    /// A text as the value of an attribute. In bytes of UTF-8.
    static let textBytes: Int = 4100
    /// The key of an attribute. In bytes of UTF-8.
    static let keyBytes: Int = 132
    /// A name, and every other text that has no limit of its own. In bytes of UTF-8.
    static let nameBytes: Int = 1028
    /// The message of an error, the body of a log. In bytes of UTF-8.
    static let messageBytes: Int = 32772
    /// The stack of an error. In bytes of UTF-8.
    static let stackBytes: Int = 65536
    /// A path of a store. In bytes of UTF-8.
    static let pathBytes: Int = 1028
    /// A URL: long enough that the core finds the end of a query that it removes. In bytes of
    /// UTF-8.
    static let urlBytes: Int = 8196
    /// The policy of a store, as JSON. In bytes of UTF-8.
    static let policyBytes: Int = 65540
}

/// What the core answers to a draft. Three calls answer a version or a `PathAnswer` instead of
/// `DONE`.
enum Answer {
    /// It was recorded.
    static let done: Int64 = 1
    /// It was not kept: sampled out, no room, switched off. The core has counted it.
    static let notKept: Int64 = 0
    /// There is no such client, or it is shut down.
    static let closed: Int64 = -1
    /// The bytes are not a draft.
    static let malformed: Int64 = -2
    /// It names a store or a slot that is not there, or a policy that cannot work. `health` says
    /// which.
    static let unknown: Int64 = -3
}

/// The answer to "decide", if it is positive: the version of the store's policy, shifted to the
/// left, and a code.
enum PathAnswerLayout {
    /// How far the version is shifted.
    static let versionShift: UInt32 = 8
    /// The bits of the code.
    static let codeMask: Int64 = 255
    /// The code of a path whose mutations are recorded. Every other code ignores them, and says
    /// why: it is 1 + the reason.
    static let records: Int64 = 0
}

/// Where this facade's numbers begin: other languages may share the process.
enum Facade {
    /// Slots are greater than this.
    static let firstSlot: UInt64 = 562949953421312
    /// The numbers of stores are greater than this.
    static let firstStore: UInt32 = 33554432
}
