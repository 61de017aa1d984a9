//! Why the queue could not do something.

use rusqlite::ErrorCode;

/// Why the queue could not do something. What the caller has to do depends on the variant alone:
/// make room, rebuild the database, or try again later.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The disk is full, or the database has reached its largest size.
    #[error("the disk is full")]
    Full,
    /// The file is damaged, or it is not a database of ours. The text says what was found.
    #[error("the database is damaged: {0}")]
    Corrupt(String),
    /// The system denies access for now: the device is locked, the directory is missing, or the
    /// disk reports an I/O error. This is never proof of damage: nothing may be deleted because of
    /// it.
    #[error("the database cannot be used for now: {0}")]
    Locked(String),
    /// A later version of the core wrote the database. The number is its `user_version`.
    #[error("the database has version {0}")]
    Newer(i32),
    /// A bug in this crate or in the way it was built.
    #[error("{0}")]
    Other(String),
}

impl From<rusqlite::Error> for QueueError {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        // A value of ours that SQLite cannot hold says nothing about the database.
        if matches!(error, rusqlite::Error::ToSqlConversionFailure(_)) {
            return QueueError::Other(text);
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => QueueError::Full,
            Some(
                ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::AuthorizationForStatementDenied
                | ErrorCode::OutOfMemory
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::NoLargeFileSupport
                | ErrorCode::OperationInterrupted,
            ) => QueueError::Locked(text),
            // A constraint is violated when a row already has a sequence number that the books have
            // not given yet: either the books or the table are damaged.
            Some(
                ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::ConstraintViolation
                | ErrorCode::Unknown,
            ) => QueueError::Corrupt(text),
            // SQLite reported no error, so a column has another type than the constant statement
            // expects: damage.
            None => QueueError::Corrupt(text),
            Some(_) => QueueError::Other(text),
        }
    }
}
