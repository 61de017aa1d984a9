//! The law of the books with filters and pauses: for every destination, each event that was
//! recorded is delivered once, dropped for a reason, or was passed over because the filter said so.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use throughline::Destination;
use throughline::event::{EventKind, Lane};
use throughline::internals::uploader::Step;
use throughline::ledger::DropReason;
use uuid::Uuid;

use super::{World, ids};

/// Of the destinations `a` and `b`, which filter they have.
pub type Filters = [usize; 2];

/// Filters; the first lets everything through, the third forgets crashes.
pub const FILTERS: [fn(Destination) -> Destination; 6] = [
    |destination| destination,
    |destination| destination.lanes([Lane::Crash, Lane::Error]),
    |destination| destination.lanes([Lane::Error]),
    |destination| destination.kinds([EventKind::Action, EventKind::Log]),
    |destination| destination.lanes([Lane::Event, Lane::Bulk]).kinds([EventKind::Action, EventKind::Metric]),
    |destination| destination.kinds([EventKind::Error]),
];

/// Whether an event is meant for each of the destinations, as the documents say it.
fn meant(filters: Filters, lane: Lane, kind: EventKind) -> [bool; 2] {
    let takes = |lane: Lane, kind| {
        filters.map(|at| FILTERS[at](Destination::new("d", "http://localhost")).filter().takes(lane, kind))
    };
    match takes(lane, kind) {
        // Crashes that nobody takes go to those that take errors.
        [false, false] if lane == Lane::Crash => takes(Lane::Error, EventKind::Error),
        meant => meant,
    }
}

/// What happens to two destinations with filters of their own.
#[derive(Debug, Clone)]
enum Turn {
    Record(u8, u16),
    Absorb(u16),
    /// Some requests, each answered so: nothing arrives unless it is delivered.
    Upload(u8, u8),
    Kill,
    Pass(u32),
    /// The next process has another filter for one of them.
    Filter(u8, u8),
    /// The app pauses them, or not.
    Pause(bool, bool),
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        8 => (0u8..8, 1u16..12).prop_map(|(kind, count)| Turn::Record(kind, count)),
        6 => (1u16..40).prop_map(Turn::Absorb),
        8 => (0u8..6, 1u8..6).prop_map(|(answer, count)| Turn::Upload(answer, count)),
        1 => Just(Turn::Kill),
        3 => (1u32..4_000).prop_map(Turn::Pass),
        3 => (0u8..2, 0u8..6).prop_map(|(which, filter)| Turn::Filter(which, filter)),
        2 => (any::<bool>(), any::<bool>()).prop_map(|(a, b)| Turn::Pause(a, b)),
    ]
}

/// Plays turns, and then delivers what is left. For every destination, each event has arrived once,
/// has been dropped because no destination wanted it, or was passed over; and which of them is what
/// the filters said while it waited.
fn route(dir: &Path, turns: &[Turn]) {
    let mut world = World::new(dir);
    world.wanted = vec!["a", "b"];
    world.configure();
    let mut known: Vec<(Uuid, Lane, EventKind, usize)> = Vec::new();
    let mut history = vec![world.filters];
    let mut paused = [false, false];
    let numbers = |world: &World| -> Vec<u32> { world.queue.destinations().into_iter().map(|(id, _)| id).collect() };
    let mut arrivals: Vec<(usize, Uuid)> = Vec::new();
    let names = |paused: [bool; 2]| -> BTreeSet<String> {
        ["a", "b"].into_iter().zip(paused).filter(|(_, is)| *is).map(|(name, _)| name.to_owned()).collect()
    };
    let mut upload = |world: &mut World, paused: [bool; 2], answer: u8| {
        let Step::Send(outgoing) = world.uploader.next(&mut world.queue, &[]).unwrap() else { return false };
        let at = numbers(world).iter().position(|id| *id == outgoing.leased.destination).unwrap();
        assert!(!paused[at], "sent to a destination that the app has paused");
        if answer == 0 {
            arrivals.extend(ids(&outgoing).into_iter().map(|id| (at, id)));
        }
        world.settle(*outgoing, [0, 4, 5, 12, 8, 12][usize::from(answer)], false);
        true
    };
    for turn in turns.iter().cloned().chain([Turn::Pause(false, false), Turn::Absorb(u16::MAX)]) {
        match turn {
            Turn::Record(kind, count) => {
                let before = world.recorded.clone();
                world.record(kind, count);
                let of = match kind {
                    0 | 1 => (Lane::Event, EventKind::Action),
                    2 => (Lane::Error, EventKind::Error),
                    3 => (Lane::Crash, EventKind::Error),
                    4 => (Lane::Bulk, EventKind::Log),
                    6 => (Lane::Error, EventKind::Log),
                    7 => (Lane::Event, EventKind::Custom),
                    _ => (Lane::Bulk, EventKind::Metric),
                };
                known.extend(world.recorded.difference(&before).map(|id| (*id, of.0, of.1, history.len() - 1)));
            }
            Turn::Absorb(most) => world.absorb(usize::from(most)),
            Turn::Upload(answer, count) => {
                world.uploader.set_flush(true);
                (0..count).for_each(|_| {
                    upload(&mut world, paused, answer);
                });
                world.uploader.set_flush(false);
            }
            Turn::Kill => world = world.kill(),
            Turn::Pass(seconds) => world.manual.advance(Duration::from_secs(seconds.into())),
            Turn::Filter(which, filter) => {
                world.filters[usize::from(which)] = usize::from(filter);
                history.push(world.filters);
                world = world.kill();
            }
            Turn::Pause(a, b) => paused = [a, b],
        }
        world.uploader.set_paused(names(paused));
        world.check();
    }
    for _ in 0..60 {
        world.manual.advance(Duration::from_secs(3 * 3_600));
        world.uploader.set_flush(true);
        while upload(&mut world, paused, 0) {}
        if world.queue.books().unwrap().iter().all(|books| books.queued == 0) {
            break;
        }
    }
    world.check();
    for (at, books) in world.queue.books().unwrap().into_iter().enumerate() {
        let mut arrived: Vec<Uuid> = arrivals.iter().filter(|(to, _)| *to == at).map(|(_, id)| *id).collect();
        let count = arrived.len() as u64;
        arrived.sort_unstable();
        arrived.dedup();
        assert_eq!(arrived.len() as u64, count, "something arrived twice");
        assert_eq!((books.queued, books.delivered), (0, count), "{books:?}");
        let nowhere = books.dropped.of(DropReason::NoDestination);
        assert_eq!(books.dropped.total(), nowhere, "{books:?}");
        let (mut may_be_passed, mut may_be_nowhere) = (0, 0);
        for (id, lane, kind, since) in &known {
            let meant: Vec<[bool; 2]> = history[*since..].iter().map(|filters| meant(*filters, *lane, *kind)).collect();
            let has_arrived = arrived.binary_search(id).is_ok();
            assert!(
                !has_arrived || meant.iter().any(|meant| meant[at]),
                "it was never meant for it: {lane:?} {kind:?}"
            );
            assert!(
                has_arrived || meant.iter().any(|meant| !meant[at]),
                "it was always meant for it: {lane:?} {kind:?}"
            );
            may_be_passed += u64::from(!has_arrived);
            may_be_nowhere += u64::from(!has_arrived && meant.contains(&[false, false]));
        }
        assert!(nowhere <= may_be_nowhere, "{nowhere} of {may_be_nowhere}");
        // Each event is in one place: recorded = delivered + dropped + passed over.
        let passed = known.len() as u64 - books.accepted;
        assert_eq!(passed + nowhere, may_be_passed, "{books:?}");
    }
    assert_eq!(world.queue.depth().iter().map(|lane| lane.rows).sum::<u64>(), 0, "rows that nobody needs");
}

#[test]
fn what_was_deferred_under_another_filter_is_sent_once() {
    use Turn::{Absorb, Filter, Pause, Record, Upload};
    let dir = tempfile::tempdir().unwrap();
    // The logs of `b` are paused, then its filter wants none, and then it wants them again.
    let turns = [
        Record(6, 1),
        Absorb(9),
        Upload(3, 3),
        Filter(1, 5),
        Record(6, 1),
        Absorb(9),
        Upload(3, 3),
        Filter(1, 0),
        Record(6, 1),
        Absorb(9),
        Upload(3, 3),
    ];
    route(dir.path(), &turns);
    let found = [
        Record(6, 1),
        Record(3, 1),
        Absorb(2),
        Record(6, 1),
        Upload(3, 3),
        Filter(1, 1),
        Upload(0, 1),
        Record(6, 1),
        Filter(1, 0),
        Upload(0, 1),
        Pause(false, false),
    ];
    route(tempfile::tempdir().unwrap().path(), &found);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn each_event_is_delivered_dropped_or_passed_over_whatever_filters_and_pauses_do(
        turns in proptest::collection::vec(turn(), 1..50),
    ) {
        let dir = tempfile::tempdir().unwrap();
        route(dir.path(), &turns);
    }
}
