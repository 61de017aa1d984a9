//! A loop of one error: beyond a rate, errors that are alike are counted and not recorded, and the
//! next one that is says how many they were. Pure: time is passed in.

use std::collections::HashMap;

use crate::model::limits::{MAX_KNOWN_ERRORS, REPEATED_ERRORS, REPEATED_ERRORS_WITHIN};
use crate::model::time::BootTime;

/// An error that was seen lately.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// When the time began in which it is counted.
    since: BootTime,
    recorded: u32,
    /// Repetitions that were not recorded and that no error has reported.
    left_out: u64,
}

/// The errors that were seen lately, by their fingerprint.
#[derive(Debug, Default)]
pub(crate) struct Repeats(HashMap<u64, Seen>);

impl Repeats {
    /// Whether an error is recorded, and how many like it were left out before it. `None`: it is
    /// left out itself.
    pub(crate) fn admit(&mut self, fingerprint: u64, now: BootTime) -> Option<u64> {
        if !self.0.contains_key(&fingerprint) && self.0.len() >= MAX_KNOWN_ERRORS {
            self.forget_one();
        }
        let seen = self.0.entry(fingerprint).or_insert(Seen { since: now, recorded: 0, left_out: 0 });
        if now.since(seen.since) >= REPEATED_ERRORS_WITHIN {
            (seen.since, seen.recorded) = (now, 0);
        }
        if seen.recorded >= REPEATED_ERRORS {
            seen.left_out += 1;
            return None;
        }
        seen.recorded += 1;
        Some(std::mem::take(&mut seen.left_out))
    }

    /// The error that was to report so many was not kept.
    pub(crate) fn give_back(&mut self, fingerprint: u64, left_out: u64) {
        if let Some(seen) = self.0.get_mut(&fingerprint) {
            seen.left_out += left_out;
        }
    }

    /// Forgets the error that was seen the longest ago, if possible one that has nothing to report.
    fn forget_one(&mut self) {
        let oldest = self.0.iter().min_by_key(|(_, seen)| (seen.left_out > 0, seen.since)).map(|(print, _)| *print);
        if let Some(oldest) = oldest {
            self.0.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_is_counted_and_the_next_one_says_how_often() {
        let mut repeats = Repeats::default();
        let mut now = BootTime(5);
        let recorded = (0..10_000).filter(|_| repeats.admit(1, now).is_some()).count();
        assert_eq!(recorded, REPEATED_ERRORS as usize);
        assert_eq!(repeats.admit(2, now), Some(0), "another error is another one");
        now = now.after(REPEATED_ERRORS_WITHIN);
        assert_eq!(repeats.admit(1, now), Some(10_000 - u64::from(REPEATED_ERRORS)));
        repeats.give_back(1, 7);
        assert_eq!((repeats.admit(1, now), repeats.admit(1, now)), (Some(7), Some(0)));
    }

    #[test]
    fn errors_that_never_repeat_take_no_more_memory_and_forget_no_loop() {
        let mut repeats = Repeats::default();
        let now = BootTime(5);
        while repeats.admit(0, now).is_some() {}
        for print in 1..10_000 {
            assert_eq!(repeats.admit(print, now.after(std::time::Duration::from_nanos(print))), Some(0));
        }
        assert!(repeats.0.len() <= MAX_KNOWN_ERRORS && repeats.admit(0, now).is_none());
    }
}
