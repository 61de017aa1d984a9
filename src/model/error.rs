//! The set-up error. Recording itself cannot fail: what is lost is counted in the ledger.

/// Why a client could not be started or a call could not be carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration field has a value that cannot work. Fix the field; nothing was started.
    #[error("invalid configuration: `{field}` {reason}")]
    InvalidConfig {
        /// The field of `Config`.
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
        /// Which of these.
        reason: String,
    },
}

impl Error {
    pub(crate) fn config(field: &'static str, reason: impl Into<String>) -> Self {
        Error::InvalidConfig { field, reason: reason.into() }
    }
}
