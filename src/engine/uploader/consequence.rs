//! What a verdict leads to: the rules that hold for every format.

use std::time::Duration;

use crate::model::export::Verdict;
use crate::model::ledger::DropReason;
use crate::model::limits::{
    PARKED_FOR, REFUSALS_TO_DOUBT, REFUSALS_TO_PAUSE, REFUSALS_TO_SET_ASIDE, SET_ASIDE_FOR, SUSPICIONS_TO_DIVIDE,
    SUSPICIONS_TO_DROP,
};
use crate::policy::backoff;
use crate::storage::queue::{Retry, Settlement, SignalAnswers};

/// What the consequence of a verdict depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances {
    pub(super) is_crash: bool,
    /// Earlier sends of the part.
    pub(super) attempts: u32,
    /// How often the part itself was refused since the destination accepted anything of the signal.
    pub(super) refusals: u32,
    /// Failures on the part, this one included, while the backend accepted others.
    pub(super) suspicions: u32,
    /// How often the part was divided.
    pub(super) depth: u32,
    /// Whether the other half of the part was refused.
    pub(super) sibling_refused: bool,
    /// Whether the destination has accepted anything of the signal in the last 24 hours.
    pub(super) has_accepted: bool,
    /// Whether it has accepted anything of the signal since it last refused what is in the part.
    pub(super) accepts_since_refusal: bool,
    /// How it has answered the signal's requests, without this one.
    pub(super) answers: SignalAnswers,
    /// Pauses of the signal in a row.
    pub(super) pauses: u32,
    /// Failures in a row, which the backoff grows with.
    pub(super) failures: u32,
    /// Whether each event of the signal is a request of its own.
    pub(super) is_alone: bool,
    /// Whether the backend has asked for a rest of this signal. It then says nothing of the part.
    pub(super) is_limited: bool,
    /// The wait that the server asked for.
    pub(super) asked: Option<Duration>,
    pub(super) random: u64,
}

/// What a verdict leads to.
#[derive(Debug)]
pub(super) enum Consequence {
    Settle(Settlement),
    /// Divide the part to find the event that is at fault, or to make the request smaller. A single
    /// event cannot be divided: then `or_else`.
    Divide {
        refused: bool,
        or_else: Settlement,
    },
}

/// What follows from a verdict.
pub(super) fn consequence(verdict: Verdict, at: &Circumstances) -> Consequence {
    // No answer costs a crash: a backend is repaired sooner or later.
    let drop = |reason| if at.is_crash { Settlement::Park { is_refused: false } } else { Settlement::Drop(reason) };
    Consequence::Settle(match verdict {
        Verdict::Delivered { rejected } => Settlement::Delivered { rejected },
        Verdict::Retry if at.is_limited => {
            Settlement::Retry { after: backoff::delay(at.failures, at.random), cause: Retry::NoAnswer }
        }
        Verdict::Retry => match at.asked {
            Some(after) => Settlement::Retry { after, cause: Retry::Asked },
            None => {
                let retry = Settlement::Retry { after: backoff::delay(at.failures, at.random), cause: Retry::Failed };
                if at.suspicions < SUSPICIONS_TO_DIVIDE {
                    return Consequence::Settle(retry);
                }
                let or_else = match at {
                    Circumstances { is_crash: true, .. } => Settlement::Park { is_refused: false },
                    at if at.suspicions >= SUSPICIONS_TO_DROP => Settlement::Drop(DropReason::Undeliverable),
                    _ => retry,
                };
                return Consequence::Divide { refused: false, or_else };
            }
        },
        Verdict::Split => return Consequence::Divide { refused: false, or_else: drop(DropReason::TooLarge) },
        // The backend takes nothing at all: the fault is not in an event.
        Verdict::Refused if at.sibling_refused && !at.has_accepted => refused_for_good(at),
        Verdict::Refused if at.answers.refused_new >= REFUSALS_TO_PAUSE => refused_for_good(at),
        Verdict::Refused if at.answers.refused >= REFUSALS_TO_SET_ASIDE => set_aside(at),
        Verdict::Refused => return Consequence::Divide { refused: true, or_else: refused_alone(at) },
        Verdict::Decompress => Settlement::Retry { after: Duration::ZERO, cause: Retry::NoAnswer },
        Verdict::Drop(reason) if at.is_crash => {
            return Consequence::Divide { refused: true, or_else: drop(reason) };
        }
        Verdict::Drop(reason) => Settlement::Drop(reason),
        // A backend that took events until now is asked once more: a proxy that restarts answers
        // 404.
        Verdict::Hold(_) if at.has_accepted && at.attempts == 0 => {
            Settlement::Retry { after: backoff::delay(at.failures, at.random), cause: Retry::Failed }
        }
        Verdict::Hold(reason) => Settlement::Pause { after: backoff::pause(at.pauses), reason, is_refused: false },
    })
}

/// The backend refuses what is sent, and nothing says that it takes the signal at all.
fn refused_for_good(at: &Circumstances) -> Settlement {
    let reason = "it refuses whatever is sent there and accepts nothing of this signal; check the endpoint, or leave \
                  the signal out of the destination's signals";
    Settlement::Pause { after: backoff::pause(at.pauses), reason: reason.to_owned(), is_refused: true }
}

/// What was refused waits, and what is behind it is sent: if that is accepted, the fault is in what
/// was set aside. As long as nothing is accepted, it waits ever longer.
fn set_aside(at: &Circumstances) -> Settlement {
    let doublings = if at.accepts_since_refusal { 0 } else { at.refusals.saturating_sub(1).min(16) };
    let after = SET_ASIDE_FOR.saturating_mul(1 << doublings).min(PARKED_FOR);
    Settlement::Defer { after, is_stuck: true }
}

/// A single event was refused. It is dropped when the backend accepts others and has accepted some
/// since it refused this one, alone or in a larger request; a crash is parked instead. Until then
/// the fault may be the backend's: the event is sent again soon, after what it was divided from,
/// and then set aside. A backend that never accepted anything of the signal may take none.
fn refused_alone(at: &Circumstances) -> Settlement {
    if at.accepts_since_refusal && at.answers.refused < REFUSALS_TO_DOUBT {
        let park = Settlement::Park { is_refused: true };
        return if at.is_crash { park } else { Settlement::Drop(DropReason::Rejected) };
    }
    match at {
        Circumstances { refusals: 0, depth: 0, .. } => {
            Settlement::Defer { after: backoff::delay(0, at.random), is_stuck: false }
        }
        Circumstances { refusals: 0, .. } => Settlement::Defer { after: Duration::ZERO, is_stuck: false },
        at if at.answers.accepted > 0 || at.is_alone => set_aside(at),
        _ => refused_for_good(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Circumstances = Circumstances {
        is_crash: false,
        attempts: 0,
        refusals: 0,
        suspicions: 0,
        depth: 0,
        sibling_refused: false,
        has_accepted: true,
        accepts_since_refusal: false,
        answers: SignalAnswers { signal: 0, accepted: 1, refused: 0, refused_new: 0 },
        pauses: 0,
        failures: 0,
        is_alone: false,
        is_limited: false,
        asked: None,
        random: u64::MAX,
    };

    /// What happens to a part that cannot be divided.
    fn of_one(verdict: Verdict, at: Circumstances) -> String {
        match consequence(verdict, &at) {
            Consequence::Settle(settlement) | Consequence::Divide { or_else: settlement, .. } => {
                format!("{settlement:?}")
            }
        }
    }

    fn refused(in_a_row: u32, new: u32) -> SignalAnswers {
        SignalAnswers { refused: in_a_row, refused_new: new, ..FIRST.answers }
    }

    #[test]
    fn a_refused_event_is_not_dropped_before_its_sibling_was_sent() {
        let half = Circumstances { depth: 1, answers: refused(1, 1), ..FIRST };
        assert_eq!(of_one(Verdict::Refused, half), "Defer { after: 0ns, is_stuck: false }");
        // The sibling was accepted meanwhile.
        let accepted = Circumstances { accepts_since_refusal: true, answers: refused(0, 0), ..half };
        assert_eq!(of_one(Verdict::Refused, accepted), "Drop(Rejected)");
        // An event that was never part of a larger request is sent twice.
        assert!(of_one(Verdict::Refused, FIRST).starts_with("Defer"));
    }

    #[test]
    fn an_event_is_not_dropped_because_the_backend_began_to_refuse_everything() {
        // It accepted others an hour ago, which says nothing of what it takes now.
        let again = Circumstances { attempts: 1, refusals: 1, answers: refused(1, 1), ..FIRST };
        assert_eq!(of_one(Verdict::Refused, again), "Defer { after: 900s, is_stuck: true }");
        let accepts = Circumstances { accepts_since_refusal: true, answers: refused(0, 0), ..again };
        assert_eq!(of_one(Verdict::Refused, accepts), "Drop(Rejected)");
        // It accepted one since, and refuses everything again.
        let broken = Circumstances { answers: refused(REFUSALS_TO_DOUBT, 0), ..accepts };
        assert_eq!(of_one(Verdict::Refused, broken), "Defer { after: 900s, is_stuck: true }");
        let later = Circumstances { refusals: 20, accepts_since_refusal: false, ..broken };
        assert_eq!(of_one(Verdict::Refused, later), "Defer { after: 86400s, is_stuck: true }");
    }

    #[test]
    fn a_crash_waits_no_longer_than_another_event_while_everything_is_refused() {
        let again = Circumstances { refusals: 1, is_crash: true, answers: refused(1, 1), ..FIRST };
        assert_eq!(of_one(Verdict::Refused, again), "Defer { after: 900s, is_stuck: true }");
    }

    #[test]
    fn an_event_that_an_outage_kept_is_not_set_aside_for_longer_than_a_new_one() {
        let retried = Circumstances { attempts: 20, ..FIRST };
        assert!(of_one(Verdict::Refused, retried).ends_with("is_stuck: false }"));
        let again = Circumstances { attempts: 21, refusals: 1, answers: refused(1, 1), ..FIRST };
        assert_eq!(of_one(Verdict::Refused, again), "Defer { after: 900s, is_stuck: true }");
    }

    #[test]
    fn one_refused_event_does_not_pause_a_signal_that_was_quiet_for_a_day() {
        let quiet = Circumstances { refusals: 1, has_accepted: false, answers: refused(1, 1), ..FIRST };
        assert_eq!(of_one(Verdict::Refused, quiet), "Defer { after: 900s, is_stuck: true }");
        let never = SignalAnswers { accepted: 0, ..quiet.answers };
        assert!(of_one(Verdict::Refused, Circumstances { answers: never, ..quiet }).starts_with("Pause"));
    }

    #[test]
    fn a_backend_that_refuses_everything_is_not_asked_once_for_every_event() {
        let at =
            |in_a_row, new| Circumstances { depth: 4, sibling_refused: true, answers: refused(in_a_row, new), ..FIRST };
        let divides = consequence(Verdict::Refused, &at(REFUSALS_TO_SET_ASIDE - 1, 1));
        assert!(matches!(divides, Consequence::Divide { .. }));
        assert!(of_one(Verdict::Refused, at(REFUSALS_TO_SET_ASIDE, 1)).starts_with("Defer"));
        assert!(of_one(Verdict::Refused, at(30, REFUSALS_TO_PAUSE)).starts_with("Pause"));
    }

    #[test]
    fn a_backend_that_refuses_both_halves_and_accepts_nothing_is_paused_and_loses_no_event() {
        let both = Circumstances { depth: 3, sibling_refused: true, has_accepted: false, ..FIRST };
        assert!(of_one(Verdict::Refused, both).starts_with("Pause"));
        let accepts_others = Circumstances { has_accepted: true, ..both };
        assert!(matches!(consequence(Verdict::Refused, &accepts_others), Consequence::Divide { refused: true, .. }));
    }

    #[test]
    fn a_limit_of_a_signal_does_not_speak_against_an_event() {
        let limited = Circumstances { is_limited: true, suspicions: SUSPICIONS_TO_DROP, ..FIRST };
        assert!(of_one(Verdict::Retry, limited).ends_with("cause: NoAnswer }"));
    }

    #[test]
    fn a_wait_that_the_server_asked_for_is_longer_than_any_backoff() {
        let asked = Circumstances { asked: Some(Duration::from_secs(90)), ..FIRST };
        assert_eq!(of_one(Verdict::Retry, asked), "Retry { after: 90s, cause: Asked }");
        assert!(of_one(Verdict::Retry, FIRST).ends_with("cause: Failed }"));
    }

    #[test]
    fn no_answer_costs_a_crash() {
        let crash = Circumstances {
            is_crash: true,
            attempts: 1,
            refusals: 1,
            suspicions: SUSPICIONS_TO_DROP,
            accepts_since_refusal: true,
            ..FIRST
        };
        for verdict in [Verdict::Retry, Verdict::Split, Verdict::Refused, Verdict::Drop(DropReason::ServerError)] {
            let is_refused = verdict == Verdict::Refused;
            assert_eq!(of_one(verdict.clone(), crash), format!("Park {{ is_refused: {is_refused} }}"), "{verdict:?}");
        }
    }

    #[test]
    fn an_event_on_which_the_backend_fails_is_searched_for_and_dropped_only_after_many_failures() {
        let at = |suspicions| Circumstances { suspicions, ..FIRST };
        assert!(matches!(consequence(Verdict::Retry, &at(1)), Consequence::Settle(Settlement::Retry { .. })));
        assert!(matches!(consequence(Verdict::Retry, &at(2)), Consequence::Divide { refused: false, .. }));
        assert!(of_one(Verdict::Retry, at(SUSPICIONS_TO_DROP - 1)).starts_with("Retry"));
        assert_eq!(of_one(Verdict::Retry, at(SUSPICIONS_TO_DROP)), "Drop(Undeliverable)");
        // A server that says when it is ready again is not failing on the event.
        let asked = Circumstances { asked: Some(Duration::from_secs(1)), ..at(SUSPICIONS_TO_DROP) };
        assert!(of_one(Verdict::Retry, asked).starts_with("Retry"));
    }

    #[test]
    fn an_event_that_is_too_large_alone_is_dropped() {
        assert_eq!(of_one(Verdict::Split, FIRST), "Drop(TooLarge)");
        assert!(matches!(consequence(Verdict::Split, &FIRST), Consequence::Divide { refused: false, .. }));
    }
}
