//! Errors and everything that ends an app: crashes, hangs, ANRs, kills.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use uuid::Uuid;

use super::builder::event;
use super::encode::{Encoder, field};
use super::put::cut_bytes;
use super::{Common, Event, EventKind, Lane, TraceContext, sealed::Sealed};
use crate::model::limits::{CUT_STACK_BYTES, ERROR_FRAME_BYTES, ERROR_TOP_FRAMES, MAX_MESSAGE_CHARS, MAX_STACK_CHARS};
use crate::model::value::Attribute;

/// How bad an error was. All kinds but `Handled` go to the crash lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The app handled it and went on.
    Handled = 1,
    /// The process died.
    Crash = 2,
    /// The main thread was blocked until the process was ended.
    Hang = 3,
    /// Android ended an application that was not responding.
    Anr = 4,
    /// The system killed the process because memory ran out.
    OutOfMemory = 5,
}

/// Where an error was caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum ErrorSource {
    /// In the app's code.
    Source = 1,
    /// In a network request.
    Network = 2,
    /// In a logger or on the console.
    Logger = 3,
    /// In code that a web view runs.
    WebView = 4,
    /// In a place that the app names itself.
    Custom = 5,
}

/// An error, a crash, a hang, an ANR or an out-of-memory kill.
///
/// ```
/// use throughline::event::{ErrorEvent, Event, Lane};
///
/// # use throughline::{Config, Consent, Telemetry};
/// # let dir = tempfile::tempdir()?;
/// # let config = Config::builder("shop", dir.path()).build()?;
/// # let telemetry = Telemetry::start(config, Consent::Granted)?;
/// let error = ErrorEvent::new("PaymentError", "the card was declined");
/// assert!(telemetry.record_error(&error.stack("at Checkout.pay")).is_some());
///
/// let crash = ErrorEvent::crash("SIGSEGV", "invalid address", "0x1042 in draw");
/// assert_eq!((error.lane(), crash.lane()), (Lane::Error, Lane::Crash));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ErrorEvent<'a> {
    /// How bad it was.
    pub error_kind: ErrorKind,
    /// The type or class of the error.
    pub error_type: &'a str,
    /// The message, at most 8,192 characters.
    pub message: &'a str,
    /// The stack trace, at most 49,152 characters. Empty when there is none.
    pub stack: &'a str,
    /// Where it was caught.
    pub source: ErrorSource,
    /// The parts that every event has.
    pub common: Common<'a>,
}

impl<'a> ErrorEvent<'a> {
    /// Makes a handled error.
    pub fn new(error_type: &'a str, message: &'a str) -> Self {
        Self {
            error_kind: ErrorKind::Handled,
            error_type,
            message,
            stack: "",
            source: ErrorSource::Source,
            common: Common::default(),
        }
    }

    /// Makes a crash.
    pub fn crash(error_type: &'a str, message: &'a str, stack: &'a str) -> Self {
        Self { error_kind: ErrorKind::Crash, stack, ..Self::new(error_type, message) }
    }

    /// Sets the stack trace.
    #[must_use]
    pub fn stack(mut self, stack: &'a str) -> Self {
        self.stack = stack;
        self
    }
}

event!(
    ErrorEvent,
    EventKind::Error,
    |e| if e.error_kind == ErrorKind::Handled { Lane::Error } else { Lane::Crash },
    |_| None,
    |e, out| {
        out.uint(field::TYPE, e.error_kind as u64);
        out.name(field::ERROR_TYPE, e.error_type);
        out.message(field::MESSAGE, e.message, MAX_MESSAGE_CHARS);
        out.message(field::STACK, e.stack, MAX_STACK_CHARS);
        out.uint(field::SOURCE, e.source as u64);
    },
    fn label(&self) -> &str {
        self.error_type
    },
    fn as_error(&self) -> Option<&ErrorEvent<'_>> {
        Some(self)
    }
);

impl ErrorEvent<'_> {
    /// What errors have in common that are taken for repetitions of one: kind, type, and the frames
    /// at the top of the stack.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.error_kind as u8, self.error_type).hash(&mut hasher);
        for frame in self.stack.lines().take(ERROR_TOP_FRAMES) {
            let frame = frame.as_bytes();
            frame.get(..ERROR_FRAME_BYTES).unwrap_or(frame).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// The error with less and less of its stack and its attributes, for one that is too large to
    /// be kept whole.
    pub(crate) fn smaller(&self) -> impl Iterator<Item = SmallerError<'_>> {
        let (stack, is_cut) = cut_bytes(self.stack, CUT_STACK_BYTES);
        // Frames are lines: half a frame says something wrong.
        let stack = if is_cut { stack.rsplit_once('\n').map_or(stack, |(whole, _)| whole) } else { stack };
        let all = self.common.attributes;
        let counts = std::iter::successors(Some(all.len()), |count| (*count > 0).then_some(count / 2));
        counts.map(move |count| {
            let attributes = all.get(..count).unwrap_or(all);
            let error = ErrorEvent { stack, common: Common { attributes, ..self.common }, ..*self };
            SmallerError { error, is_cut, left_out: all.len() - count }
        })
    }
}

/// An error of which something was left out, which it says.
#[derive(Debug)]
pub(crate) struct SmallerError<'a> {
    error: ErrorEvent<'a>,
    is_cut: bool,
    left_out: usize,
}

impl Sealed for SmallerError<'_> {}

impl Event for SmallerError<'_> {
    fn kind(&self) -> EventKind {
        self.error.kind()
    }

    fn lane(&self) -> Lane {
        self.error.lane()
    }

    fn common(&self) -> &Common<'_> {
        &self.error.common
    }

    fn write(&self, out: &mut Encoder<'_>) {
        self.error.write(out);
        if self.is_cut {
            out.note_shortened();
        }
        out.cut_items(self.left_out);
    }
}
