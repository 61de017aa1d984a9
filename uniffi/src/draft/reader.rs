//! Reads numbers, texts and values from the front of a draft's bytes.
//!
//! The bytes are a host's: no length is trusted, and nothing is copied that can be lent.

use std::time::Duration;

use throughline::event::{Phase, PhaseTime};
use throughline::limits::MAX_DEPTH;
use throughline::{AnyValue, Value};

use super::Malformed;
use super::layout::tag;

/// A type that a field may have.
pub(super) trait Field<'a>: Sized {
    /// What the layout's documentation calls it.
    const LAYOUT: &'static str;

    /// Reads it from the front.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes are too few or have no such value.
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed>;
}

/// Reads from the front.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// Bytes of one phase: its code, its start and its duration.
    pub(super) const PHASE_BYTES: usize = 17;

    #[inline]
    pub(super) fn take(&mut self, bytes: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Takes everything that is left.
    #[inline]
    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
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
    pub(super) fn i64(&mut self) -> Result<i64, Malformed> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    #[inline]
    pub(super) fn f64(&mut self) -> Result<f64, Malformed> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    #[inline]
    pub(super) fn flag(&mut self) -> Result<bool, Malformed> {
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

    /// A value that borrows what it holds. `None` for a list or a map, which stay unread.
    #[inline]
    pub(super) fn flat(&mut self, tag: u8) -> Result<Option<Value<'a>>, Malformed> {
        if matches!(tag, tag::LIST | tag::MAP) {
            return Ok(None);
        }
        let _tag = self.u8()?;
        Ok(Some(match tag {
            tag::BOOL => Value::Bool(self.flag()?),
            tag::INT => Value::Int(self.i64()?),
            tag::DOUBLE => Value::Double(self.f64()?),
            tag::TEXT => Value::Text(self.text()?),
            tag::BYTES => Value::Bytes(self.blob()?),
            _ => return Err(Malformed),
        }))
    }

    /// Any value, copied. `None` for the tag that stands for none.
    pub(super) fn value(&mut self, depth: usize) -> Result<Option<AnyValue>, Malformed> {
        let tag = self.peek()?;
        if tag == tag::NONE {
            let _tag = self.u8()?;
            return Ok(None);
        }
        if let Some(flat) = self.flat(tag)? {
            return Ok(Some(flat.to_any()));
        }
        let _tag = self.u8()?;
        // The facades write a marker instead of what is deeper.
        if depth > MAX_DEPTH {
            return Err(Malformed);
        }
        let count = self.u16()?;
        if tag == tag::LIST {
            let item = |_| self.value(depth + 1)?.ok_or(Malformed);
            return Ok(Some(AnyValue::List((0..count).map(item).collect::<Result<_, _>>()?)));
        }
        let entry = |_| Ok((self.text()?.to_owned(), self.value(depth + 1)?.ok_or(Malformed)?));
        Ok(Some(AnyValue::Map((0..count).map(entry).collect::<Result<_, _>>()?)))
    }

    /// The bytes of a value or of none, whose form is checked.
    #[inline]
    pub(super) fn passed_over(&mut self) -> Result<&'a [u8], Malformed> {
        let whole = self.0;
        match self.peek()? {
            tag::NONE => drop(self.u8()?),
            tag => {
                if self.flat(tag)?.is_none() {
                    self.value(1)?;
                }
            }
        }
        let read = whole.len() - self.0.len();
        whole.get(..read).ok_or(Malformed)
    }

    /// A phase of a request. `None` for one of a later version.
    pub(super) fn phase(&mut self) -> Result<Option<PhaseTime>, Malformed> {
        let mut fields = Reader(self.take(Self::PHASE_BYTES)?);
        let phase = Phase::read(&mut fields).ok();
        let (start, duration) = (Duration::from_nanos(fields.u64()?), Duration::from_nanos(fields.u64()?));
        Ok(phase.map(|phase| PhaseTime { phase, start, duration }))
    }
}
