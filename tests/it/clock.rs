//! A clock that jumps and a device that reboots delete nothing, and delay nothing for long.

use std::time::Duration;

use throughline::internals::queue::{Queue, QueueLimits};
use throughline::internals::recorder::Recorder;
use throughline::time::{Clock, ManualClock};

const LIMITS: QueueLimits =
    QueueLimits { queue_bytes: 8 << 20, crash_bytes: 1 << 20, max_age: Duration::from_secs(7 * 86_400) };
const YEAR: i64 = 366 * 86_400;

fn filled(dir: &std::path::Path, clock: &Clock) -> Queue {
    let mut queue = Queue::open(dir, LIMITS, clock.clone()).unwrap();
    let recorder = Recorder::new(clock.clone(), Default::default(), Box::new(|| {})).unwrap();
    for n in 0..50 {
        let attributes = [("n", throughline::Value::Int(n))];
        recorder.record(&throughline::event::Action::tap("x").attributes(&attributes)).unwrap();
    }
    let run = queue.enter_run(recorder.journal().start()).unwrap();
    queue.absorb(run, recorder.journal(), usize::MAX, usize::MAX).unwrap();
    queue
}

fn rows(queue: &Queue) -> u64 {
    queue.depth().iter().map(|lane| lane.rows).sum()
}

#[test]
fn a_clock_jump_of_a_year_deletes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let manual = ManualClock::new();
    let mut queue = filled(dir.path(), &Clock::Manual(manual.clone()));
    for jump in [YEAR, -2 * YEAR, 50 * YEAR, -49 * YEAR] {
        manual.jump_wall(jump);
        assert_eq!(queue.expire().unwrap(), 0);
    }
    assert_eq!(rows(&queue), 50);
}

#[test]
fn rows_expire_by_the_time_that_passed() {
    let dir = tempfile::tempdir().unwrap();
    let manual = ManualClock::new();
    let mut queue = filled(dir.path(), &Clock::Manual(manual.clone()));
    manual.advance(Duration::from_secs(7 * 86_400 - 60));
    assert_eq!(queue.expire().unwrap(), 0);
    manual.advance(Duration::from_secs(1_000));
    assert_eq!(queue.expire().unwrap(), 50);
    assert_eq!(rows(&queue), 0);
    assert!(queue.books().unwrap()[0].balanced());
}

#[test]
fn a_reboot_counts_only_the_time_that_is_known_to_have_passed() {
    let dir = tempfile::tempdir().unwrap();
    let manual = ManualClock::new();
    let clock = Clock::Manual(manual.clone());
    drop(filled(dir.path(), &clock));
    manual.reboot(60);
    manual.jump_wall(YEAR);
    let mut queue = Queue::open(dir.path(), LIMITS, clock).unwrap();
    assert_eq!(queue.expire().unwrap(), 0);
    manual.advance(Duration::from_secs(8 * 86_400));
    assert_eq!(queue.expire().unwrap(), 50);
}
