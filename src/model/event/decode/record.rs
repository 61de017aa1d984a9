//! An event, as it is read back.

use std::time::Duration;

use uuid::Uuid;

use super::reader::{DecodeError, Reader, unzigzag};
use super::{FieldValue, attribute, each_field, header};
use crate::model::event::encode::field;
use crate::model::event::{EventKind, Phase, PhaseTime, TraceContext};
use crate::model::value::AnyValue;

/// A decoded event. Its fields are looked up by number. Which fields a kind has is written beside
/// the struct of the kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Record<'a> {
    /// The kind of the event.
    pub kind: EventKind,
    /// The wall time of the event less the base time of its run, in ns.
    pub time_delta: i64,
    /// The version of the context record that the event refers to. 0 for none.
    pub context: u32,
    /// The version of the scope record that the event refers to. 0 for none.
    pub scope: u32,
    /// The attributes, in the order in which they were given.
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

    /// Reads the kind alone. That is enough to sort rows into requests.
    pub fn peek_kind(bytes: &[u8]) -> Result<EventKind, DecodeError> {
        let code = header(&mut Reader::new(bytes))?;
        EventKind::from_code(code).ok_or(DecodeError::UnknownKind(code))
    }

    /// Reads the versions of the context and of the scope alone. 0 for none.
    pub fn peek_references(bytes: &[u8]) -> Result<[u32; 2], DecodeError> {
        let mut reader = Reader::new(bytes);
        header(&mut reader)?;
        let mut versions = [0; 2];
        let [context, scope] = &mut versions;
        each_field(&mut reader, |number, value| {
            match (number, value) {
                (field::CONTEXT, FieldValue::Uint(version)) => *context = version as u32,
                (field::SCOPE, FieldValue::Uint(version)) => *scope = version as u32,
                _ => {}
            }
            Ok(())
        })?;
        Ok(versions)
    }

    fn get(&self, number: u32) -> Option<FieldValue<'a>> {
        self.fields.iter().find(|entry| entry.0 == number).map(|entry| entry.1)
    }

    /// A field that is a number.
    pub fn uint(&self, number: u32) -> Option<u64> {
        match self.get(number)? {
            FieldValue::Uint(value) => Some(value),
            _ => None,
        }
    }

    /// A field that is a double.
    pub fn double(&self, number: u32) -> Option<f64> {
        match self.get(number)? {
            FieldValue::Fixed(bits) => Some(f64::from_bits(bits)),
            _ => None,
        }
    }

    /// A field that is bytes.
    pub fn bytes(&self, number: u32) -> Option<&'a [u8]> {
        match self.get(number)? {
            FieldValue::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A field that is a text. `None` when it is missing or not UTF-8.
    pub fn text(&self, number: u32) -> Option<&'a str> {
        std::str::from_utf8(self.bytes(number)?).ok()
    }

    /// A field that is a UUID.
    pub fn id(&self, number: u32) -> Option<Uuid> {
        Uuid::from_slice(self.bytes(number)?).ok()
    }

    /// A field that is the id of a span.
    pub fn span_id(&self, number: u32) -> Option<[u8; 8]> {
        self.bytes(number)?.try_into().ok()
    }

    /// The trace context of the event itself.
    pub fn trace(&self) -> Option<TraceContext> {
        trace(self.bytes(field::TRACE)?)
    }

    /// The links of a span.
    pub fn links(&self) -> impl Iterator<Item = TraceContext> + '_ {
        self.fields.iter().filter_map(|entry| match *entry {
            (field::LINK, FieldValue::Bytes(bytes)) => trace(bytes),
            _ => None,
        })
    }

    /// The phases of a request.
    pub fn phases(&self) -> impl Iterator<Item = PhaseTime> + '_ {
        self.fields.iter().filter_map(|entry| match *entry {
            (field::PHASE, FieldValue::Bytes(bytes)) => phase(bytes),
            _ => None,
        })
    }

    /// The events of a span, each with its name, its wall time in ns, and its attributes.
    pub fn span_events(&self) -> impl Iterator<Item = SpanEventParts<'a>> + '_ {
        self.fields.iter().filter_map(|entry| match *entry {
            (field::SPAN_EVENT, FieldValue::Bytes(bytes)) => span_event(bytes).ok(),
            _ => None,
        })
    }

    /// A field that is a list of doubles.
    pub fn doubles(&self, number: u32) -> Vec<f64> {
        self.words(number).map(f64::from_bits).collect()
    }

    /// A field that is a list of numbers.
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

fn trace(bytes: &[u8]) -> Option<TraceContext> {
    let (trace_id, rest) = bytes.split_first_chunk::<16>()?;
    let (span_id, rest) = rest.split_first_chunk::<8>()?;
    Some(TraceContext { trace_id: *trace_id, span_id: *span_id, sampled: rest.first()? & 1 == 1 })
}

/// The name, the wall time in ns, and the attributes of an event of a span.
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
