//! Errors that cross the boundary.

/// Why starting, flushing or shutting down failed. No other call fails.
#[derive(Debug, thiserror::Error, uniffi::Error)]
pub enum TelemetryError {
    /// A field of the configuration has a value that cannot work. Nothing was started.
    #[error("invalid configuration: {reason}")]
    InvalidConfig {
        /// The field, and what is wrong with it.
        reason: String,
    },
    /// The data directory or the database could not be used.
    #[error("storage: {reason}")]
    Storage {
        /// What failed.
        reason: String,
    },
    /// The client is shut down or switched off, or it did not answer in time.
    #[error("closed: {reason}")]
    Closed {
        /// Which of these it was.
        reason: String,
    },
}

impl From<throughline::Error> for TelemetryError {
    fn from(error: throughline::Error) -> Self {
        match error {
            throughline::Error::InvalidConfig { field, reason } => {
                Self::InvalidConfig { reason: format!("{field} {reason}") }
            }
            throughline::Error::Storage { reason } => Self::Storage { reason },
            throughline::Error::Closed { reason } => Self::Closed { reason },
            other => Self::Storage { reason: other.to_string() },
        }
    }
}
