//! What must not leave the device.

use throughline::config;

/// The kinds of personal data that are searched for in texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct ValuePatterns {
    /// E-mail addresses.
    #[uniffi(default = true)]
    pub email: bool,
    /// Payment cards: 13 to 19 digits whose check digit is right.
    #[uniffi(default = true)]
    pub card: bool,
    /// JSON web tokens.
    #[uniffi(default = true)]
    pub jwt: bool,
    /// Tokens and credentials after the words `Bearer` and `Basic`.
    #[uniffi(default = true)]
    pub bearer: bool,
    /// Whether the texts of attributes are searched as well.
    #[uniffi(default = true)]
    pub attributes: bool,
}

/// What must not leave the device. Secrets are found by their keys, personal data by its form.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct RedactRules {
    /// Further keys of secrets, for example `salary` or `home address`.
    #[uniffi(default = [])]
    pub deny_keys: Vec<String>,
    /// Keys that are not secret although a rule says so.
    #[uniffi(default = [])]
    pub allow_keys: Vec<String>,
    /// What is searched for in free text.
    pub patterns: ValuePatterns,
    /// Keeps the queries and fragments of URLs. Secret parameters lose their values all the same.
    #[uniffi(default = false)]
    pub keep_queries: bool,
}

impl RedactRules {
    pub(super) fn to_core(&self) -> config::RedactRules {
        let ValuePatterns { email, card, jwt, bearer, attributes } = self.patterns;
        config::RedactRules {
            deny_keys: self.deny_keys.clone(),
            allow_keys: self.allow_keys.clone(),
            patterns: config::ValuePatterns { email, card, jwt, bearer, attributes },
            keep_queries: self.keep_queries,
        }
    }
}
