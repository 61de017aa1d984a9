//! How a backend has answered the requests of each signal: it tells an event that is at fault from
//! a backend that refuses everything.

use serde::{Deserialize, Serialize};

/// How the backend has answered the requests of a signal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalAnswers {
    /// The signal.
    pub signal: u8,
    /// Requests that it accepted.
    pub accepted: u64,
    /// Requests in a row whose content it refused, since it accepted one.
    pub refused: u32,
    /// Those of them whose content it had not refused before: no halves, and none that were sent
    /// again.
    #[serde(default)]
    pub refused_new: u32,
}

/// The same for every signal of a destination.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Answers(Vec<SignalAnswers>);

impl Answers {
    /// How requests of a signal have been answered.
    pub fn of(&self, signal: u8) -> SignalAnswers {
        let known = self.0.iter().find(|answers| answers.signal == signal);
        known.copied().unwrap_or(SignalAnswers { signal, ..SignalAnswers::default() })
    }

    /// Notes that a request of a signal has been accepted.
    pub fn accept(&mut self, signal: u8) {
        let accepted = self.of(signal).accepted + 1;
        self.set(SignalAnswers { signal, accepted, refused: 0, refused_new: 0 });
    }

    /// Notes that the content of a request has been refused, and whether for the first time.
    pub fn refuse(&mut self, signal: u8, is_new: bool) {
        let answers = self.of(signal);
        let refused = answers.refused.saturating_add(1);
        let refused_new = answers.refused_new.saturating_add(is_new.into());
        self.set(SignalAnswers { refused, refused_new, ..answers });
    }

    /// Forgets everything: it may have been another backend.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn set(&mut self, new: SignalAnswers) {
        self.0.retain(|answers| answers.signal != new.signal);
        self.0.push(new);
    }
}
