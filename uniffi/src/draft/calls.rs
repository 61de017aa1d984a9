//! The calls: their codes and their fields.
//!
//! One macro makes [`Call`], what reads it, and its rows of the [`table`](super::table), so that
//! the reader and the constants of the facades cannot differ.

use throughline::event::{ActionType, ErrorKind, ErrorSource, Severity};
use throughline::state::MutationKind;

use super::Malformed;
use super::codes::{Instrument, Outcome};
use super::fields::{Attributes, Headers, OptionalValue, Phases};
use super::reader::{Field, Reader};
use super::rows::{CallRow, FieldRow};

macro_rules! calls {
    ($(
        $(#[doc = $doc:literal])*
        $code:literal $call:ident { $($(#[doc = $field_doc:literal])* $field:ident: $type:ty),* $(,)? }
    )*) => {
        /// What happened. The fields of each call are written in the order in which they stand
        /// here.
        #[derive(Debug, Clone, Copy, PartialEq)]
        #[allow(missing_docs, reason = "the names of most fields say what they are")]
        pub enum Call<'a> {
            $(
                #[doc = concat!("Code ", $code, ".")]
                $(#[doc = $doc])*
                $call { $($(#[doc = $field_doc])* $field: $type),* },
            )*
        }

        impl<'a> Call<'a> {
            /// Every call, as data.
            pub const ROWS: &'static [CallRow] = &[$(CallRow {
                name: stringify!($call),
                code: $code,
                doc: &[$($doc),*],
                fields: &[$(FieldRow {
                    name: stringify!($field),
                    layout: <$type as Field<'a>>::LAYOUT,
                    doc: &[$($field_doc),*],
                }),*],
            }),*];

            /// Reads the fields of the call with a code.
            ///
            /// # Errors
            /// [`Malformed`] when there is no such call, or when its fields cannot be read.
            #[inline]
            pub(super) fn read(code: u8, reader: &mut Reader<'a>) -> Result<Self, Malformed> {
                Ok(match code {
                    $($code => Self::$call { $($field: <$type as Field<'a>>::read(reader)?),* },)*
                    _ => return Err(Malformed),
                })
            }

            /// The name of the call in [`Call::ROWS`].
            pub fn name(&self) -> &'static str {
                match self { $(Self::$call { .. } => stringify!($call)),* }
            }
        }
    };
}

calls! {
    /// Something that the user did.
    3 Action { action_type: ActionType, name: &'a str, attributes: Attributes<'a> }
    /// A request that is over.
    4 Resource {
        method: &'a str,
        url: &'a str,
        /// The HTTP status. 0: there was no answer.
        status: u16,
        duration_ns: u64,
        /// Bytes of the answer's body. -1: unknown.
        bytes: i64,
        /// Why there was no answer. Empty: there was one.
        error_type: &'a str,
        attributes: Attributes<'a>,
    }
    /// An error, a crash, a hang.
    5 Error {
        kind: ErrorKind,
        source: ErrorSource,
        error_type: &'a str,
        message: &'a str,
        stack: &'a str,
        attributes: Attributes<'a>,
    }
    /// The main thread was busy for long.
    6 LongTask { duration_ns: u64, frozen: bool, attributes: Attributes<'a> }
    /// A measured value of the app's performance.
    7 Vital { name: &'a str, value: f64, unit: &'a str, attributes: Attributes<'a> }
    /// An event that only the app understands.
    8 Custom { name: &'a str, attributes: Attributes<'a> }
    /// A log.
    9 Log { severity: Severity, body: &'a str, logger: &'a str, attributes: Attributes<'a> }
    /// A value for a metric.
    10 Measurement {
        instrument: Instrument,
        name: &'a str,
        unit: &'a str,
        value: f64,
        attributes: Attributes<'a>,
    }
    /// A view is shown, and the one before it ends.
    32 StartView { name: &'a str }
    /// A view is shown over the current one.
    33 PushView { name: &'a str }
    /// The current view ends.
    34 StopView {}
    /// The current view is complete and can be used.
    35 MarkInteractive {}
    /// An action begins that collects what follows from it.
    36 StartAction { action_type: ActionType, name: &'a str, attributes: Attributes<'a> }
    /// The session ends, and another begins.
    37 RenewSession {}
    /// The context of the action that has just begun is put under a slot, for what happens in the
    /// same turn.
    38 ActionContext { slot: u64 }
    /// An operation begins under a slot.
    40 StartOperation { slot: u64, name: &'a str, attributes: Attributes<'a> }
    /// A span begins under a slot.
    41 StartSpan { slot: u64, name: &'a str, attributes: Attributes<'a> }
    /// Sets attributes of a span.
    42 SpanAttributes { slot: u64, attributes: Attributes<'a> }
    /// Something happened within a span.
    43 SpanEvent { slot: u64, name: &'a str, attributes: Attributes<'a> }
    /// A span refers to the span or context under another slot.
    44 SpanLink { slot: u64, other: u64 }
    /// A span or an operation ends.
    45 EndSpan { slot: u64, outcome: Outcome, error_type: &'a str, message: &'a str }
    /// The context that came with a message is put under a slot.
    46 ReadContext { slot: u64, headers: Headers<'a> }
    /// An operation is tried again.
    47 Retry {
        slot: u64,
        /// Counts from 1.
        attempt: u32,
    }
    /// A request begins under a slot.
    48 StartRequest { slot: u64, method: &'a str, url: &'a str }
    /// A request ends.
    49 EndRequest {
        slot: u64,
        /// The HTTP status. 0: there was no answer.
        status: u16,
        /// Bytes of the answer's body. -1: unknown.
        bytes: i64,
        /// For example `h2` or `http/1.1`. Empty: unknown.
        protocol: &'a str,
        /// Why there was no answer. Empty: there was one.
        error_type: &'a str,
        phases: Phases<'a>,
        attributes: Attributes<'a>,
    }
    /// The draft's context is kept for a message that arrives later.
    50 KeepContext {
        /// The id of that message.
        key: &'a str,
    }
    /// A context that was kept is put under a slot.
    51 TakeContext { slot: u64, key: &'a str }
    /// A traced store is declared. The answer is the version of its policy.
    64 DeclareStore {
        store: u32,
        name: &'a str,
        /// JSON. Empty: the default policy.
        policy: &'a str,
    }
    /// A traced store was changed.
    65 Mutation {
        store: u32,
        kind: MutationKind,
        path: &'a str,
        old: OptionalValue<'a>,
        new: OptionalValue<'a>,
        /// What the host says about the state that surrounds the path.
        attributes: Attributes<'a>,
    }
    /// Asks whether mutations of a path are recorded. The answer is a `PathAnswer`.
    66 Decide { store: u32, path: &'a str }
    /// Replaces the policy of a store. The answer is its version.
    67 UpdatePolicy {
        store: u32,
        /// JSON. Empty: the default policy.
        policy: &'a str,
    }
    /// Only hands over the count in the header.
    68 Suppressed { store: u32 }
    /// Frames that were drawn since the last such call.
    80 Frames { count: u64 }
    /// A frame that took too long.
    81 SlowFrame { duration_ns: u64 }
    /// A sample of the memory that the process uses.
    82 Memory { bytes: u64 }
    /// CPU time that the process used since the last such call.
    83 CpuTime { duration_ns: u64 }
    /// How long the process took to start.
    84 ProcessStart {
        /// `cold`, `warm` or `hot`.
        start_type: &'a str,
        duration_ns: u64,
    }
    /// How long it took until the first frame was shown.
    85 InitialDisplay { duration_ns: u64 }
    /// The app's own synchronization failed.
    90 SyncFailure { rpc: &'a str, code: &'a str, retries: u32, offline: bool }
    /// The app's own queue was flushed.
    91 QueueFlush { depth: u64, ok: bool }
    /// The user, or the app, reports that something is wrong.
    92 ReportProblem { message: &'a str }
    /// Who uses the app: the attributes `id`, `name`, `email` and others. Without any: nobody.
    100 User { attributes: Attributes<'a> }
    /// Sets an attribute of every event from now on, or removes it.
    101 GlobalAttribute { key: &'a str, value: OptionalValue<'a> }
    /// Sets what a feature flag was evaluated to, or removes it.
    102 FeatureFlag { name: &'a str, value: OptionalValue<'a> }
    /// Only in test builds: panics at a place, or at `settle` ends what would end by itself.
    255 Fault { place: &'a str }
}
