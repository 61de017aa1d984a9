//! Which events are meant for a destination, and for how long.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::error::Error;
use crate::model::event::{EventKind, Lane};
use crate::model::limits::MAX_AGE_RANGE;

/// Which events are meant for a destination, and how old they may be. It stands before the format:
/// what it leaves out is not even asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    pub(super) lanes: BTreeSet<Lane>,
    pub(super) kinds: BTreeSet<EventKind>,
    pub(super) max_age: Option<Duration>,
}

/// Every event is meant for the destination, for as long as the configuration keeps it.
impl Default for Filter {
    fn default() -> Self {
        Self { lanes: BTreeSet::from(Lane::ALL), kinds: BTreeSet::from(EventKind::ALL), max_age: None }
    }
}

impl Filter {
    /// Whether events of a kind in a lane are meant for the destination.
    pub fn takes(&self, lane: Lane, kind: EventKind) -> bool {
        self.lanes.contains(&lane) && self.kinds.contains(&kind)
    }

    /// Whether events of a kind are meant for the destination in any lane.
    pub fn takes_kind(&self, kind: EventKind) -> bool {
        kind.lanes().iter().any(|lane| self.takes(*lane, kind))
    }

    /// Adds the lane of crashes.
    pub fn add_crashes(&mut self) {
        self.lanes.insert(Lane::Crash);
    }

    /// How old an event may be that is sent to the destination.
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age
    }

    /// A number that stands for the lanes and kinds; 0 for all of them. Rows that were sorted under
    /// another number are not to be mixed with those that are sorted now.
    pub fn code(&self) -> u32 {
        if (self.lanes.len(), self.kinds.len()) == (Lane::ALL.len(), EventKind::ALL.len()) {
            return 0;
        }
        let lanes: Vec<u8> = self.lanes.iter().map(|lane| lane.code()).collect();
        let kinds: Vec<u8> = self.kinds.iter().map(|kind| kind.code()).collect();
        crc32c::crc32c_append(crc32c::crc32c(&lanes), &kinds)
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        if self.lanes.is_empty() {
            return Err(Error::config("lanes", "are none: name at least one of crash, error, event, bulk"));
        }
        if self.kinds.is_empty() {
            return Err(Error::config("kinds", "are none: name at least one kind of event"));
        }
        if !EventKind::ALL.into_iter().any(|kind| self.takes_kind(kind)) {
            return Err(Error::config("kinds", "are never in one of the destination's lanes: it would get no event"));
        }
        if self.max_age.is_some_and(|age| !MAX_AGE_RANGE.contains(&age)) {
            return Err(Error::config("max_age", "of a destination must be between 1 minute and 1 year"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(lanes: &[Lane], kinds: &[EventKind]) -> Filter {
        Filter { lanes: lanes.iter().copied().collect(), kinds: kinds.iter().copied().collect(), max_age: None }
    }

    #[test]
    fn an_event_is_meant_for_a_destination_that_names_both_its_lane_and_its_kind() {
        let errors = filter(&[Lane::Error], &[EventKind::Error, EventKind::Log]);
        assert!(errors.takes(Lane::Error, EventKind::Error) && errors.takes(Lane::Error, EventKind::Log));
        assert!(!errors.takes(Lane::Crash, EventKind::Error) && !errors.takes(Lane::Bulk, EventKind::Log));
        assert!(errors.takes_kind(EventKind::Log) && !errors.takes_kind(EventKind::Action));
        for lane in Lane::ALL {
            assert!(EventKind::ALL.iter().all(|kind| Filter::default().takes(lane, *kind)));
        }
    }

    #[test]
    fn a_filter_that_leaves_no_event_is_refused() {
        let field = |filter: Filter| match filter.check() {
            Err(Error::InvalidConfig { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(field(filter(&[], &EventKind::ALL)), "lanes");
        assert_eq!(field(filter(&Lane::ALL, &[])), "kinds");
        assert_eq!(field(filter(&[Lane::Bulk], &[EventKind::Action])), "kinds");
        for age in [Duration::ZERO, Duration::from_secs(59), Duration::from_secs(400 * 86_400)] {
            assert_eq!(field(Filter { max_age: Some(age), ..Filter::default() }), "max_age");
        }
        let minute = Filter { max_age: Some(Duration::from_secs(60)), ..Filter::default() };
        assert!(minute.check().is_ok() && Filter::default().check().is_ok());
    }

    #[test]
    fn each_filter_has_a_number_of_its_own_and_none_has_zero() {
        assert_eq!(Filter::default().code(), 0);
        let mut codes: Vec<u32> = (0u8..16)
            .flat_map(|bits| {
                let lanes: Vec<_> = Lane::ALL.into_iter().filter(|lane| bits >> lane.code() & 1 == 1).collect();
                [filter(&lanes, &EventKind::ALL), filter(&lanes, &[EventKind::Error])].map(|filter| filter.code())
            })
            .collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), 32);
    }
}
