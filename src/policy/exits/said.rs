//! What a record of the system comes to, whichever system it is.

/// What the system says about the end of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// There is no record, or it does not say why the process ended.
    Nothing,
    /// There is a record, and it does not say which run ended how.
    Ambiguous,
    /// It crashed in native code.
    NativeCrash,
    /// An exception of the language was not caught.
    LanguageCrash,
    /// It could not be initialized.
    StartFailed,
    /// It did not respond, in Android's sense.
    NotResponding,
    /// It did not respond, and the watchdog of iOS ended it.
    Watchdog,
    /// Its memory was needed.
    LowMemory,
    /// The user ended it.
    UserRequest,
    /// The app was updated.
    Updated,
    /// It ended itself, without an error.
    EndedItself,
    /// The system ended it for another reason, or it ended itself with an error.
    Other,
}
