//! Sessions: when one ends, and whether a new process continues the last one. Pure: time is passed
//! in.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::limits::{SESSION_INACTIVITY, SESSION_MAX};
use crate::model::names::words;
use crate::model::time::{BootTime, nanos};

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndReason {
    /// The user did nothing for 15 minutes.
    InactivityTimeout,
    /// It lasted 4 hours.
    MaxDuration,
    /// The app ended it.
    ExplicitStop,
    /// The process died, and the next one started too late to continue the session.
    ProcessDeath,
    /// The process crashed.
    Crash,
    /// The main thread hung until the process died.
    Hang,
}

impl EndReason {
    /// The value of the attribute `rum.session.reason`.
    pub fn name(self) -> &'static str {
        match self {
            EndReason::InactivityTimeout => words::SESSION_INACTIVE,
            EndReason::MaxDuration => words::SESSION_TOO_LONG,
            EndReason::ExplicitStop => words::SESSION_STOPPED,
            EndReason::ProcessDeath => words::PROCESS_DEATH,
            EndReason::Crash => words::SESSION_CRASHED,
            EndReason::Hang => words::SESSION_HUNG,
        }
    }
}

/// The session that events belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionState {
    /// Its id.
    pub id: Uuid,
    /// Its number on this installation, from 1.
    pub sequence: u64,
    /// When it started. If an earlier process began it, the wall clock says how long ago.
    pub started: BootTime,
    /// The same in wall time, ns since the Unix epoch.
    pub started_wall: u64,
}

impl SessionState {
    /// Why the session is over at `now` if the user was last active at `last`; `None` if it goes
    /// on.
    pub fn over(&self, last: BootTime, now: BootTime) -> Option<EndReason> {
        if now.since(self.started) >= SESSION_MAX {
            Some(EndReason::MaxDuration)
        } else if now.since(last) >= SESSION_INACTIVITY {
            Some(EndReason::InactivityTimeout)
        } else {
            None
        }
    }

    /// The earliest moment at which it can be over.
    pub fn deadline(&self, last: BootTime) -> BootTime {
        last.after(SESSION_INACTIVITY).min(self.started.after(SESSION_MAX))
    }
}

/// An error of the app's that has ended a session. Whoever asks how many sessions had no crash has
/// to find one crash in one session, so nothing goes on in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// Whether the main thread hung until the end. Otherwise it was a crash.
    pub is_hang: bool,
    /// When that was, wall time in ns.
    pub wall: u64,
}

impl Death {
    /// Why the session ended.
    pub fn reason(self) -> EndReason {
        if self.is_hang { EndReason::Hang } else { EndReason::Crash }
    }
}

/// What the next process has to know of a session, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Persisted {
    /// The session.
    pub id: Uuid,
    /// Its number on this installation.
    pub sequence: u64,
    /// Wall time of its start, ns.
    pub started_wall: u64,
    /// Wall time at which the user was last active, ns. It may be up to 15 s too early.
    pub last_wall: u64,
    /// Whether the client was shut down. Then inactivity ended the session, not the death of its
    /// process.
    pub closed: bool,
    /// Whether something happened in it for which tail sampling keeps it.
    #[serde(default)]
    pub kept: bool,
    /// What has ended it, if that is known already.
    #[serde(default)]
    pub death: Option<Death>,
}

/// What a new process does with the last session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumed {
    /// The session goes on.
    GoesOn(SessionState),
    /// It is over, and its end has not been recorded yet.
    Over(EndReason),
}

impl Persisted {
    /// What to write beside `other`, which a process of the same app has written before, at the
    /// wall time `wall`. `None` when that is newer: of two sessions with one number it is the one
    /// that was written first.
    pub fn beside(&self, other: &Self, wall: u64) -> Option<Self> {
        if self.id == other.id {
            // If the wall clock was set back, the other's time has not come yet.
            let last_wall = if other.last_wall > wall { self.last_wall } else { self.last_wall.max(other.last_wall) };
            let kept = self.kept || other.kept;
            return Some(Self { last_wall, kept, death: self.death.or(other.death), ..self.clone() });
        }
        (self.sequence > other.sequence).then(|| self.clone())
    }

    /// The session, without the moment of its start, which only the wall clock knows.
    pub fn session(&self) -> SessionState {
        let Self { id, sequence, started_wall, .. } = *self;
        SessionState { id, sequence, started: BootTime(0), started_wall }
    }

    /// Decides, at the start of a process, whether the session continues.
    pub fn resume(&self, now: BootTime, wall: u64) -> Resumed {
        if let Some(death) = self.death {
            return Resumed::Over(death.reason());
        }
        // If the wall clock was set back, nobody knows how much time has passed.
        let age = wall.checked_sub(self.last_wall);
        let length = wall.saturating_sub(self.started_wall);
        if age.is_none_or(|age| age >= nanos(SESSION_INACTIVITY)) || length >= nanos(SESSION_MAX) {
            return Resumed::Over(if self.closed { EndReason::InactivityTimeout } else { EndReason::ProcessDeath });
        }
        let started = BootTime(now.0.saturating_sub(length));
        Resumed::GoesOn(SessionState { id: self.id, sequence: self.sequence, started, started_wall: self.started_wall })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_session_ends_after_15_minutes_of_silence_or_4_hours() {
        let session = SessionState { id: Uuid::nil(), sequence: 1, started: BootTime(0), started_wall: 0 };
        let at = |minutes: u64| BootTime(0).after(Duration::from_secs(60 * minutes));
        assert_eq!(session.over(at(0), at(14)), None);
        assert_eq!(session.over(at(0), at(15)), Some(EndReason::InactivityTimeout));
        assert_eq!(session.over(at(230), at(239)), None);
        assert_eq!(session.over(at(239), at(240)), Some(EndReason::MaxDuration));
        assert_eq!((session.deadline(at(0)), session.deadline(at(239))), (at(15), at(240)));
    }

    #[test]
    fn two_processes_do_not_take_each_other_back_to_an_older_session() {
        let of = |id: u128, sequence: u64, last_wall: u64| Persisted {
            id: Uuid::from_u128(id),
            sequence,
            started_wall: 0,
            last_wall,
            closed: false,
            kept: sequence == 3,
            death: None,
        };
        let (mine, newer) = (of(1, 7, 10), of(2, 8, 5));
        assert_eq!(newer.beside(&mine, 30), Some(newer.clone()));
        assert_eq!(mine.beside(&newer, 30), None);
        assert_eq!(mine.beside(&of(3, 7, 5), 30), None, "the other was first");
        assert_eq!(mine.beside(&of(1, 7, 20), 30), Some(of(1, 7, 20)), "the user was active in the other process");
        assert_eq!(mine.beside(&of(1, 7, 20), 15), Some(of(1, 7, 10)), "the clock was set back");
        assert!(of(1, 7, 0).beside(&Persisted { kept: true, ..of(1, 7, 0) }, 30).unwrap().kept);
    }

    #[test]
    fn a_new_process_goes_on_only_within_the_window() {
        let minute = 60_000_000_000;
        let last = Persisted {
            id: Uuid::nil(),
            sequence: 7,
            started_wall: 100 * minute,
            last_wall: 110 * minute,
            closed: false,
            kept: false,
            death: None,
        };
        let now = BootTime(1_000 * minute);
        let Resumed::GoesOn(session) = last.resume(now, 120 * minute) else { panic!() };
        assert_eq!((session.sequence, session.started), (7, BootTime(980 * minute)));
        assert_eq!(last.resume(now, 125 * minute), Resumed::Over(EndReason::ProcessDeath));
        assert_eq!(last.resume(now, 109 * minute), Resumed::Over(EndReason::ProcessDeath));
        let long = Persisted { started_wall: 0, last_wall: 239 * minute, ..last.clone() };
        assert_eq!(long.resume(now, 240 * minute), Resumed::Over(EndReason::ProcessDeath));
        for is_hang in [false, true] {
            let death = Death { is_hang, wall: 110 * minute };
            let died = Persisted { closed: is_hang, death: Some(death), ..last.clone() };
            assert_eq!(died.resume(now, 111 * minute), Resumed::Over(death.reason()), "however soon");
            assert_eq!(last.beside(&died, 120 * minute).unwrap().death, Some(death), "the other process knows it");
        }
        let closed = Persisted { closed: true, ..last };
        assert_eq!(closed.resume(now, 125 * minute), Resumed::Over(EndReason::InactivityTimeout));
        assert!(matches!(closed.resume(now, 111 * minute), Resumed::GoesOn(_)));
        // The device has just booted: the session began before.
        let Resumed::GoesOn(session) = long.resume(BootTime(minute), 239 * minute + 1) else { panic!() };
        assert_eq!(session.started, BootTime(0));
    }
}
