//! The draft event: what a facade writes and [`Draft::read`] reads. This file is the layout's only
//! definition.
//!
//! A draft says what happened. Ids, session, view, sampling and redaction are the core's.
//! Everything is little-endian, nothing is aligned.
//!
//! | part | bytes |
//! |---|---|
//! | version | 1: [`VERSION`] |
//! | call | 1: a code of the table below |
//! | reserved | 2: zero |
//! | suppressed | 4: mutations of a store that the facade suppressed by itself since the last draft; else 0 |
//! | context | 8: the slot of the span or context that caused it; 0: what the core knows |
//! | time | 8: wall time, ns since the Unix epoch; 0: now |
//! | fields | as the table says, in this order |
//!
//! A `text` is `u32` bytes and that much UTF-8. A `value` is a tag and what follows it: 1 boolean
//! `u8`, 2 integer `i64`, 3 double `f64`, 4 text, 5 bytes (`u32`, bytes), 6 list (`u16`, values), 7
//! map (`u16`, (text, value)…), at most 8 deep. A `value?` may also be the tag 0: none.
//! `attributes` are `u16` and as many (text, value). `headers` are `u16` and as many (text, text).
//! `phases` are `u8` and as many (`u8` phase: 1 DNS, 2 connect, 3 TLS, 4 first byte, 5 download;
//! `u64` start after the request's, ns; `u64` duration, ns); those that are not known are passed
//! over.
//!
//! | code | call | fields |
//! |---|---|---|
//! | 3 | action | `u8` type (1 tap, 2 scroll, 3 swipe, 4 back, 5 custom), text name, attributes |
//! | 4 | resource | text method, text url, `u16` status, `u64` duration ns, `i64` bytes (-1 unknown), text error type, attributes |
//! | 5 | error | `u8` kind (1 handled, 2 crash, 3 hang, 4 ANR, 5 out of memory), `u8` source (1 source, 2 network, 3 logger, 4 web view, 5 custom), text type, text message, text stack, attributes |
//! | 6 | long task | `u64` duration ns, `u8` frozen frame, attributes |
//! | 7 | vital | text name, `f64` value, text unit, attributes |
//! | 8 | custom | text name, attributes |
//! | 9 | log | `u8` severity number of OpenTelemetry, text body, text logger, attributes |
//! | 10 | measurement | `u8` instrument (1 counter, 2 up-down counter, 3 gauge, 4 histogram), text name, text unit, `f64` value, attributes |
//! | 32 | start view | text name |
//! | 33 | push view | text name |
//! | 34 | stop view | |
//! | 35 | mark interactive | |
//! | 36 | start action | `u8` type, text name, attributes |
//! | 37 | renew session | |
//! | 40 | start operation | `u64` slot, text name, attributes |
//! | 41 | start span | `u64` slot, text name, attributes |
//! | 42 | span attributes | `u64` slot, attributes |
//! | 43 | span event | `u64` slot, text name, attributes |
//! | 44 | span link | `u64` slot, `u64` slot of the other |
//! | 45 | end span | `u64` slot, `u8` outcome (0 abandoned, 1 succeeded, 2 failed), text error type, text message |
//! | 46 | read context | `u64` slot, headers |
//! | 47 | retry | `u64` slot, `u32` attempt |
//! | 48 | start request | `u64` slot, text method, text url |
//! | 49 | end request | `u64` slot, `u16` status, `i64` bytes (-1 unknown), text protocol, text error type, phases, attributes |
//! | 50 | keep context | text key: the id of a message that answers later |
//! | 51 | take context | `u64` slot, text key |
//! | 64 | declare store | `u32` store, text name, text policy as JSON |
//! | 65 | mutation | `u32` store, `u8` kind (1 set, 2 insert, 3 delete, 4 replace, 5 batch), text path, value? before, value? after, attributes: what the host says of the store |
//! | 66 | decide | `u32` store, text path |
//! | 67 | update policy | `u32` store, text policy as JSON |
//! | 68 | suppressed | `u32` store: only the count in the header |
//! | 80 | frames | `u64` count |
//! | 81 | slow frame | `u64` duration ns |
//! | 82 | memory | `u64` bytes |
//! | 83 | processor time | `u64` ns |
//! | 84 | process start | text type, `u64` duration ns |
//! | 85 | initial display | `u64` duration ns |
//! | 90 | sync failure | text call, text code, `u32` retries, `u8` offline |
//! | 91 | queue flush | `u64` depth, `u8` ok |
//! | 92 | report problem | text message |
//! | 100 | user | attributes: `id`, `name`, `email` and others; none: nobody |
//! | 101 | global attribute | text key, value? |
//! | 102 | feature flag | text name, value? |
//! | 255 | fault | text place: panics there, or at `settle` ends what settles by itself; in test builds alone |
//!
//! A slot is a number that the facade chooses, unique in the process and not 0: so a span can be
//! started, and referred to, before the core is there. Bytes after the fields are ignored: a later
//! version of a call may add some.

mod reader;

use throughline::event::{ActionType, ErrorKind, ErrorSource, PhaseTime, Severity};
use throughline::limits::MAX_EVENT_BYTES;
use throughline::state::MutationKind;
use throughline::{AnyValue, Attribute, Value};

use self::reader::Reader;

/// The version of this layout.
pub const VERSION: u8 = 1;
/// Bytes before a draft's fields.
pub const HEADER_BYTES: usize = 24;
/// A longer draft is refused: twice what an event may have, for texts are cut in the core.
pub const MAX_DRAFT_BYTES: usize = 2 * MAX_EVENT_BYTES;

/// Attributes that are lent without allocating.
const FEW: usize = 8;

/// The bytes are no draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// A draft.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Draft<'a> {
    /// Mutations that the facade suppressed.
    pub suppressed: u32,
    /// The slot of what caused it.
    pub context: u64,
    /// Wall time, ns; 0: now.
    pub time_ns: u64,
    /// What happened.
    pub call: Call<'a>,
}

/// What happened. The fields are those of the module's table.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "the module's table says what each is")]
pub enum Call<'a> {
    Action {
        action_type: ActionType,
        name: &'a str,
        attributes: Attributes<'a>,
    },
    Resource {
        method: &'a str,
        url: &'a str,
        status: u16,
        duration_ns: u64,
        bytes: i64,
        error_type: &'a str,
        attributes: Attributes<'a>,
    },
    Error {
        kind: ErrorKind,
        source: ErrorSource,
        error_type: &'a str,
        message: &'a str,
        stack: &'a str,
        attributes: Attributes<'a>,
    },
    LongTask {
        duration_ns: u64,
        frozen: bool,
        attributes: Attributes<'a>,
    },
    Vital {
        name: &'a str,
        value: f64,
        unit: &'a str,
        attributes: Attributes<'a>,
    },
    Custom {
        name: &'a str,
        attributes: Attributes<'a>,
    },
    Log {
        severity: Severity,
        body: &'a str,
        logger: &'a str,
        attributes: Attributes<'a>,
    },
    Measurement {
        instrument: Instrument,
        name: &'a str,
        unit: &'a str,
        value: f64,
        attributes: Attributes<'a>,
    },
    StartView {
        name: &'a str,
    },
    PushView {
        name: &'a str,
    },
    StopView,
    MarkInteractive,
    StartAction {
        action_type: ActionType,
        name: &'a str,
        attributes: Attributes<'a>,
    },
    RenewSession,
    StartOperation {
        slot: u64,
        name: &'a str,
        attributes: Attributes<'a>,
    },
    StartSpan {
        slot: u64,
        name: &'a str,
        attributes: Attributes<'a>,
    },
    SpanAttributes {
        slot: u64,
        attributes: Attributes<'a>,
    },
    SpanEvent {
        slot: u64,
        name: &'a str,
        attributes: Attributes<'a>,
    },
    SpanLink {
        slot: u64,
        other: u64,
    },
    EndSpan {
        slot: u64,
        outcome: Outcome,
        error_type: &'a str,
        message: &'a str,
    },
    ReadContext {
        slot: u64,
        headers: Headers<'a>,
    },
    Retry {
        slot: u64,
        attempt: u32,
    },
    StartRequest {
        slot: u64,
        method: &'a str,
        url: &'a str,
    },
    EndRequest {
        slot: u64,
        status: u16,
        bytes: i64,
        protocol: &'a str,
        error_type: &'a str,
        phases: Phases<'a>,
        attributes: Attributes<'a>,
    },
    KeepContext {
        key: &'a str,
    },
    TakeContext {
        slot: u64,
        key: &'a str,
    },
    DeclareStore {
        store: u32,
        name: &'a str,
        policy: &'a str,
    },
    Mutation {
        store: u32,
        kind: MutationKind,
        path: &'a str,
        old: Held<'a>,
        new: Held<'a>,
        attributes: Attributes<'a>,
    },
    Decide {
        store: u32,
        path: &'a str,
    },
    UpdatePolicy {
        store: u32,
        policy: &'a str,
    },
    Suppressed {
        store: u32,
    },
    Frames {
        count: u64,
    },
    SlowFrame {
        duration_ns: u64,
    },
    Memory {
        bytes: u64,
    },
    ProcessorTime {
        duration_ns: u64,
    },
    ProcessStart {
        start_type: &'a str,
        duration_ns: u64,
    },
    InitialDisplay {
        duration_ns: u64,
    },
    SyncFailure {
        call: &'a str,
        code: &'a str,
        retries: u32,
        offline: bool,
    },
    QueueFlush {
        depth: u64,
        ok: bool,
    },
    ReportProblem {
        message: &'a str,
    },
    User {
        attributes: Attributes<'a>,
    },
    GlobalAttribute {
        key: &'a str,
        value: Held<'a>,
    },
    FeatureFlag {
        name: &'a str,
        value: Held<'a>,
    },
    Fault {
        place: &'a str,
    },
}

/// A metric's instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "OpenTelemetry's names")]
pub enum Instrument {
    Counter,
    UpDownCounter,
    Gauge,
    Histogram,
}

/// How a span ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Outcome {
    Abandoned,
    Succeeded,
    Failed,
}

/// Attributes, still encoded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attributes<'a> {
    count: u16,
    bytes: &'a [u8],
}

/// Headers, still encoded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Headers<'a> {
    count: u16,
    bytes: &'a [u8],
}

/// A request's phases, still encoded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Phases<'a>(&'a [u8]);

impl Phases<'_> {
    /// Reads them.
    pub fn read(&self) -> Vec<PhaseTime> {
        let mut reader = Reader(self.0);
        let phases = std::iter::from_fn(|| reader.phase().ok());
        phases.flatten().collect()
    }
}

/// A value or none, still encoded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Held<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// Lends the attributes.
    ///
    /// # Errors
    /// [`Malformed`] when they cannot be read.
    #[inline]
    pub fn lend<R>(&self, visit: impl FnOnce(&[Attribute<'_>]) -> R) -> Result<R, Malformed> {
        let count = usize::from(self.count);
        let mut few = [("", Value::Bool(false)); FEW];
        let Some(places) = few.get_mut(..count) else { return self.lend_many(visit) };
        let mut reader = Reader(self.bytes);
        for place in &mut *places {
            let key = reader.text()?;
            match reader.flat(reader.peek()?)? {
                Some(value) => *place = (key, value),
                None => return self.lend_many(visit),
            }
        }
        Ok(visit(places))
    }

    #[cold]
    fn lend_many<R>(&self, visit: impl FnOnce(&[Attribute<'_>]) -> R) -> Result<R, Malformed> {
        Ok(visit(&throughline::internals::lend(&self.to_owned()?)))
    }

    /// The attributes, copied.
    ///
    /// # Errors
    /// [`Malformed`] when they cannot be read.
    pub fn to_owned(&self) -> Result<Vec<(String, AnyValue)>, Malformed> {
        let mut reader = Reader(self.bytes);
        (0..self.count).map(|_| Ok((reader.text()?.to_owned(), reader.value(1)?.ok_or(Malformed)?))).collect()
    }
}

impl<'a> Headers<'a> {
    /// The headers.
    ///
    /// # Errors
    /// [`Malformed`] when they cannot be read.
    pub fn read(&self) -> Result<Vec<(&'a str, &'a str)>, Malformed> {
        let mut reader = Reader(self.bytes);
        (0..self.count).map(|_| Ok((reader.text()?, reader.text()?))).collect()
    }
}

impl Held<'_> {
    /// Lends the value, if there is one.
    ///
    /// # Errors
    /// [`Malformed`] when it cannot be read.
    #[inline]
    pub fn lend<R>(&self, visit: impl FnOnce(Option<Value<'_>>) -> R) -> Result<R, Malformed> {
        let mut reader = Reader(self.0);
        let tag = reader.peek()?;
        if tag == 0 {
            return Ok(visit(None));
        }
        if let Some(value) = reader.flat(tag)? {
            return Ok(visit(Some(value)));
        }
        let value = reader.value(1)?.ok_or(Malformed)?;
        Ok(visit(Some((&value).into())))
    }
}

impl<'a> Draft<'a> {
    /// Reads a draft. Attributes and values are read when they are lent.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes are too many, too few, of another version, or have a code that
    /// is not in the table.
    #[inline]
    pub fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_DRAFT_BYTES {
            return Err(Malformed);
        }
        let mut reader = Reader(bytes);
        let [version, code] = [reader.u8()?, reader.u8()?];
        let _reserved = reader.u16()?;
        let (suppressed, context, time_ns) = (reader.u32()?, reader.u64()?, reader.u64()?);
        if version != VERSION {
            return Err(Malformed);
        }
        Ok(Self { suppressed, context, time_ns, call: reader.call(code)? })
    }
}
