//! The fields of a call. Those that may be long stay encoded until they are lent.

use throughline::event::PhaseTime;
use throughline::{AnyValue, Attribute, Value};

use super::Malformed;
use super::layout::tag;
use super::reader::{Field, Reader};

/// Attributes that are lent without an allocation.
const FEW: usize = 8;

/// Fields that the reader has a method for.
macro_rules! fields {
    ($($type:ty, $layout:literal, $read:ident;)*) => {$(
        impl<'a> Field<'a> for $type {
            const LAYOUT: &'static str = $layout;

            #[inline]
            fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
                reader.$read()
            }
        }
    )*};
}

fields! {
    u16, "u16", u16;
    u32, "u32", u32;
    u64, "u64", u64;
    i64, "i64", i64;
    f64, "f64", f64;
    bool, "flag", flag;
    &'a str, "text", text;
}

/// Attributes, still encoded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attributes<'a> {
    count: u16,
    bytes: &'a [u8],
}

impl<'a> Field<'a> for Attributes<'a> {
    const LAYOUT: &'static str = "attributes";

    /// They are the last field of a call.
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(Self { count: reader.u16()?, bytes: reader.rest() })
    }
}

impl Attributes<'_> {
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

    /// Copies the attributes.
    ///
    /// # Errors
    /// [`Malformed`] when they cannot be read.
    pub fn to_owned(&self) -> Result<Vec<(String, AnyValue)>, Malformed> {
        let mut reader = Reader(self.bytes);
        (0..self.count).map(|_| Ok((reader.text()?.to_owned(), reader.value(1)?.ok_or(Malformed)?))).collect()
    }
}

/// Headers, still encoded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Headers<'a> {
    count: u16,
    bytes: &'a [u8],
}

impl<'a> Field<'a> for Headers<'a> {
    const LAYOUT: &'static str = "headers";

    /// They are the last field of a call.
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(Self { count: reader.u16()?, bytes: reader.rest() })
    }
}

impl<'a> Headers<'a> {
    /// Reads the headers.
    ///
    /// # Errors
    /// [`Malformed`] when they cannot be read.
    pub fn read_all(&self) -> Result<Vec<(&'a str, &'a str)>, Malformed> {
        let mut reader = Reader(self.bytes);
        (0..self.count).map(|_| Ok((reader.text()?, reader.text()?))).collect()
    }
}

/// The phases of a request, still encoded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Phases<'a>(&'a [u8]);

impl<'a> Field<'a> for Phases<'a> {
    const LAYOUT: &'static str = "phases";

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let count = usize::from(reader.u8()?);
        Ok(Self(reader.take(count * Reader::PHASE_BYTES)?))
    }
}

impl Phases<'_> {
    /// Reads the phases. Those of a later version are passed over.
    pub fn read_all(&self) -> Vec<PhaseTime> {
        let mut reader = Reader(self.0);
        let phases = std::iter::from_fn(|| reader.phase().ok());
        phases.flatten().collect()
    }
}

/// A value or none, still encoded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptionalValue<'a>(&'a [u8]);

impl<'a> Field<'a> for OptionalValue<'a> {
    const LAYOUT: &'static str = "value?";

    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        reader.passed_over().map(Self)
    }
}

impl OptionalValue<'_> {
    /// Lends the value, if there is one.
    ///
    /// # Errors
    /// [`Malformed`] when it cannot be read.
    #[inline]
    pub fn lend<R>(&self, visit: impl FnOnce(Option<Value<'_>>) -> R) -> Result<R, Malformed> {
        let mut reader = Reader(self.0);
        let tag = reader.peek()?;
        if tag == tag::NONE {
            return Ok(visit(None));
        }
        if let Some(value) = reader.flat(tag)? {
            return Ok(visit(Some(value)));
        }
        let value = reader.value(1)?.ok_or(Malformed)?;
        Ok(visit(Some((&value).into())))
    }
}
