//! What must not leave the device.

use serde::{Deserialize, Serialize};

/// Which forms of personal data are searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ValuePatterns {
    /// E-mail addresses.
    pub email: bool,
    /// Payment cards: 13 to 19 digits with a sound check digit (Luhn).
    pub card: bool,
    /// JSON web tokens.
    pub jwt: bool,
    /// `Bearer …`.
    pub bearer: bool,
    /// Also search the texts of attributes, not only free text.
    pub attributes: bool,
}

impl Default for ValuePatterns {
    fn default() -> Self {
        Self { email: true, card: true, jwt: true, bearer: true, attributes: false }
    }
}

/// The rules of redaction, in the terms of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedactRules {
    /// Further secret keys, each a run of segments: `salary`, `home address`.
    pub deny_keys: Vec<String>,
    /// Keys that are not secret whatever the list says: exact, `card.color`.
    pub allow_keys: Vec<String>,
    /// What is searched for in values.
    pub patterns: ValuePatterns,
    /// Keeps queries and fragments of URLs. Secret parameters lose their values all the same.
    pub keep_queries: bool,
}
