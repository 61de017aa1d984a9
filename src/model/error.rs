//! The error of setting up.
//!
//! Recording cannot fail: what is lost is counted in the [ledger](crate::ledger). Only calls that
//! set something up, change the configuration or wait for an answer return an [`Error`].
//!
//! ```
//! use throughline::{Config, Error};
//!
//! match Config::builder("shop", "/var/lib/shop").endpoint("otlp.example.com").build() {
//!     Err(Error::InvalidConfig { field, reason }) => {
//!         assert_eq!(field, "endpoint");
//!         assert!(reason.starts_with("must start with http:// or https://"));
//!     }
//!     other => panic!("a URL without a scheme was accepted: {other:?}"),
//! }
//! ```

/// Why a client could not be started, or why a call could not be carried out.
///
/// Match on the variant; the texts are for people and may change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration field, or an argument of a call, has a value that cannot work. Nothing was
    /// started or changed.
    #[error("invalid configuration: `{field}` {reason}")]
    InvalidConfig {
        /// The field of `Config`, the environment variable, or the argument.
        field: &'static str,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// The data directory or the database could not be used.
    #[error("storage: {reason}")]
    Storage {
        /// What failed.
        reason: String,
    },
    /// The client has been shut down, is switched off, or did not answer within the timeout.
    #[error("closed: {reason}")]
    Closed {
        /// Which of these it is.
        reason: String,
    },
}

impl Error {
    pub(crate) fn config(field: &'static str, reason: impl Into<String>) -> Self {
        Error::InvalidConfig { field, reason: reason.into() }
    }
}
