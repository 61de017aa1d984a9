//! Reads the canonical form back. Bytes from disk are untrusted: every read is bounded and an error
//! is a value.

use uuid::Uuid;

use super::encode::field::{self, tag, wire};
use super::encode::{KIND_CONTEXT, KIND_SCOPE, VERSION};
use super::{EventKind, Phase, PhaseTime, TraceContext};
use crate::model::limits::{MAX_ATTRIBUTES, MAX_DEPTH, MAX_ELEMENTS};
use crate::model::value::AnyValue;
use std::time::Duration;

/// Why bytes are no record of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end inside a field.
    #[error("the record ends inside a field")]
    Truncated,
    /// A length, tag or text is not legal.
    #[error("the record holds an illegal value")]
    Malformed,
    /// Written by a later version whose form is not readable by this one.
    #[error("the record has version {0}")]
    NewerVersion(u8),
    /// A kind that this version does not know.
    #[error("the record has kind {0}")]
    UnknownKind(u8),
}

/// Reads primitive values from a slice.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        let (&first, rest) = self.0.split_first().ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(first)
    }

    /// A varint of at most ten bytes.
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let group = u64::from(byte & 0x7f);
            if shift == 63 && group > 1 {
                return Err(DecodeError::Malformed);
            }
            value |= group << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::Malformed)
    }

    /// `length` bytes.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A varint length and as many bytes.
    pub fn prefixed(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(self.varint()?).map_err(|_| DecodeError::Malformed)?;
        self.take(length)
    }

    /// Eight bytes, little endian.
    pub fn fixed(&mut self) -> Result<u64, DecodeError> {
        let bytes = self.take(8)?;
        Ok(u64::from_le_bytes(bytes.try_into().map_err(|_| DecodeError::Truncated)?))
    }

    fn text(&mut self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.prefixed()?).map_err(|_| DecodeError::Malformed)
    }
}

/// Undoes [`super::encode::zigzag`].
pub fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FieldValue<'a> {
    /// A varint.
    Uint(u64),
    /// Eight bytes.
    Fixed(u64),
    /// Length-delimited bytes.
    Bytes(&'a [u8]),
}

/// A decoded event. Fields are looked up by number. Which fields a kind has is written where its
/// struct is.
#[derive(Debug, Clone, PartialEq)]
pub struct Record<'a> {
    /// The kind.
    pub kind: EventKind,
    /// Wall time less the run's base, ns.
    pub time_delta: i64,
    /// Version of the context record; 0 for none.
    pub context: u32,
    /// Version of the scope record; 0 for none.
    pub scope: u32,
    /// Attributes in the order in which they were given.
    pub attributes: Vec<(&'a str, AnyValue)>,
    fields: Vec<(u32, FieldValue<'a>)>,
}

impl<'a> Record<'a> {
    /// Decodes a whole event.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let code = header(&mut reader)?;
        let kind = EventKind::from_code(code).ok_or(DecodeError::UnknownKind(code))?;
        let mut record =
            Self { kind, time_delta: 0, context: 0, scope: 0, attributes: Vec::new(), fields: Vec::with_capacity(8) };
        each_field(&mut reader, |number, value| {
            match (number, value) {
                (field::TIME, FieldValue::Uint(delta)) => record.time_delta = unzigzag(delta),
                (field::CONTEXT, FieldValue::Uint(version)) => record.context = version as u32,
                (field::SCOPE, FieldValue::Uint(version)) => record.scope = version as u32,
                (field::ATTRIBUTE, FieldValue::Bytes(bytes)) => record.attributes.push(attribute(bytes)?),
                other => record.fields.push(other),
            }
            Ok(())
        })?;
        Ok(record)
    }

    /// The kind byte alone: enough to sort rows into requests.
    pub fn peek_kind(bytes: &[u8]) -> Result<EventKind, DecodeError> {
        let code = header(&mut Reader::new(bytes))?;
        EventKind::from_code(code).ok_or(DecodeError::UnknownKind(code))
    }

    fn get(&self, number: u32) -> Option<FieldValue<'a>> {
        self.fields.iter().find(|entry| entry.0 == number).map(|entry| entry.1)
    }

    /// A number.
    pub fn uint(&self, number: u32) -> Option<u64> {
        match self.get(number)? {
            FieldValue::Uint(value) => Some(value),
            _ => None,
        }
    }

    /// A double.
    pub fn double(&self, number: u32) -> Option<f64> {
        match self.get(number)? {
            FieldValue::Fixed(bits) => Some(f64::from_bits(bits)),
            _ => None,
        }
    }

    /// Bytes.
    pub fn bytes(&self, number: u32) -> Option<&'a [u8]> {
        match self.get(number)? {
            FieldValue::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Text; `None` when missing or not UTF-8.
    pub fn text(&self, number: u32) -> Option<&'a str> {
        std::str::from_utf8(self.bytes(number)?).ok()
    }

    /// A UUID.
    pub fn id(&self, number: u32) -> Option<Uuid> {
        Uuid::from_slice(self.bytes(number)?).ok()
    }

    /// A span id.
    pub fn span_id(&self, number: u32) -> Option<[u8; 8]> {
        self.bytes(number)?.try_into().ok()
    }

    /// The event's own trace context.
    pub fn trace(&self) -> Option<TraceContext> {
        trace(self.bytes(field::TRACE)?)
    }

    /// A span's links.
    pub fn links(&self) -> impl Iterator<Item = TraceContext> + '_ {
        self.fields.iter().filter_map(|entry| match *entry {
            (field::LINK, FieldValue::Bytes(bytes)) => trace(bytes),
            _ => None,
        })
    }

    /// A request's phases.
    pub fn phases(&self) -> impl Iterator<Item = PhaseTime> + '_ {
        self.fields.iter().filter_map(|entry| match *entry {
            (field::PHASE, FieldValue::Bytes(bytes)) => phase(bytes),
            _ => None,
        })
    }

    /// A span's events: name, wall time, attributes.
    pub fn span_events(&self) -> impl Iterator<Item = (&'a str, u64, Vec<(&'a str, AnyValue)>)> + '_ {
        self.fields.iter().filter_map(|entry| match *entry {
            (field::SPAN_EVENT, FieldValue::Bytes(bytes)) => span_event(bytes).ok(),
            _ => None,
        })
    }

    /// Doubles written as eight bytes each.
    pub fn doubles(&self, number: u32) -> Vec<f64> {
        self.words(number).map(f64::from_bits).collect()
    }

    /// Numbers written as eight bytes each.
    pub fn uints(&self, number: u32) -> Vec<u64> {
        self.words(number).collect()
    }

    fn words(&self, number: u32) -> impl Iterator<Item = u64> + 'a {
        words(self.bytes(number).unwrap_or_default())
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().map(|word| u64::from_le_bytes(*word))
}

fn phase(bytes: &[u8]) -> Option<PhaseTime> {
    let mut words = words(bytes);
    let phase = Phase::from_code(u8::try_from(words.next()?).ok()?)?;
    Some(PhaseTime { phase, start: Duration::from_nanos(words.next()?), duration: Duration::from_nanos(words.next()?) })
}

/// The slowly changing attributes that events refer to by version.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Context {
    /// In the order in which they were given.
    pub attributes: Vec<(String, AnyValue)>,
}

impl Context {
    /// Decodes a context record.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        match header(&mut reader)? {
            KIND_CONTEXT => {}
            other => return Err(DecodeError::UnknownKind(other)),
        }
        let mut attributes = Vec::new();
        each_field(&mut reader, |number, value| {
            if let (field::ATTRIBUTE, FieldValue::Bytes(bytes)) = (number, value) {
                let (key, value) = attribute(bytes)?;
                attributes.push((key.to_owned(), value));
            }
            Ok(())
        })?;
        Ok(Self { attributes })
    }
}

/// The session and view that events refer to by version.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scope {
    /// The session.
    pub session: Option<Uuid>,
    /// The open view.
    pub view: Option<Uuid>,
    /// Its name.
    pub view_name: String,
}

impl Scope {
    /// Decodes a scope record.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        match header(&mut reader)? {
            KIND_SCOPE => {}
            other => return Err(DecodeError::UnknownKind(other)),
        }
        let mut scope = Self::default();
        each_field(&mut reader, |number, value| {
            match (number, value) {
                (field::SESSION_ID, FieldValue::Bytes(bytes)) => scope.session = Uuid::from_slice(bytes).ok(),
                (field::VIEW_ID, FieldValue::Bytes(bytes)) => scope.view = Uuid::from_slice(bytes).ok(),
                (field::NAME, FieldValue::Bytes(bytes)) => {
                    scope.view_name = String::from_utf8_lossy(bytes).into_owned()
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(scope)
    }
}

fn header(reader: &mut Reader<'_>) -> Result<u8, DecodeError> {
    match reader.byte()? {
        VERSION => reader.byte(),
        other => Err(DecodeError::NewerVersion(other)),
    }
}

fn each_field<'a>(
    reader: &mut Reader<'a>,
    mut visit: impl FnMut(u32, FieldValue<'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    while !reader.is_empty() {
        let key = reader.varint()?;
        let number = u32::try_from(key >> 2).map_err(|_| DecodeError::Malformed)?;
        let value = match (key & 3) as u32 {
            wire::VARINT => FieldValue::Uint(reader.varint()?),
            wire::FIXED => FieldValue::Fixed(reader.fixed()?),
            wire::BYTES => FieldValue::Bytes(reader.prefixed()?),
            _ => return Err(DecodeError::Malformed),
        };
        visit(number, value)?;
    }
    Ok(())
}

fn trace(bytes: &[u8]) -> Option<TraceContext> {
    let (trace_id, rest) = bytes.split_first_chunk::<16>()?;
    let (span_id, rest) = rest.split_first_chunk::<8>()?;
    Some(TraceContext { trace_id: *trace_id, span_id: *span_id, sampled: rest.first()? & 1 == 1 })
}

type SpanEventParts<'a> = (&'a str, u64, Vec<(&'a str, AnyValue)>);

fn span_event(bytes: &[u8]) -> Result<SpanEventParts<'_>, DecodeError> {
    let (mut name, mut time, mut attributes) = ("", 0, Vec::new());
    each_field(&mut Reader::new(bytes), |number, value| {
        match (number, value) {
            (field::NAME, FieldValue::Bytes(bytes)) => {
                name = std::str::from_utf8(bytes).map_err(|_| DecodeError::Malformed)?;
            }
            (field::START_TIME, FieldValue::Uint(ns)) => time = ns,
            (field::ATTRIBUTE, FieldValue::Bytes(bytes)) => attributes.push(attribute(bytes)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok((name, time, attributes))
}

fn attribute(bytes: &[u8]) -> Result<(&str, AnyValue), DecodeError> {
    let mut reader = Reader::new(bytes);
    let key = reader.text()?;
    Ok((key, value(&mut reader, 1)?))
}

fn value(reader: &mut Reader<'_>, depth: usize) -> Result<AnyValue, DecodeError> {
    Ok(match reader.byte()? {
        tag::FALSE => AnyValue::Bool(false),
        tag::TRUE => AnyValue::Bool(true),
        tag::INT => AnyValue::Int(unzigzag(reader.varint()?)),
        tag::DOUBLE => AnyValue::Double(f64::from_bits(reader.fixed()?)),
        tag::TEXT => AnyValue::Text(reader.text()?.to_owned()),
        tag::BYTES => AnyValue::Bytes(reader.prefixed()?.to_vec()),
        tag::LIST => {
            let count = elements(reader, depth)?;
            AnyValue::List((0..count).map(|_| value(reader, depth + 1)).collect::<Result<_, _>>()?)
        }
        tag::MAP => {
            let count = elements(reader, depth)?;
            let entry = |_| Ok((reader.text()?.to_owned(), value(reader, depth + 1)?));
            AnyValue::Map((0..count).map(entry).collect::<Result<_, _>>()?)
        }
        _ => return Err(DecodeError::Malformed),
    })
}

fn elements(reader: &mut Reader<'_>, depth: usize) -> Result<usize, DecodeError> {
    let count = reader.varint()?;
    if depth > MAX_DEPTH || count > MAX_ELEMENTS.max(MAX_ATTRIBUTES) as u64 {
        return Err(DecodeError::Malformed);
    }
    Ok(count as usize)
}

#[cfg(test)]
mod tests;
