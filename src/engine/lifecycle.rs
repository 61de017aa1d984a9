//! Whether a client records events, and if not, why.
//!
//! The state is never stored. What is stored is what was decided ([`Decisions`]): by the
//! configuration, by the app, by the user. Every combination of decisions makes sense, and the
//! state follows from them, so that no two flags can contradict each other. All decisions lie in
//! one atomic byte, because the caller's threads and the worker both change them.

use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::model::config::Consent;
use crate::storage::switches::Switches;

/// Whether a client records events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LifecycleState {
    /// Calls record events.
    On,
    /// Calls do nothing until the reason goes away.
    Off(OffReason),
    /// Calls do nothing any more.
    ShutDown,
}

/// Why a client is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OffReason {
    /// The configuration says so, and the app has not switched the client on since.
    Configuration,
    /// The app has switched it off, in this process or in an earlier one.
    SwitchedOff,
    /// The user has denied consent.
    Denied,
    /// A call that switches it off is under way on another thread.
    Stopping,
}

impl LifecycleState {
    /// What to tell somebody who asks why the client does nothing. `None` when it records.
    pub(crate) fn explanation(self) -> Option<&'static str> {
        match self {
            LifecycleState::On => None,
            LifecycleState::Off(OffReason::Configuration) => {
                Some("off: the configuration says `enabled(false)`, and the app has not switched the client on")
            }
            LifecycleState::Off(OffReason::SwitchedOff) => {
                Some("off: the app has called `set_enabled(false)`, in this run or in an earlier one")
            }
            LifecycleState::Off(OffReason::Denied) => {
                Some("off: the user has denied consent, so nothing is recorded and nothing is kept")
            }
            LifecycleState::Off(OffReason::Stopping) => Some("off: the client is being switched off"),
            LifecycleState::ShutDown => Some("shut down: start a new client to record again"),
        }
    }
}

/// Who has decided whether the client is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    /// The configuration, which says "on". An earlier process may have been told otherwise.
    ConfiguredOn,
    /// The configuration, which says "off".
    ConfiguredOff,
    /// The app, at run time: on.
    SwitchedOn,
    /// The app, at run time, in this process or an earlier one: off.
    SwitchedOff,
}

impl Switch {
    /// What the app has said at run time, if it has said anything.
    fn said(self) -> Option<bool> {
        match self {
            Switch::ConfiguredOn | Switch::ConfiguredOff => None,
            Switch::SwitchedOn => Some(true),
            Switch::SwitchedOff => Some(false),
        }
    }
}

/// What was decided about a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decisions {
    pub(crate) switch: Switch,
    pub(crate) consent: Consent,
    /// A call that switches the client off is under way.
    pub(crate) is_stopping: bool,
    pub(crate) is_shut_down: bool,
}

impl Decisions {
    /// The state that follows. What holds longest is named first: a consent that is given does not
    /// bring back a client that the app has switched off.
    pub(crate) fn state(self) -> LifecycleState {
        match (self.switch, self.consent) {
            _ if self.is_shut_down => LifecycleState::ShutDown,
            (Switch::ConfiguredOff, _) => LifecycleState::Off(OffReason::Configuration),
            (Switch::SwitchedOff, _) => LifecycleState::Off(OffReason::SwitchedOff),
            (_, Consent::Denied) => LifecycleState::Off(OffReason::Denied),
            _ if self.is_stopping => LifecycleState::Off(OffReason::Stopping),
            _ => LifecycleState::On,
        }
    }

    fn to_bits(self) -> u8 {
        let switch = match self.switch {
            Switch::ConfiguredOn => 0,
            Switch::ConfiguredOff => 1,
            Switch::SwitchedOn => 2,
            Switch::SwitchedOff => 3,
        };
        let flag = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        self.consent as u8
            | switch << SWITCH_SHIFT
            | flag(self.is_stopping, STOPPING)
            | flag(self.is_shut_down, SHUT_DOWN)
            | flag(self.state() == LifecycleState::On, ON)
    }

    fn from_bits(bits: u8) -> Self {
        let switch = match bits >> SWITCH_SHIFT & 0b11 {
            0 => Switch::ConfiguredOn,
            1 => Switch::ConfiguredOff,
            2 => Switch::SwitchedOn,
            _ => Switch::SwitchedOff,
        };
        Self {
            switch,
            consent: Consent::from_code(bits & CONSENT),
            is_stopping: bits & STOPPING != 0,
            is_shut_down: bits & SHUT_DOWN != 0,
        }
    }
}

const CONSENT: u8 = 0b11;
const SWITCH_SHIFT: u8 = 2;
const STOPPING: u8 = 1 << 4;
const SHUT_DOWN: u8 = 1 << 5;
/// Whether the state that follows is [`LifecycleState::On`]: what every call looks at.
const ON: u8 = 1 << 6;

/// The decisions about a client, shared by all of its threads.
#[derive(Debug)]
pub(crate) struct LifecycleCell {
    bits: AtomicU8,
    /// Held while settings are written down for the next process.
    saving: Mutex<()>,
}

impl LifecycleCell {
    /// What the configuration and the user have decided before the start.
    pub(crate) fn new(is_enabled: bool, consent: Consent) -> Self {
        let switch = if is_enabled { Switch::ConfiguredOn } else { Switch::ConfiguredOff };
        Self::of(Decisions { switch, consent, is_stopping: false, is_shut_down: false })
    }

    fn of(decisions: Decisions) -> Self {
        Self { bits: AtomicU8::new(decisions.to_bits()), saving: Mutex::new(()) }
    }

    /// Whether calls record events. One load and one test: a client that is off does nothing else.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.bits.load(Ordering::Relaxed) & ON != 0
    }

    /// The decisions as they are now.
    pub(crate) fn decisions(&self) -> Decisions {
        Decisions::from_bits(self.bits.load(Ordering::Acquire))
    }

    /// The state as it is now.
    pub(crate) fn state(&self) -> LifecycleState {
        self.decisions().state()
    }

    /// What the user has decided.
    pub(crate) fn consent(&self) -> Consent {
        self.decisions().consent
    }

    /// Changes decisions in one step. Returns those from before.
    pub(crate) fn change(&self, change: impl Fn(&mut Decisions)) -> Decisions {
        let changed = |bits| {
            let mut decisions = Decisions::from_bits(bits);
            change(&mut decisions);
            Some(decisions.to_bits())
        };
        let before = self.bits.fetch_update(Ordering::AcqRel, Ordering::Acquire, changed);
        Decisions::from_bits(before.unwrap_or_else(|bits| bits))
    }

    /// The app had switched off an earlier process: this one is off, too, unless the app has
    /// switched it on meanwhile. Returns whether it is off.
    pub(crate) fn obey_earlier_process(&self) -> bool {
        let before = self.change(|decisions| {
            if decisions.switch == Switch::ConfiguredOn {
                decisions.switch = Switch::SwitchedOff;
            }
        });
        // The app may say "on" from here on. It then starts another worker, and this one must not
        // go on beside it.
        matches!(before.switch, Switch::ConfiguredOn | Switch::SwitchedOff)
    }

    /// Writes settings down for the next process. Whether the app has switched the client off is
    /// read here and not where the call was made: of two calls that overtake each other on their
    /// way to the disk, the one that decided last is obeyed.
    pub(crate) fn save(&self, switches: Switches, dir: &Path) -> std::io::Result<()> {
        let _one_at_a_time = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let enabled = switches.enabled.and_then(|_| self.decisions().switch.said());
        Switches { enabled, ..switches }.store(dir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SWITCHES: [Switch; 4] =
        [Switch::ConfiguredOn, Switch::ConfiguredOff, Switch::SwitchedOn, Switch::SwitchedOff];
    const CONSENTS: [Consent; 3] = [Consent::Granted, Consent::Pending, Consent::Denied];

    fn all() -> impl Iterator<Item = Decisions> {
        let flags = [(false, false), (false, true), (true, false), (true, true)];
        SWITCHES.into_iter().flat_map(move |switch| {
            CONSENTS.into_iter().flat_map(move |consent| {
                flags.into_iter().map(move |(is_stopping, is_shut_down)| Decisions {
                    switch,
                    consent,
                    is_stopping,
                    is_shut_down,
                })
            })
        })
    }

    #[test]
    fn no_decision_is_lost_in_the_byte_and_the_fast_test_agrees_with_the_state() {
        assert_eq!(all().count(), 48);
        for decisions in all() {
            let cell = LifecycleCell::of(decisions);
            assert_eq!(cell.decisions(), decisions);
            assert_eq!(cell.is_on(), decisions.state() == LifecycleState::On, "{decisions:?}");
            assert_eq!(cell.is_on(), cell.state().explanation().is_none(), "{decisions:?}");
        }
    }

    #[test]
    fn nobody_is_recorded_without_consent_after_the_end_or_against_the_apps_word() {
        for decisions in all().filter(|decisions| decisions.state() == LifecycleState::On) {
            assert_ne!(decisions.consent, Consent::Denied);
            assert!(!decisions.is_stopping && !decisions.is_shut_down);
            assert!(matches!(decisions.switch, Switch::ConfiguredOn | Switch::SwitchedOn));
        }
    }

    #[test]
    fn an_earlier_off_does_not_overrule_the_on_that_the_app_has_just_said() {
        let cell = LifecycleCell::new(true, Consent::Granted);
        cell.change(|decisions| decisions.switch = Switch::SwitchedOn);
        assert!(!cell.obey_earlier_process());
        assert_eq!(cell.state(), LifecycleState::On);
        let cell = LifecycleCell::new(true, Consent::Granted);
        assert!(cell.obey_earlier_process());
        assert_eq!(cell.state(), LifecycleState::Off(OffReason::SwitchedOff));
    }
}
