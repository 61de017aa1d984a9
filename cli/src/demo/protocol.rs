//! What the app process and the demo say to each other, in lines of text.
//!
//! On standard output the app writes `id <uuid>` as soon as `record` has returned the id of an
//! event, and a [`Report`] in JSON at the end of each step. Between two steps it waits for a
//! [`Cue`] on standard input.

use serde::{Deserialize, Serialize};

/// Starts a line that acknowledges an event: the rest is its id.
pub(super) const ID_PREFIX: &str = "id ";

/// What the app has done. `step` says which fields of the JSON follow.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub(super) enum Report {
    /// The first checkout, with a network.
    Online { trace: String, delivered: u64, complete: bool },
    /// The second checkout, without one.
    Offline { reason: Option<String>, waiting: u64 },
    /// The second launch has read what the first one left.
    Relaunched(Counts),
    /// Everything that could be sent was sent. The launch after the crash reports nothing else.
    Flushed {
        complete: bool,
        #[serde(flatten)]
        counts: Counts,
    },
}

/// The books of the app's one destination.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) accepted: u64,
    pub(super) delivered: u64,
    pub(super) queued: u64,
    pub(super) dropped: u64,
}

/// What the app waits for before it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cue {
    NetworkIsDown,
    NetworkIsUp,
    /// The user pays, and the app crashes.
    Pay,
}

impl Cue {
    pub(super) fn line(self) -> &'static str {
        match self {
            Self::NetworkIsDown => "offline",
            Self::NetworkIsUp => "online",
            Self::Pay => "pay",
        }
    }
}
