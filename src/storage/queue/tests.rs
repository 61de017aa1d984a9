//! What is kept aside, and when it is released. The rest is tested through the client.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::source::Source;
use super::state::DropList;
use super::{Live, Queue, QueueError, QueueLimits, contexts};
use crate::model::event::Lane;
use crate::model::ids::RunKey;
use crate::model::ledger::DropReason;
use crate::model::time::{Clock, ManualClock};
use crate::storage::frame::{self, FrameType};
use crate::storage::journal::{DrainEnd, Drained, RunCounters, RunStart};

const EVENT: FrameType = FrameType::Event(Lane::Event);
const ASIDE: FrameType = FrameType::Aside(Lane::Event);
const OPEN: FrameType = FrameType::OpenAside(Lane::Event);
const CLOSE: FrameType = FrameType::Close(Lane::Event);

/// A journal of frames and their counters; every frame is one byte long.
struct Frames(&'static [(FrameType, u64)]);

impl Source for Frames {
    fn counters(&self) -> RunCounters {
        RunCounters::default()
    }

    fn drain(&self, from: u64, _: usize, _: usize, visit: &mut dyn FnMut(Drained<'_>)) -> DrainEnd {
        for (at, (frame, n)) in self.0.iter().enumerate().skip(from as usize) {
            let mut payload = Vec::new();
            frame::put_counter(&mut payload, *n);
            if *frame != FrameType::Release {
                payload.extend_from_slice(b"record");
            }
            visit(Drained { frame: *frame, end: at as u64 + 1, payload: &payload });
        }
        DrainEnd { to: self.0.len() as u64, damaged: 0, more: false }
    }
}

fn open(dir: &Path, clock: &Arc<ManualClock>) -> Queue {
    let limits = QueueLimits { queue_bytes: 1 << 24, crash_bytes: 1 << 20, max_age: Duration::from_secs(86_400) };
    let mut queue = Queue::open(dir, limits, Clock::Manual(clock.clone())).unwrap();
    queue.configure(&[("default".to_owned(), 1)]).unwrap();
    queue.set_aside_limits(1 << 20, Duration::from_secs(300));
    queue
}

/// A queue in a directory of its own, and a run of it.
fn begin() -> (tempfile::TempDir, Arc<ManualClock>, Queue, u32) {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let mut queue = open(dir.path(), &clock);
    let run = enter(&mut queue);
    (dir, clock, queue, run)
}

fn enter(queue: &mut Queue) -> u32 {
    queue.enter_run(RunStart { key: RunKey::random(), base_wall: 1 }).unwrap()
}

fn absorb(queue: &mut Queue, run: u32, frames: &'static [(FrameType, u64)]) {
    queue.absorb(run, &Frames(frames), 1_000, 1 << 20).unwrap();
    while queue.promote().unwrap() {}
}

/// Rows to be sent, events that are kept apart, events that are open.
fn counts(queue: &Queue) -> (u64, u64, u64) {
    let state = queue.control.lane(Lane::Event);
    let apart = queue.pending().unwrap();
    (state.rows, apart, state.held - apart)
}

#[test]
fn a_release_takes_what_came_before_it_and_what_is_open_and_nothing_after_it() {
    let (dir, clock, mut queue, run) = begin();
    absorb(&mut queue, run, &[(ASIDE, 1), (OPEN, 2), (OPEN, 3), (CLOSE, 3)]);
    assert_eq!(counts(&queue), (0, 2, 1));
    // The next process finds all of it.
    drop(queue);
    let mut queue = open(dir.path(), &clock);
    absorb(
        &mut queue,
        run,
        &[
            (ASIDE, 1),
            (OPEN, 2),
            (OPEN, 3),
            (CLOSE, 3),
            (EVENT, 4),
            (FrameType::Release, 0),
            (ASIDE, 5),
            (OPEN, 6),
            (CLOSE, 2),
        ],
    );
    assert_eq!(counts(&queue), (4, 1, 1));
}

#[test]
fn a_release_leaves_what_is_too_old_and_books_it() {
    let (_dir, clock, mut queue, run) = begin();
    absorb(&mut queue, run, &[(ASIDE, 1)]);
    clock.advance(Duration::from_secs(301));
    absorb(&mut queue, run, &[(ASIDE, 1), (ASIDE, 2), (FrameType::Release, 0)]);
    assert_eq!(counts(&queue), (1, 0, 0));
    assert_eq!(queue.control.books.drops, DropList(vec![(Lane::Event.code(), DropReason::SampledOut.code(), 1)]));
}

#[test]
fn what_is_found_in_older_journals_after_a_release_is_released_too_also_by_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    for dies_between in [false, true] {
        let mut queue = open(dir.path(), &clock);
        let before = counts(&queue).0;
        let own = enter(&mut queue);
        queue.set_unread_behind(own);
        let dead = enter(&mut queue);
        absorb(&mut queue, own, &[(FrameType::Release, 0)]);
        if dies_between {
            drop(queue);
            queue = open(dir.path(), &clock);
        }
        assert!(queue.awaits_recovery());
        absorb(&mut queue, dead, &[(ASIDE, 1), (OPEN, 2)]);
        assert_eq!(counts(&queue), (before, 1, 1));
        queue.finish_run(dead, &RunCounters::default()).unwrap();
        queue.end_recovery().unwrap();
        queue.promote().unwrap();
        assert_eq!(counts(&queue), (before + 2, 0, 0));
        assert!(!queue.awaits_recovery());
    }
}

#[test]
fn a_damaged_page_number_is_no_full_disk() {
    let (dir, clock, mut queue, run) = begin();
    absorb(&mut queue, run, &[(EVENT, 1)]);
    queue.make_room().unwrap();
    assert_eq!(counts(&queue), (0, 0, 0));
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'lane_crash'";
    let page: usize = queue.db.query_row(sql, [], |row| row.get(0)).unwrap();
    queue.close();
    let file = dir.path().join(super::schema::FILE);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[(page - 1) * 4096..page * 4096].fill(0x5a);
    std::fs::write(&file, bytes).unwrap();
    // Nobody reads the damaged page in passing.
    let mut queue = open(dir.path(), &clock);
    assert!(matches!(queue.make_room(), Err(QueueError::Corrupt(_))));
}

#[test]
fn a_database_that_is_opened_again_maps_no_file_that_could_be_truncated_under_it() {
    let (dir, clock, mut queue, run) = begin();
    absorb(&mut queue, run, &[(EVENT, 1)]);
    // The process dies: its WAL is left behind.
    std::mem::forget(queue);
    let copy = tempfile::tempdir().unwrap();
    for file in ["queue.db", "queue.db-wal"] {
        std::fs::copy(dir.path().join(file), copy.path().join(file)).unwrap();
    }
    let mut queue = open(copy.path(), &clock);
    absorb(&mut queue, run, &[(EVENT, 1), (EVENT, 2)]);
    assert_eq!(counts(&queue), (2, 0, 0));
    assert!(!copy.path().join("queue.db-shm").exists());
}

#[test]
fn a_release_of_a_dead_run_says_nothing_of_later_ones() {
    let (_dir, _clock, mut queue, own) = begin();
    queue.set_unread_behind(own);
    let dead = enter(&mut queue);
    absorb(&mut queue, dead, &[(ASIDE, 1), (FrameType::Release, 0)]);
    absorb(&mut queue, own, &[(ASIDE, 1)]);
    queue.finish_run(dead, &RunCounters::default()).unwrap();
    queue.end_recovery().unwrap();
    assert_eq!(counts(&queue), (1, 1, 0));
}

#[test]
fn a_damaged_database_costs_nothing_of_what_is_kept_aside_or_open() {
    let (dir, clock, mut queue, run) = begin();
    // More than one step reads.
    let mut frames: Vec<_> = (1..=600).map(|n| (ASIDE, n)).collect();
    frames.extend([(OPEN, 601), (FrameType::Open(Lane::Event), 602), (EVENT, 603)]);
    absorb(&mut queue, run, Vec::leak(frames));
    assert_eq!(counts(&queue), (1, 600, 2));
    queue.db.execute("UPDATE state SET crc = crc + 1 WHERE key = 'age'", []).unwrap();
    drop(queue);
    let limits = QueueLimits { queue_bytes: 1 << 24, crash_bytes: 1 << 20, max_age: Duration::from_secs(86_400) };
    let reopen = || {
        let (mut queue, _) = super::open_or_rebuild(dir.path(), limits, &Clock::Manual(clock.clone())).unwrap();
        queue.set_aside_limits(1 << 20, Duration::from_secs(300));
        queue
    };
    let mut queue = reopen();
    assert!(queue.is_salvaging() && queue.salvage_step().unwrap());
    // What comes meanwhile stands behind what is still to be read.
    let own = enter(&mut queue);
    queue.set_unread_behind(own);
    absorb(&mut queue, own, &[(ASIDE, 1)]);
    assert_eq!(queue.pending().unwrap(), 257);
    drop(queue);
    // The process died. The next one goes on, and something happens before it has read everything.
    let mut queue = reopen();
    queue.set_unread_behind(own);
    assert!(queue.salvage_step().unwrap());
    queue.absorb(own, &Frames(&[(ASIDE, 1), (FrameType::Release, 0)]), 1_000, 1 << 20).unwrap();
    while queue.salvage_step().unwrap() {}
    queue.configure(&[("default".to_owned(), 1)]).unwrap();
    assert_eq!(queue.control.lane(Lane::Event).held, 603);
    queue.end_recovery().unwrap();
    while queue.promote().unwrap() {}
    assert_eq!(counts(&queue), (602, 0, 2));
    let books = queue.books().unwrap().remove(0);
    assert!(books.balanced() && books.dropped.total() == 0 && books.accepted == 604, "{books:?}");
    let mut rows = queue.db.prepare("SELECT seq, row FROM lane_event ORDER BY seq").unwrap();
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap);
    let order: Vec<(u32, u64)> = rows
        .map(|(seq, row): (u64, Vec<u8>)| {
            let row = super::row::decode(Lane::Event, seq, &row).unwrap();
            (row.run, row.n)
        })
        .collect();
    let expected: Vec<_> = (1..=600).map(|n| (run, n)).chain([(own, 1)]).collect();
    assert_eq!(order[1..], expected, "the oldest come first");
}

#[test]
fn forgetting_many_contexts_takes_no_long_log_on_a_disk_that_may_be_full() {
    let (dir, _clock, mut queue, run) = begin();
    let record = [b'c'; 900];
    for version in 1..=4_000 {
        contexts::insert(&queue.db, &mut queue.control.context_bytes, run, version, &record).unwrap();
    }
    queue.checkpoint().unwrap();
    // Every second one is needed, so that no page becomes empty.
    let begun: Vec<u32> = (1..=2_000).map(|n| 2 * n).collect();
    let live = Live { run, journal: &Frames(&[]), newest: 4_000, begun: &begun };
    queue.sweep_contexts(Some(&live)).unwrap();
    assert_eq!(queue.context(run, 1).unwrap(), None);
    assert!(queue.context(run, 2).unwrap().is_some());
    let log = std::fs::metadata(dir.path().join("queue.db-wal")).unwrap().len();
    assert!(log < 2 << 20, "a log of {log} bytes");
}

#[test]
fn a_full_disk_costs_a_few_events_of_what_is_kept_aside_and_none_that_are_to_be_sent() {
    let (_dir, _clock, mut queue, run) = begin();
    let mut frames: Vec<_> = (1..=400).map(|n| (ASIDE, n)).collect();
    frames.extend((401..=420).map(|n| (EVENT, n)));
    absorb(&mut queue, run, Vec::leak(frames));
    queue.make_room().unwrap();
    assert_eq!(counts(&queue), (20, 320, 0));
}
