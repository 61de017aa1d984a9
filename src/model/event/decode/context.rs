//! What many events have in common, as it is read back.

use uuid::Uuid;

use super::reader::{DecodeError, Reader};
use super::{FieldValue, attribute, each_field, header};
use crate::model::event::encode::{KIND_CONTEXT, KIND_SCOPE, field};
use crate::model::value::AnyValue;

/// A context record: attributes that change seldom, to which events refer by version.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Context {
    /// The attributes, in the order in which they were given.
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

/// A scope record: the session and the view, to which events refer by version.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scope {
    /// The id of the session.
    pub session: Option<Uuid>,
    /// The id of the view that was shown.
    pub view: Option<Uuid>,
    /// The name of that view.
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
