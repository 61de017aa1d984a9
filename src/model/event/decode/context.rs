//! What many events have in common, as it is read back.

use uuid::Uuid;

use super::reader::{DecodeError, Reader};
use super::{FieldValue, attribute, each_field, header};
use crate::model::event::encode::{KIND_CONTEXT, KIND_SCOPE, field};
use crate::model::value::AnyValue;

/// A context record: attributes that change seldom, to which events refer by version.
#[derive(Clone, Default, PartialEq)]
pub struct Context {
    /// The attributes of the resource, in the order in which they were given. The first version of
    /// the core wrote those of the records among them.
    pub attributes: Vec<(String, AnyValue)>,
    /// The attributes of the records: user, feature flags, what the app has set for all events.
    pub of_records: Vec<(String, AnyValue)>,
}

impl std::fmt::Debug for Context {
    /// What is not there is not shown, as in the golden files of the first version.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Context");
        shown.field("attributes", &self.attributes);
        if !self.of_records.is_empty() {
            shown.field("of_records", &self.of_records);
        }
        shown.finish()
    }
}

impl Context {
    /// Decodes a context record.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        match header(&mut reader)? {
            KIND_CONTEXT => {}
            other => return Err(DecodeError::UnknownKind(other)),
        }
        let mut context = Self::default();
        each_field(&mut reader, |number, value| {
            match (number, value) {
                (field::ATTRIBUTE, FieldValue::Bytes(bytes)) => context.attributes.push(owned_attribute(bytes)?),
                (field::RECORD_ATTRIBUTES, FieldValue::Bytes(bytes)) => {
                    each_field(&mut Reader::new(bytes), |number, value| {
                        if let (field::ATTRIBUTE, FieldValue::Bytes(bytes)) = (number, value) {
                            context.of_records.push(owned_attribute(bytes)?);
                        }
                        Ok(())
                    })?;
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(context)
    }
}

fn owned_attribute(bytes: &[u8]) -> Result<(String, AnyValue), DecodeError> {
    let (key, value) = attribute(bytes)?;
    Ok((key.to_owned(), value))
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
