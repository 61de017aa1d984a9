//! The draft event: what a facade writes and [`Draft::read`] reads. This file is the layout's only definition.
//!
//! A draft says what happened. Ids, session, view, sampling and redaction are the core's. Everything is little-endian,
//! nothing is aligned.
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
//! A `text` is `u32` bytes and that much UTF-8. A `value` is a tag and what follows it: 1 boolean `u8`, 2 integer `i64`,
//! 3 double `f64`, 4 text, 5 bytes (`u32`, bytes), 6 list (`u16`, values), 7 map (`u16`, (text, value)…), at most 8 deep.
//! A `value?` may also be the tag 0: none. `attributes` are `u16` and as many (text, value). `headers` are `u16` and as many
//! (text, text).
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
//! | 49 | end request | `u64` slot, `u16` status, `i64` bytes (-1 unknown), text protocol, text error type, attributes |
//! | 64 | declare store | `u32` store, text name, text policy as JSON |
//! | 65 | mutation | `u32` store, `u8` kind (1 set, 2 insert, 3 delete, 4 replace, 5 batch), text path, value? before, value? after |
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
//! | 255 | fault | text place: panics there, in test builds alone |
//!
//! A slot is a number that the facade chooses, unique in the process and not 0: so a span can be started, and referred to,
//! before the core is there. Bytes after the fields are ignored: a later version of a call may add some.

use throughline::event::{ActionType, ErrorKind, ErrorSource, Severity};
use throughline::limits::{MAX_DEPTH, MAX_EVENT_BYTES};
use throughline::state::MutationKind;
use throughline::{AnyValue, Attribute, Value};

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
        attributes: Attributes<'a>,
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

/// A value or none, still encoded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Held<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// Lends the attributes.
    ///
    /// # Errors
    /// [`Malformed`] when they cannot be read.
    #[inline]
    pub fn lend<R>(&self, see: impl FnOnce(&[Attribute<'_>]) -> R) -> Result<R, Malformed> {
        let count = usize::from(self.count);
        let mut few = [("", Value::Bool(false)); FEW];
        let Some(places) = few.get_mut(..count) else { return self.lend_many(see) };
        let mut reader = Reader(self.bytes);
        for place in &mut *places {
            let key = reader.text()?;
            match reader.flat(reader.peek()?)? {
                Some(value) => *place = (key, value),
                None => return self.lend_many(see),
            }
        }
        Ok(see(places))
    }

    #[cold]
    fn lend_many<R>(&self, see: impl FnOnce(&[Attribute<'_>]) -> R) -> Result<R, Malformed> {
        Ok(see(&throughline::value::lend(&self.to_owned()?)))
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
    pub fn lend<R>(&self, see: impl FnOnce(Option<Value<'_>>) -> R) -> Result<R, Malformed> {
        let mut reader = Reader(self.0);
        let tag = reader.peek()?;
        if tag == 0 {
            return Ok(see(None));
        }
        if let Some(value) = reader.flat(tag)? {
            return Ok(see(Some(value)));
        }
        let value = reader.value(1)?.ok_or(Malformed)?;
        Ok(see(Some((&value).into())))
    }
}

impl<'a> Draft<'a> {
    /// Reads a draft. Attributes and values are read when they are lent.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes are too many, too few, of another version, or have a code that is not in the table.
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

/// Reads from the front.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    #[inline]
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }

    #[inline]
    fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    #[inline]
    fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    #[inline]
    fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    #[inline]
    fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    #[inline]
    fn i64(&mut self) -> Result<i64, Malformed> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    #[inline]
    fn f64(&mut self) -> Result<f64, Malformed> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    #[inline]
    fn flag(&mut self) -> Result<bool, Malformed> {
        Ok(self.u8()? != 0)
    }

    #[inline]
    fn blob(&mut self) -> Result<&'a [u8], Malformed> {
        let bytes = self.u32()? as usize;
        self.take(bytes)
    }

    #[inline]
    fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.blob()?).map_err(|_| Malformed)
    }

    #[inline]
    fn peek(&self) -> Result<u8, Malformed> {
        self.0.first().copied().ok_or(Malformed)
    }

    /// A value that borrows what it holds; `None` for a list or a map, which stay unread.
    #[inline]
    fn flat(&mut self, tag: u8) -> Result<Option<Value<'a>>, Malformed> {
        if matches!(tag, 6 | 7) {
            return Ok(None);
        }
        let _tag = self.u8()?;
        Ok(Some(match tag {
            1 => Value::Bool(self.flag()?),
            2 => Value::Int(self.i64()?),
            3 => Value::Double(self.f64()?),
            4 => Value::Text(self.text()?),
            5 => Value::Bytes(self.blob()?),
            _ => return Err(Malformed),
        }))
    }

    /// Any value, copied; `None` for the tag 0.
    fn value(&mut self, depth: usize) -> Result<Option<AnyValue>, Malformed> {
        let tag = self.peek()?;
        if tag == 0 {
            let _tag = self.u8()?;
            return Ok(None);
        }
        if let Some(flat) = self.flat(tag)? {
            return Ok(Some(flat.to_any()));
        }
        let _tag = self.u8()?;
        // Facades cut deeper ones, with a marker.
        if depth > MAX_DEPTH {
            return Err(Malformed);
        }
        let count = self.u16()?;
        if tag == 6 {
            let item = |_| self.value(depth + 1)?.ok_or(Malformed);
            return Ok(Some(AnyValue::List((0..count).map(item).collect::<Result<_, _>>()?)));
        }
        let entry = |_| Ok((self.text()?.to_owned(), self.value(depth + 1)?.ok_or(Malformed)?));
        Ok(Some(AnyValue::Map((0..count).map(entry).collect::<Result<_, _>>()?)))
    }

    /// The attributes, which are the last field of a call.
    #[inline]
    fn attributes(&mut self) -> Result<Attributes<'a>, Malformed> {
        Ok(Attributes { count: self.u16()?, bytes: std::mem::take(&mut self.0) })
    }

    fn headers(&mut self) -> Result<Headers<'a>, Malformed> {
        Ok(Headers { count: self.u16()?, bytes: std::mem::take(&mut self.0) })
    }

    /// A value or none, passed over.
    #[inline]
    fn held(&mut self) -> Result<Held<'a>, Malformed> {
        let whole = self.0;
        match self.peek()? {
            0 => drop(self.u8()?),
            tag => {
                if self.flat(tag)?.is_none() {
                    self.value(1)?;
                }
            }
        }
        let read = whole.len() - self.0.len();
        Ok(Held(whole.get(..read).ok_or(Malformed)?))
    }

    fn action_type(&mut self) -> Result<ActionType, Malformed> {
        Ok(match self.u8()? {
            1 => ActionType::Tap,
            2 => ActionType::Scroll,
            3 => ActionType::Swipe,
            4 => ActionType::Back,
            5 => ActionType::Custom,
            _ => return Err(Malformed),
        })
    }

    fn call(&mut self, code: u8) -> Result<Call<'a>, Malformed> {
        Ok(match code {
            3 => Call::Action { action_type: self.action_type()?, name: self.text()?, attributes: self.attributes()? },
            4 => Call::Resource {
                method: self.text()?,
                url: self.text()?,
                status: self.u16()?,
                duration_ns: self.u64()?,
                bytes: self.i64()?,
                error_type: self.text()?,
                attributes: self.attributes()?,
            },
            5 => Call::Error {
                kind: error_kind(self.u8()?)?,
                source: error_source(self.u8()?)?,
                error_type: self.text()?,
                message: self.text()?,
                stack: self.text()?,
                attributes: self.attributes()?,
            },
            6 => Call::LongTask { duration_ns: self.u64()?, frozen: self.flag()?, attributes: self.attributes()? },
            7 => Call::Vital {
                name: self.text()?,
                value: self.f64()?,
                unit: self.text()?,
                attributes: self.attributes()?,
            },
            8 => Call::Custom { name: self.text()?, attributes: self.attributes()? },
            9 => Call::Log {
                severity: severity(self.u8()?)?,
                body: self.text()?,
                logger: self.text()?,
                attributes: self.attributes()?,
            },
            10 => Call::Measurement {
                instrument: instrument(self.u8()?)?,
                name: self.text()?,
                unit: self.text()?,
                value: self.f64()?,
                attributes: self.attributes()?,
            },
            32 => Call::StartView { name: self.text()? },
            33 => Call::PushView { name: self.text()? },
            34 => Call::StopView,
            35 => Call::MarkInteractive,
            36 => Call::StartAction {
                action_type: self.action_type()?,
                name: self.text()?,
                attributes: self.attributes()?,
            },
            37 => Call::RenewSession,
            40 => Call::StartOperation { slot: self.u64()?, name: self.text()?, attributes: self.attributes()? },
            41 => Call::StartSpan { slot: self.u64()?, name: self.text()?, attributes: self.attributes()? },
            42 => Call::SpanAttributes { slot: self.u64()?, attributes: self.attributes()? },
            43 => Call::SpanEvent { slot: self.u64()?, name: self.text()?, attributes: self.attributes()? },
            44 => Call::SpanLink { slot: self.u64()?, other: self.u64()? },
            45 => Call::EndSpan {
                slot: self.u64()?,
                outcome: outcome(self.u8()?)?,
                error_type: self.text()?,
                message: self.text()?,
            },
            46 => Call::ReadContext { slot: self.u64()?, headers: self.headers()? },
            47 => Call::Retry { slot: self.u64()?, attempt: self.u32()? },
            48 => Call::StartRequest { slot: self.u64()?, method: self.text()?, url: self.text()? },
            49 => Call::EndRequest {
                slot: self.u64()?,
                status: self.u16()?,
                bytes: self.i64()?,
                protocol: self.text()?,
                error_type: self.text()?,
                attributes: self.attributes()?,
            },
            64 => Call::DeclareStore { store: self.u32()?, name: self.text()?, policy: self.text()? },
            65 => Call::Mutation {
                store: self.u32()?,
                kind: mutation_kind(self.u8()?)?,
                path: self.text()?,
                old: self.held()?,
                new: self.held()?,
            },
            66 => Call::Decide { store: self.u32()?, path: self.text()? },
            67 => Call::UpdatePolicy { store: self.u32()?, policy: self.text()? },
            68 => Call::Suppressed { store: self.u32()? },
            80 => Call::Frames { count: self.u64()? },
            81 => Call::SlowFrame { duration_ns: self.u64()? },
            82 => Call::Memory { bytes: self.u64()? },
            83 => Call::ProcessorTime { duration_ns: self.u64()? },
            84 => Call::ProcessStart { start_type: self.text()?, duration_ns: self.u64()? },
            85 => Call::InitialDisplay { duration_ns: self.u64()? },
            90 => Call::SyncFailure {
                call: self.text()?,
                code: self.text()?,
                retries: self.u32()?,
                offline: self.flag()?,
            },
            91 => Call::QueueFlush { depth: self.u64()?, ok: self.flag()? },
            92 => Call::ReportProblem { message: self.text()? },
            100 => Call::User { attributes: self.attributes()? },
            101 => Call::GlobalAttribute { key: self.text()?, value: self.held()? },
            102 => Call::FeatureFlag { name: self.text()?, value: self.held()? },
            255 => Call::Fault { place: self.text()? },
            _ => return Err(Malformed),
        })
    }
}

fn error_kind(code: u8) -> Result<ErrorKind, Malformed> {
    Ok(match code {
        1 => ErrorKind::Handled,
        2 => ErrorKind::Crash,
        3 => ErrorKind::Hang,
        4 => ErrorKind::Anr,
        5 => ErrorKind::OutOfMemory,
        _ => return Err(Malformed),
    })
}

fn error_source(code: u8) -> Result<ErrorSource, Malformed> {
    Ok(match code {
        1 => ErrorSource::Source,
        2 => ErrorSource::Network,
        3 => ErrorSource::Logger,
        4 => ErrorSource::WebView,
        5 => ErrorSource::Custom,
        _ => return Err(Malformed),
    })
}

/// OpenTelemetry has four numbers a level.
fn severity(number: u8) -> Result<Severity, Malformed> {
    Ok(match number {
        1..=4 => Severity::Trace,
        5..=8 => Severity::Debug,
        9..=12 => Severity::Info,
        13..=16 => Severity::Warn,
        17..=20 => Severity::Error,
        21..=24 => Severity::Fatal,
        _ => return Err(Malformed),
    })
}

fn instrument(code: u8) -> Result<Instrument, Malformed> {
    Ok(match code {
        1 => Instrument::Counter,
        2 => Instrument::UpDownCounter,
        3 => Instrument::Gauge,
        4 => Instrument::Histogram,
        _ => return Err(Malformed),
    })
}

fn outcome(code: u8) -> Result<Outcome, Malformed> {
    Ok(match code {
        0 => Outcome::Abandoned,
        1 => Outcome::Succeeded,
        2 => Outcome::Failed,
        _ => return Err(Malformed),
    })
}

fn mutation_kind(code: u8) -> Result<MutationKind, Malformed> {
    Ok(match code {
        1 => MutationKind::Set,
        2 => MutationKind::Insert,
        3 => MutationKind::Delete,
        4 => MutationKind::Replace,
        5 => MutationKind::Batch,
        _ => return Err(Malformed),
    })
}
