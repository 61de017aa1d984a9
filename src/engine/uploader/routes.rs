//! Which destination gets which events.

use super::Member;
use super::guarded::Guarded;
use crate::model::event::{EventKind, Lane};
use crate::storage::queue::ByLane;
use crate::storage::queue::state::Kinds;

/// Settles which events each destination gets. Returns those that some destination wants: the
/// others are counted as wanted by none.
///
/// A filter that forgets the lane of crashes must not cost a crash. When no destination wants
/// crashes, they go to those that want handled errors.
pub(super) fn share(members: &mut [Guarded]) -> ByLane<Kinds> {
    let wants = |members: &[Guarded], lane, kind| members.iter().any(|member| member.wants(lane, kind));
    if !wants(members, Lane::Crash, EventKind::Error) {
        let errors = members.iter_mut().filter(|member| member.wants(Lane::Error, EventKind::Error));
        errors.for_each(Guarded::add_crashes);
    }
    let mut wanted = ByLane::<Kinds>::default();
    for lane in Lane::ALL {
        for kind in EventKind::ALL {
            if wants(members, lane, kind) {
                wanted.get_mut(lane).add(kind);
            }
        }
    }
    wanted
}

/// What a developer should know of the routes.
#[derive(Debug, Default)]
pub(crate) struct Untaken {
    /// Events that are meant for no destination.
    pub(crate) events: Vec<(Lane, EventKind)>,
    /// The destinations that get crashes although their filters leave them out: by their places
    /// in what was asked about.
    pub(crate) with_crashes: Vec<usize>,
}

/// What is wrong with the routes of these destinations. An exporter that panics says nothing.
pub(crate) fn untaken(members: Vec<Member>) -> Untaken {
    let guarded = |(_, exporter, filter)| Guarded::new(exporter, filter, Default::default());
    let before: Vec<Guarded> = members.into_iter().map(guarded).collect();
    let mut members = before.clone();
    share(&mut members);
    let has_crashes = |member: &Guarded| member.admits(Lane::Crash, EventKind::Error);
    let added = |(_, (before, now)): &(usize, (&Guarded, &Guarded))| has_crashes(now) && !has_crashes(before);
    let with_crashes = before.iter().zip(&members).enumerate().filter(added).map(|(at, _)| at).collect();
    let events = EventKind::ALL.into_iter().flat_map(|kind| kind.lanes().iter().map(move |lane| (*lane, kind)));
    let is_untaken = |(lane, kind): &(Lane, EventKind)| !members.iter().any(|member| member.concerns(*lane, *kind));
    Untaken { events: events.filter(is_untaken).collect(), with_crashes }
}
