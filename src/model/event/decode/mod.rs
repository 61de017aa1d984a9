//! Reads the canonical form back, which [`encode`](super::encode) writes.
//!
//! No byte from the disk is trusted: every read is bounded, nothing panics, and what cannot be read
//! is a [`DecodeError`]. Fields with unknown numbers are skipped, because a later version may have
//! written them.

mod context;
mod reader;
mod record;

pub use context::{Context, Scope};
pub use reader::{DecodeError, Reader, unzigzag};
pub use record::Record;

use super::encode::VERSION;
use super::encode::field::{tag, wire};
use crate::model::limits::{MAX_ATTRIBUTES, MAX_DEPTH, MAX_ELEMENTS};
use crate::model::value::AnyValue;

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FieldValue<'a> {
    /// A number, written as a varint.
    Uint(u64),
    /// Eight bytes, for example a double.
    Fixed(u64),
    /// Bytes with their length: a text, an id, a list, or fields of its own.
    Bytes(&'a [u8]),
}

/// Reads the version and the kind with which every record begins. Returns the kind.
fn header(reader: &mut Reader<'_>) -> Result<u8, DecodeError> {
    match reader.byte()? {
        VERSION => reader.byte(),
        other => Err(DecodeError::NewerVersion(other)),
    }
}

/// Visits the fields that are left, each with its number.
fn each_field<'a>(
    reader: &mut Reader<'a>,
    mut visit: impl FnMut(u32, FieldValue<'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    while !reader.is_empty() {
        let (number, value) = next_field(reader)?;
        visit(number, value)?;
    }
    Ok(())
}

/// Reads a field with its number.
fn next_field<'a>(reader: &mut Reader<'a>) -> Result<(u32, FieldValue<'a>), DecodeError> {
    let key = reader.varint()?;
    let number = u32::try_from(key >> 2).map_err(|_| DecodeError::Malformed)?;
    let value = match (key & 3) as u32 {
        wire::VARINT => FieldValue::Uint(reader.varint()?),
        wire::FIXED => FieldValue::Fixed(reader.fixed()?),
        wire::BYTES => FieldValue::Bytes(reader.prefixed()?),
        _ => return Err(DecodeError::Malformed),
    };
    Ok((number, value))
}

/// A copy of a record without the fields of these numbers. All others stay as they are, also those
/// of a later version.
pub(super) fn without(record: &[u8], numbers: &[u32]) -> Result<Vec<u8>, DecodeError> {
    let mut reader = Reader::new(record);
    header(&mut reader)?;
    let mut copy = Vec::with_capacity(record.len());
    copy.extend_from_slice(record.strip_suffix(reader.rest()).unwrap_or_default());
    while !reader.is_empty() {
        let from = reader.rest();
        let (number, _) = next_field(&mut reader)?;
        if !numbers.contains(&number) {
            copy.extend_from_slice(from.strip_suffix(reader.rest()).unwrap_or_default());
        }
    }
    Ok(copy)
}

/// Reads the key and the value of an attribute.
fn attribute(bytes: &[u8]) -> Result<(&str, AnyValue), DecodeError> {
    let mut reader = Reader::new(bytes);
    let key = reader.text()?;
    Ok((key, value(&mut reader, 1)?))
}

/// Reads a value of an attribute. `depth` is how deep it is nested, from 1.
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

/// Reads how many elements a list or map has.
fn elements(reader: &mut Reader<'_>, depth: usize) -> Result<usize, DecodeError> {
    let count = reader.varint()?;
    if depth > MAX_DEPTH || count > MAX_ELEMENTS.max(MAX_ATTRIBUTES) as u64 {
        return Err(DecodeError::Malformed);
    }
    Ok(count as usize)
}

#[cfg(test)]
mod tests;
