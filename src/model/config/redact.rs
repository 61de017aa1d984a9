//! Rules about what must not leave the device.

use serde::{Deserialize, Serialize};

/// Which forms of personal data are searched for in texts, and taken out.
///
/// ```
/// use throughline::config::ValuePatterns;
///
/// // Leave the texts of attributes and tokens alone.
/// let patterns = ValuePatterns { attributes: false, jwt: false, ..ValuePatterns::default() };
/// assert!(patterns.email && patterns.card);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ValuePatterns {
    /// E-mail addresses.
    pub email: bool,
    /// Payment card numbers: 13 to 19 digits with a valid check digit (Luhn), and the length and
    /// first digits that card networks use.
    pub card: bool,
    /// JSON web tokens.
    pub jwt: bool,
    /// Bearer tokens and basic credentials: what follows the words `Bearer` and `Basic`.
    pub bearer: bool,
    /// Whether the texts of attributes are searched as well as free texts (messages, log bodies,
    /// stacks), URLs and names. What [`set_user`](crate::Telemetry::set_user) says is not searched.
    pub attributes: bool,
}

impl Default for ValuePatterns {
    fn default() -> Self {
        Self { email: true, card: true, jwt: true, bearer: true, attributes: true }
    }
}

/// What is taken out of events before they reach the disk.
///
/// By default the values of secret keys (`password`, `token`, `authorization`, `cookie`, …), in
/// attributes and in texts (`password=…`, JSON), personal data in texts, and user information,
/// query and fragment of URLs are taken out. Of a `data:` URL the media type stays.
/// What is taken out is replaced by `[redacted]` or left out, and is nowhere on the device.
///
/// ```
/// use throughline::Config;
/// use throughline::config::{RedactRules, ValuePatterns};
///
/// let rules = RedactRules {
///     deny_keys: vec!["salary".to_owned(), "home address".to_owned()],
///     allow_keys: vec!["card.color".to_owned()],
///     patterns: ValuePatterns { jwt: false, ..ValuePatterns::default() },
///     keep_queries: true,
/// };
/// let config = Config::builder("shop", "/var/lib/shop/telemetry").redact(rules).build()?;
/// # let _ = config;
/// # Ok::<(), throughline::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedactRules {
    /// Further keys whose values are secret, each as one or more segments: `salary`, `home
    /// address`. A key matches if it has these segments in a row: `userHomeAddress`,
    /// `home_address`.
    pub deny_keys: Vec<String>,
    /// Keys whose values are not secret, whatever the lists say. They match exactly: `card.color`.
    pub allow_keys: Vec<String>,
    /// What is searched for in texts.
    pub patterns: ValuePatterns,
    /// Whether queries and fragments of URLs are kept. Parameters with a secret key lose their
    /// values all the same.
    pub keep_queries: bool,
}
