//! The books, whatever a backend makes of each signal.

use super::*;
use crate::model::config::OtlpSignal;
use crate::model::event::{Metric, MetricData};

/// The numbers of OTLP's signals.
const SIGNALS: u8 = 3;

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// What the backend does with a signal: mostly it takes it.
    fn mood(&mut self) -> Option<u16> {
        [Some(200), Some(200), Some(404), Some(400), Some(503), Some(413), Some(429), None][self.below(8) as usize]
    }
}

fn answered(mood: Option<u16>) -> Result<Response, TransportError> {
    match mood {
        Some(429) => answer(429, Some("30")),
        Some(status) => answer(status, None),
        None => Err(TransportError("reset".to_owned())),
    }
}

fn two(queue: &Queue, clock: &Arc<ManualClock>, seed: u64) -> Uploader {
    let all = Otlp::new(&Destination::new("a", "http://a"));
    let some = Otlp::new(&Destination::new("b", "http://b").signals([OtlpSignal::Traces, OtlpSignal::Metrics]));
    let exporters: [Arc<dyn Exporter>; 2] = [Arc::new(all), Arc::new(some)];
    let ids = queue.destinations().into_iter().map(|(id, _)| id);
    let exporters = ids.zip(exporters).map(|(id, exporter)| (id, exporter, Filter::default())).collect();
    Uploader::new(Clock::Manual(clock.clone()), eager(), exporters, seed, false)
}

#[test]
fn the_books_balance_whatever_a_backend_makes_of_each_signal() {
    let deferred = (0..6).map(story).sum::<u64>();
    assert!(deferred > 0, "no signal was ever deferred");
}

/// Plays a random story of two backends. Returns in how many of its steps something was deferred.
fn story(seed: u64) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path(), 0);
    let names = [("a".to_owned(), 1), ("b".to_owned(), 2)];
    world.queue.configure(&names).unwrap();
    world.uploader = two(&world.queue, &world.clock, seed);
    let mut dice = Dice(seed ^ 0x9e37_79b9_7f4a_7c15);
    let mut moods: Vec<_> = (0..2 * SIGNALS).map(|_| dice.mood()).collect();
    let (mut delivered, mut recorded, mut deferred) = ([0, 0], [0, 0], 0);
    for step in 0..120 {
        world.clock.advance(Duration::from_secs(dice.below(1_500)));
        match dice.below(12) {
            0..4 => {
                let count = dice.below(60) as u32;
                world.record(count);
                world.recorder.record(&Metric::new("depth", "1", MetricData::Gauge(1.0))).unwrap();
                world.record_error();
                recorded[0] += 2 * u64::from(count) + 2;
                recorded[1] += u64::from(count) + 1;
            }
            4 => moods[dice.below(6) as usize] = dice.mood(),
            5 => {
                let rows = world.queue.read_rows(Lane::Event, 0, 1 << 40, 500, usize::MAX).unwrap().rows;
                if !rows.is_empty() {
                    let lost = rows[dice.below(rows.len() as u64) as usize].seq;
                    world.queue.discard(Lane::Event, &[lost], DropReason::RowCorrupt).unwrap();
                }
            }
            6 => world.uploader = two(&world.queue, &world.clock, dice.below(u64::MAX)),
            7 => drop(world.queue.expire().unwrap()),
            _ => {}
        }
        for _ in 0..dice.below(12) {
            let Some(outgoing) = world.next() else { break };
            let leased = &outgoing.leased;
            let signal = usize::from(leased.part.signal);
            assert!(leased.destination == 1 || signal > 0, "seed {seed}: logs for the second destination");
            let at = leased.destination as usize - 1;
            let mood = moods[at * usize::from(SIGNALS) + signal];
            delivered[at] += if mood == Some(200) { leased.part.rows } else { 0 };
            world.settle(&outgoing, answered(mood));
        }
        check(&world, &format!("seed {seed}, step {step}"), delivered);
        let batch = world.queue.batch(1, Lane::Event);
        deferred += u64::from(batch.is_some_and(|batch| batch.parts.iter().any(|part| part.is_deferred)));
    }
    world.uploader = two(&world.queue, &world.clock, seed);
    for _ in 0..60 {
        world.clock.advance(Duration::from_secs(3_600));
        while let Some(outgoing) = world.next() {
            delivered[outgoing.leased.destination as usize - 1] += outgoing.leased.part.rows;
            world.settle(&outgoing, accepted());
        }
        check(&world, &format!("seed {seed}, at the end"), delivered);
    }
    let books = world.queue.books().unwrap();
    let accepted: Vec<u64> = books.iter().map(|books| books.accepted).collect();
    assert!(books.iter().all(|books| books.queued == 0), "seed {seed}: {books:?}");
    assert_eq!(world.queue.depth().iter().map(|lane| lane.rows).sum::<u64>(), 0, "seed {seed}: rows are left");
    // Of the logs, the second destination has accepted those that were dropped before it knew.
    assert!(accepted[0] == recorded[0] && (recorded[1]..=recorded[0]).contains(&accepted[1]), "seed {seed}: {books:?}");
    deferred
}

fn check(world: &World, at: &str, delivered: [u64; 2]) {
    for (books, delivered) in world.queue.books().unwrap().into_iter().zip(delivered) {
        assert!(books.balanced(), "{at}: {books:?}");
        assert_eq!(books.delivered, delivered, "{at}: {books:?}");
    }
}

#[test]
fn rows_of_a_paused_signal_that_nobody_wants_any_more_are_counted_to_the_last() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path(), 0);
    let (id, _) = world.queue.destinations().remove(0);
    for _ in 0..4 {
        // More than are read at once.
        world.record(400);
        for _ in 0..40 {
            let Some(outgoing) = world.next() else { break };
            world.settle(&outgoing, answer(404, None));
        }
        world.clock.advance(Duration::from_secs(31));
    }
    let deferred = |world: &World| -> u64 {
        let batch = world.queue.batch(id, Lane::Event).unwrap();
        batch.parts.iter().filter(|part| part.is_deferred).map(|part| part.rows).sum()
    };
    assert!(deferred(&world) > 2 * 500, "{}", deferred(&world));
    let narrow = Destination::new("a", "http://a").lanes([Lane::Error]).filter().clone();
    let exporter = Arc::clone(&world.exporter) as Arc<dyn Exporter>;
    let clock = Clock::Manual(world.clock.clone());
    world.uploader = Uploader::new(clock, eager(), vec![(id, exporter, narrow)], 7, false);
    for _ in 0..40 {
        assert!(world.next().is_none());
        world.clock.advance(Duration::from_secs(31));
        let books = world.queue.books().unwrap().remove(0);
        assert!(books.balanced(), "{books:?}");
    }
    let left = (world.queue.batch(id, Lane::Event).is_some(), world.queue.behind(id, Lane::Event).unwrap());
    assert_eq!(left, (false, 0));
    let books = world.queue.books().unwrap().remove(0);
    assert_eq!((books.accepted, books.queued, books.dropped.total()), (3_200, 0, 3_200), "{books:?}");
}

#[test]
fn what_a_paused_destination_does_not_want_any_more_takes_no_space_on_the_device() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path(), 20);
    assert!(world.next().is_some(), "a batch is frozen, and the process ends");
    world.record(20);
    let (id, _) = world.queue.destinations().remove(0);
    let narrow = Destination::new("a", "http://a").lanes([Lane::Error]).filter().clone();
    let exporter = Arc::clone(&world.exporter) as Arc<dyn Exporter>;
    let clock = Clock::Manual(world.clock.clone());
    world.uploader = Uploader::new(clock, eager(), vec![(id, exporter, narrow)], 7, false);
    world.uploader.set_paused(["a".to_owned()].into());
    for _ in 0..8 {
        assert!(world.next().is_none());
        world.clock.advance(Duration::from_secs(31));
    }
    let left = (world.queue.batch(id, Lane::Event).is_some(), world.queue.behind(id, Lane::Event).unwrap());
    assert_eq!(left, (false, 0), "nobody wants it, and it pins its rows");
    let books = world.queue.books().unwrap().remove(0);
    assert!(books.balanced(), "{books:?}");
}
