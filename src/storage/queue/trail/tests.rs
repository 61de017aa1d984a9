//! What is kept of a run's last events, and what wins over it. Crashes of real processes are in
//! `tests/it/crashes.rs`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::super::source::Source;
use super::super::state::Kinds;
use super::super::{LeftOut, NewPart, Queue, QueueLimits, Settlement};
use crate::model::event::encode::{Stamp, encode};
use crate::model::event::{Action, Event, EventKind, Lane, Metric, MetricData, View};
use crate::model::ids::RunKey;
use crate::model::limits::MAX_BREADCRUMBS;
use crate::model::time::{Clock, ManualClock};
use crate::storage::frame::{self, FrameType};
use crate::storage::journal::{DrainEnd, Drained, RunCounters, RunStart};
use uuid::Uuid;

const DAY: Duration = Duration::from_secs(86_400);

/// A journal of one event for each frame: `e1`, `e2`, …, by its counter.
struct Events(Vec<(FrameType, u64)>);

impl Events {
    fn row(&self, frame: FrameType, n: u64) -> Vec<u8> {
        let name = format!("e{n}");
        match frame {
            FrameType::Event(Lane::Bulk) => encoded(&Metric::new(&name, "1", MetricData::Gauge(1.0)), n),
            FrameType::Open(_) => encoded(&View::new(Uuid::from_u128(n.into()), &name), n),
            _ => encoded(&Action::tap(&name), n),
        }
    }
}

fn encoded(event: &impl Event, n: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    assert!(encode(event, Stamp { time_delta: n as i64, ..Stamp::default() }, &mut bytes));
    bytes
}

impl Source for Events {
    fn counters(&self) -> RunCounters {
        RunCounters::default()
    }

    fn drain(&self, from: u64, _: usize, _: usize, visit: &mut dyn FnMut(Drained<'_>)) -> DrainEnd {
        for (at, (frame, n)) in self.0.iter().enumerate() {
            let mut payload = Vec::new();
            frame::put_counter(&mut payload, *n);
            payload.extend_from_slice(&self.row(*frame, *n));
            visit(Drained { frame: *frame, end: from + at as u64 + 1, payload: &payload });
        }
        DrainEnd { to: from + self.0.len() as u64, damaged: 0, more: false }
    }
}

fn open(dir: &Path, clock: &Arc<ManualClock>, queue_bytes: u64) -> Queue {
    let limits = QueueLimits { queue_bytes, crash_bytes: 1 << 16, max_age: DAY };
    Queue::open(dir, limits, Clock::Manual(clock.clone())).unwrap()
}

fn configure(queue: &mut Queue, names: &[&str]) {
    let wanted: Vec<_> = names.iter().map(|name| ((*name).to_owned(), 1)).collect();
    queue.configure(&wanted).unwrap();
}

/// A queue with a destination in a directory of its own, and a run of it.
fn begin() -> (tempfile::TempDir, Arc<ManualClock>, Queue, u32) {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let mut queue = open(dir.path(), &clock, 1 << 24);
    configure(&mut queue, &["one"]);
    let run = enter(&mut queue);
    (dir, clock, queue, run)
}

fn enter(queue: &mut Queue) -> u32 {
    queue.enter_run(RunStart { key: RunKey::random(), base_wall: 1 }).unwrap()
}

fn absorb(queue: &mut Queue, run: u32, lane: Lane, counters: std::ops::RangeInclusive<u64>) {
    let events = Events(counters.map(|n| (FrameType::Event(lane), n)).collect());
    queue.absorb(run, &events, 1_000, 1 << 20).unwrap();
}

/// Delivers to a destination what waits for it. Returns how many events that were.
fn deliver(queue: &mut Queue, name: &str, lane: Lane) -> usize {
    let id = queue.destinations().into_iter().find(|(_, known)| known == name).unwrap().0;
    let mut count = 0;
    loop {
        let rows = queue.next_rows(id, lane, 500, 1 << 20).unwrap().rows;
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return count };
        let (mut kinds, seqs) = (Kinds::default(), first.seq..=last.seq);
        EventKind::ALL.into_iter().for_each(|kind| kinds.add(kind));
        let part = NewPart { from: first.seq, to: last.seq, kinds, rows: rows.len() as u64, ..NewPart::default() };
        queue.freeze(id, lane, seqs, LeftOut::default(), vec![part]).unwrap();
        let part = queue.batch(id, lane).unwrap().parts[0].id;
        queue.settle(id, lane, part, Settlement::Delivered { rejected: 0 }, 0).unwrap();
        count += rows.len();
    }
}

/// The counters of the breadcrumbs of a run.
fn crumbs(queue: &Queue, run: u32) -> Vec<u64> {
    let crumbs = queue.breadcrumbs(run).unwrap();
    crumbs.iter().map(|crumb| crumb.name.strip_prefix('e').unwrap().parse().unwrap()).collect()
}

/// The bytes of what is kept, counted anew.
fn assert_counted(queue: &Queue) {
    assert_eq!(queue.control.trail_bytes, super::bytes(&queue.db).unwrap());
    for books in queue.books().unwrap() {
        assert!(books.balanced(), "{books:?}");
    }
}

#[test]
fn what_is_delivered_is_still_told_and_neither_sent_again_nor_queued() {
    let (dir, clock, mut queue, run) = begin();
    absorb(&mut queue, run, Lane::Event, 1..=10);
    assert_eq!(crumbs(&queue, run), Vec::from_iter(1..=10));
    assert_eq!(deliver(&mut queue, "one", Lane::Event), 10);
    absorb(&mut queue, run, Lane::Event, 11..=12);
    assert_eq!(crumbs(&queue, run), Vec::from_iter(1..=12));
    let books = queue.books().unwrap().remove(0);
    assert_eq!((books.accepted, books.delivered, books.queued), (12, 10, 2));
    assert_eq!(queue.depth().map(|lane| lane.rows), [0, 0, 2, 0]);
    assert_counted(&queue);
    // A destination that is new gets what is there, and nothing of what is gone.
    configure(&mut queue, &["one", "two"]);
    assert_eq!(deliver(&mut queue, "two", Lane::Event), 2);
    assert_eq!(deliver(&mut queue, "one", Lane::Event), 2);
    // The next process finds all of it, until the run is over.
    drop(queue);
    let mut queue = open(dir.path(), &clock, 1 << 24);
    assert_eq!(crumbs(&queue, run), Vec::from_iter(1..=12));
    assert_counted(&queue);
    queue.finish_run(run, &RunCounters::default()).unwrap();
    assert_eq!((crumbs(&queue, run), queue.control.trail_bytes), (Vec::new(), 0));
    assert_counted(&queue);
}

#[test]
fn a_destination_that_waits_loses_nothing_to_one_that_does_not() {
    let (_dir, _clock, mut queue, run) = begin();
    configure(&mut queue, &["one", "two"]);
    absorb(&mut queue, run, Lane::Event, 1..=5);
    assert_eq!(deliver(&mut queue, "one", Lane::Event), 5);
    assert_eq!(queue.control.trail_bytes, 0, "the rows are still there");
    assert_eq!(deliver(&mut queue, "two", Lane::Event), 5);
    assert_eq!(crumbs(&queue, run), Vec::from_iter(1..=5));
    assert_counted(&queue);
}

#[test]
fn a_run_that_goes_on_for_ever_keeps_its_last_hundred_events_and_no_metric() {
    let (_dir, _clock, mut queue, run) = begin();
    let most = MAX_BREADCRUMBS as u64;
    for from in (1..2_000).step_by(50) {
        absorb(&mut queue, run, Lane::Event, from..=from + 24);
        absorb(&mut queue, run, Lane::Bulk, from + 25..=from + 49);
        deliver(&mut queue, "one", Lane::Event);
        deliver(&mut queue, "one", Lane::Bulk);
    }
    let last: Vec<u64> = (1..=2_000).filter(|n| (n - 1) % 50 < 25).collect();
    assert_eq!(crumbs(&queue, run), last[last.len() - MAX_BREADCRUMBS..]);
    let kept: u64 = queue.db.query_row("SELECT count(*) FROM trail", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, most);
    assert_counted(&queue);
}

#[test]
fn what_is_open_and_what_waits_for_consent_is_told_too() {
    let (_dir, _clock, mut queue, run) = begin();
    absorb(&mut queue, run, Lane::Event, 1..=1);
    deliver(&mut queue, "one", Lane::Event);
    absorb(&mut queue, run, Lane::Event, 2..=2);
    queue.set_consent(crate::model::config::Consent::Pending);
    absorb(&mut queue, run, Lane::Event, 3..=3);
    queue.absorb(run, &Events(vec![(FrameType::Open(Lane::Event), 4)]), 1_000, 1 << 20).unwrap();
    let other = enter(&mut queue);
    absorb(&mut queue, other, Lane::Event, 5..=5);
    assert_eq!((crumbs(&queue, run), crumbs(&queue, other)), (vec![1, 2, 3, 4], vec![5]));
}

#[test]
fn a_run_without_a_destination_is_told_from_its_rows() {
    let (_dir, _clock, mut queue, run) = begin();
    configure(&mut queue, &[]);
    absorb(&mut queue, run, Lane::Event, 1..=150);
    assert_eq!(crumbs(&queue, run), Vec::from_iter(51..=150));
    assert_eq!(queue.control.trail_bytes, 0);
}

#[test]
fn nothing_is_kept_of_a_run_that_is_over() {
    let (_dir, _clock, mut queue, run) = begin();
    absorb(&mut queue, run, Lane::Event, 1..=5);
    queue.finish_run(run, &RunCounters::default()).unwrap();
    deliver(&mut queue, "one", Lane::Event);
    assert_eq!((crumbs(&queue, run), queue.control.trail_bytes), (Vec::new(), 0));
}

#[test]
fn what_is_kept_grows_old_as_events_do() {
    let (_dir, clock, mut queue, run) = begin();
    absorb(&mut queue, run, Lane::Event, 1..=5);
    clock.advance(DAY / 2);
    absorb(&mut queue, run, Lane::Event, 6..=7);
    deliver(&mut queue, "one", Lane::Event);
    clock.advance(DAY / 2);
    queue.expire().unwrap();
    assert_eq!(crumbs(&queue, run), [6, 7]);
    clock.advance(DAY / 2);
    queue.expire().unwrap();
    assert_eq!(crumbs(&queue, run), [] as [u64; 0]);
    assert_counted(&queue);
}

#[test]
fn what_is_kept_gives_way_before_an_event_does() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let mut queue = open(dir.path(), &clock, 1 << 20);
    configure(&mut queue, &["one"]);
    let run = enter(&mut queue);
    absorb(&mut queue, run, Lane::Event, 1..=100);
    deliver(&mut queue, "one", Lane::Event);
    let kept = queue.control.trail_bytes;
    assert!(kept > 0);
    absorb(&mut queue, run, Lane::Event, 101..=110);
    let rows: u64 = queue.control.lanes.values().map(|lane| lane.bytes).sum();
    // As much room as rows and contexts take, and a little of what is kept.
    queue.limits.queue_bytes = rows + queue.control.context_bytes + kept / 2;
    queue.limits.crash_bytes = 0;
    queue.enforce_quotas().unwrap();
    assert_eq!(crumbs(&queue, run), Vec::from_iter(101..=110));
    assert_eq!(queue.depth().map(|lane| lane.rows), [0, 0, 10, 0]);
    assert_counted(&queue);
}

#[test]
fn a_full_disk_costs_what_is_kept_and_no_event() {
    let (_dir, _clock, mut queue, run) = begin();
    absorb(&mut queue, run, Lane::Event, 1..=20);
    deliver(&mut queue, "one", Lane::Event);
    absorb(&mut queue, run, Lane::Event, 21..=25);
    queue.make_room().unwrap();
    assert_eq!(queue.control.trail_bytes, 0);
    assert_counted(&queue);
}

#[test]
fn a_database_of_an_older_version_gets_its_table_and_a_damaged_crumb_is_not_told() {
    let (dir, clock, queue, _) = begin();
    queue.db.execute_batch("DROP TABLE trail").unwrap();
    queue.close();
    let mut queue = open(dir.path(), &clock, 1 << 24);
    let run = enter(&mut queue);
    absorb(&mut queue, run, Lane::Event, 1..=2);
    deliver(&mut queue, "one", Lane::Event);
    queue.db.execute("UPDATE trail SET crumb = replace(crumb, 'e1', 'e9') WHERE n = 1", []).unwrap();
    assert_eq!(crumbs(&queue, run), [2]);
}
