//! Standard output, whose reader may go away: `throughline explain … | head -1`.
//!
//! `println!` panics then. Here it is an error, and `main` ends without a word.

use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use anyhow::{Context, Error, Result};

/// Whoever read standard output has closed it. That is no failure of the command.
#[derive(Debug)]
struct ReaderGone;

impl Display for ReaderGone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the reader of standard output is gone")
    }
}

impl std::error::Error for ReaderGone {}

/// Writes a text and the end of the line, and hands both on at once.
pub(crate) fn line(text: impl Display) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(ReaderGone.into()),
        written => written.context("writing to standard output"),
    }
}

/// How the process ends. An error is said on standard error, in one line and without a backtrace:
/// it is meant for the user of the command.
pub(crate) fn exit(result: Result<ExitCode>) -> ExitCode {
    match result {
        Ok(status) => status,
        Err(error) if error.is::<ReaderGone>() => ExitCode::SUCCESS,
        Err(error) => {
            say(&error);
            ExitCode::FAILURE
        }
    }
}

/// Says something on standard error that does not end the command.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "Note: {text}.");
}

/// Says an error on standard error. If that is closed as well, there is nobody to tell.
fn say(error: &Error) {
    let _ = writeln!(std::io::stderr().lock(), "Error: {error:#}");
}
