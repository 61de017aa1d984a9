//! Values of attributes: what a caller lends ([`Value`]) and what a stored event gives back
//! ([`AnyValue`]).
//!
//! The kinds are those of OpenTelemetry's `AnyValue`. A [`Value`] borrows everything, so building
//! attributes for a client that is switched off allocates nothing; most types convert with
//! `into()`.
//!
//! ```
//! use throughline::{AnyValue, Attribute, Value};
//!
//! let tags = [Value::Text("new"), Value::Text("sale")];
//! let attributes: [Attribute<'_>; 4] = [
//!     ("screen", "cart".into()),
//!     ("items", 3.into()),
//!     ("total", 12.5.into()),
//!     ("tags", Value::List(&tags)),
//! ];
//! assert_eq!(attributes[1].1, Value::Int(3));
//!
//! // An owned copy, within the limits of an attribute, and lent again.
//! let owned: AnyValue = attributes[3].1.to_any();
//! assert!(matches!(&owned, AnyValue::List(items) if items.len() == 2));
//! let lent = Value::from(&owned);
//! # let _ = lent;
//! ```
//!
//! # Limits
//!
//! | what | limit | beyond it |
//! |---|---|---|
//! | attributes of an event | 128 | left out, counted on the event |
//! | a key | 128 bytes | cut on a character boundary, counted |
//! | a text | 1,024 characters | cut, counted |
//! | bytes | 4,096 | cut, counted |
//! | elements of a list or map | 256 | cut, counted |
//! | nesting | 8 levels | replaced by the text `…`, counted |

pub use crate::model::value::{AnyValue, Attribute, Value};
