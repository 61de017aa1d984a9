//! Reads drafts: numbers, texts and values from the front of the bytes, and which call has which
//! fields.
//!
//! The bytes are a host's: nothing here trusts a length, and nothing is copied that can be lent.

use std::time::Duration;

use throughline::event::{ActionType, ErrorKind, ErrorSource, Phase, PhaseTime, Severity};
use throughline::limits::MAX_DEPTH;
use throughline::state::MutationKind;
use throughline::{AnyValue, Value};

use super::{Attributes, Call, Headers, Held, Instrument, Malformed, Outcome, Phases};

/// A phase's code, start and duration.
const PHASE_BYTES: usize = 17;

/// Reads from the front.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

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
    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    #[inline]
    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    #[inline]
    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    #[inline]
    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
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
    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.blob()?).map_err(|_| Malformed)
    }

    #[inline]
    pub(super) fn peek(&self) -> Result<u8, Malformed> {
        self.0.first().copied().ok_or(Malformed)
    }

    /// A value that borrows what it holds; `None` for a list or a map, which stay unread.
    #[inline]
    pub(super) fn flat(&mut self, tag: u8) -> Result<Option<Value<'a>>, Malformed> {
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
    pub(super) fn value(&mut self, depth: usize) -> Result<Option<AnyValue>, Malformed> {
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

    fn phases(&mut self) -> Result<Phases<'a>, Malformed> {
        let count = usize::from(self.u8()?);
        Ok(Phases(self.take(count * PHASE_BYTES)?))
    }

    /// A phase; `None` for one of a later version.
    pub(super) fn phase(&mut self) -> Result<Option<PhaseTime>, Malformed> {
        let phase = Phase::from_code(self.u8()?);
        let (start, duration) = (Duration::from_nanos(self.u64()?), Duration::from_nanos(self.u64()?));
        Ok(phase.map(|phase| PhaseTime { phase, start, duration }))
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

    pub(super) fn call(&mut self, code: u8) -> Result<Call<'a>, Malformed> {
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
                phases: self.phases()?,
                attributes: self.attributes()?,
            },
            50 => Call::KeepContext { key: self.text()? },
            51 => Call::TakeContext { slot: self.u64()?, key: self.text()? },
            64 => Call::DeclareStore { store: self.u32()?, name: self.text()?, policy: self.text()? },
            65 => Call::Mutation {
                store: self.u32()?,
                kind: mutation_kind(self.u8()?)?,
                path: self.text()?,
                old: self.held()?,
                new: self.held()?,
                attributes: self.attributes()?,
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
