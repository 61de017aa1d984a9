//! The law of the books, checked by random histories: whatever happens in whatever order, for every
//! destination `accepted = delivered + queued + Σ dropped`. No event is delivered that was not
//! recorded, and none is lost without a reason.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use throughline::event::{Action, Custom, ErrorEvent, Lane, Log, Metric, MetricData, Severity};
use throughline::internals::SendPolicy;
use throughline::internals::journal::run_file::{RunFile, file_name};
use throughline::internals::otlp::Otlp;
use throughline::internals::queue::{Queue, QueueLimits, open_or_rebuild};
use throughline::internals::recorder::Recorder;
use throughline::internals::uploader::{Member, Outgoing, Step, Uploader};
use throughline::ledger::DropReason;
use throughline::testing::event_ids;
use throughline::time::{Clock, ManualClock};
use throughline::transport::{Response, TransportError};
use throughline::{Conditions, Destination, MeteredUploads, Network};
use uuid::Uuid;

mod routes;

use routes::{FILTERS, Filters};

#[derive(Debug, Clone)]
enum Op {
    Record(u8, u16),
    Absorb(u16),
    Upload(u8, bool),
    Kill,
    Pass(u32),
    Jump(i32),
    Reboot,
    Destinations(u8),
    /// Several requests, one after the other, to a backend that fails on some events.
    Poison(u8, u8),
    /// Requests to every destination that may get one, which are not answered yet.
    Start,
    /// One of those is answered.
    Answer(u8, u8),
    /// A row is damaged.
    Damage(u8, u16),
    Flush(bool),
    Offline(bool),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0u8..6, 1u16..120).prop_map(|(kind, count)| Op::Record(kind, count)),
        5 => (1u16..200).prop_map(Op::Absorb),
        8 => (0u8..10, any::<bool>()).prop_map(|(answer, arrives)| Op::Upload(answer, arrives)),
        2 => Just(Op::Kill),
        2 => (1u32..200_000).prop_map(Op::Pass),
        1 => any::<i32>().prop_map(Op::Jump),
        1 => Just(Op::Reboot),
        1 => (0u8..4).prop_map(Op::Destinations),
    ]
}

/// What happens to backends, and to requests that are under way together.
fn trouble() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => op(),
        5 => (0u8..4, 1u8..40).prop_map(|(answer, count)| Op::Poison(answer, count)),
        6 => Just(Op::Start),
        8 => (0u8..14, any::<u8>()).prop_map(|(answer, which)| Op::Answer(answer, which)),
        3 => (0u8..4, any::<u16>()).prop_map(|(lane, which)| Op::Damage(lane, which)),
        2 => any::<bool>().prop_map(Op::Flush),
        1 => any::<bool>().prop_map(Op::Offline),
    ]
}

/// Everything that a worker has, but without its thread.
struct World {
    dir: PathBuf,
    clock: Clock,
    manual: Arc<ManualClock>,
    recorder: Recorder,
    queue: Queue,
    uploader: Uploader,
    run: u32,
    wanted: Vec<&'static str>,
    recorded: HashSet<Uuid>,
    arrived: HashSet<(u32, Uuid)>,
    under_way: Vec<Outgoing>,
    damaged: u64,
    filters: Filters,
}

const LIMITS: QueueLimits =
    QueueLimits { queue_bytes: 1 << 20, crash_bytes: 64 << 10, max_age: Duration::from_secs(86_400) };
const POLICY: SendPolicy = SendPolicy {
    flush_interval: Duration::from_secs(30),
    flush_events: 1,
    metered_uploads: MeteredUploads::All,
    daily_bytes: None,
};

fn uploader(queue: &Queue, clock: &Clock, filters: Filters) -> Uploader {
    let exporter = |(id, name): (u32, String)| -> Member {
        let filter = FILTERS[filters[usize::from(name == "b")]](Destination::new(&name, "http://localhost"));
        (id, Arc::new(Otlp::new(&Destination::new(name, "http://localhost"))), filter.filter().clone())
    };
    Uploader::new(clock.clone(), POLICY, queue.destinations().into_iter().map(exporter).collect(), 7, false)
}

fn journaled(dir: &Path, clock: &Clock) -> Recorder {
    let recorder = Recorder::new(clock.clone(), Default::default(), Box::new(|| {})).unwrap();
    std::fs::create_dir_all(dir.join("runs")).unwrap();
    recorder.journal().map(&dir.join("runs").join(file_name(recorder.key()))).unwrap();
    recorder
}

impl World {
    fn new(dir: &Path) -> Self {
        let manual = ManualClock::new();
        let clock = Clock::Manual(manual.clone());
        let recorder = journaled(dir, &clock);
        let (mut queue, _) = open_or_rebuild(dir, LIMITS, &clock).unwrap();
        queue.configure(&[("a".to_owned(), 1)]).unwrap();
        let run = queue.enter_run(recorder.journal().start()).unwrap();
        let uploader = uploader(&queue, &clock, [0, 0]);
        Self {
            dir: dir.to_owned(),
            clock,
            manual,
            recorder,
            queue,
            uploader,
            run,
            wanted: vec!["a"],
            recorded: HashSet::new(),
            arrived: HashSet::new(),
            under_way: Vec::new(),
            damaged: 0,
            filters: [0, 0],
        }
    }

    fn configure(&mut self) {
        self.under_way.clear();
        let wanted: Vec<_> = self.wanted.iter().map(|name| ((*name).to_owned(), 1)).collect();
        self.queue.configure(&wanted).unwrap();
        self.uploader = uploader(&self.queue, &self.clock, self.filters);
    }

    fn record(&mut self, kind: u8, count: u16) {
        for n in 0..count {
            let attributes = [("n", i64::from(n).into()), ("filler", "yes".into())];
            let id = match kind {
                0 | 1 => self.recorder.record(&Action::tap("x").attributes(&attributes)),
                2 => self.recorder.record(&ErrorEvent::new("E", "m").attributes(&attributes)),
                3 => self.recorder.record(&ErrorEvent::crash("E", "m", "s").attributes(&attributes)),
                4 => self.recorder.record(&Log::new(Severity::Info, "line").attributes(&attributes)),
                6 => self.recorder.record(&Log::new(Severity::Error, "line").attributes(&attributes)),
                7 => self.recorder.record(&Custom::new("placed").attributes(&attributes)),
                _ => self.recorder.record(&Metric::new("m", "1", MetricData::Gauge(1.0)).attributes(&attributes)),
            };
            self.recorded.extend(id);
        }
    }

    fn absorb(&mut self, most: usize) {
        let absorbed = self.queue.absorb(self.run, self.recorder.journal(), most, usize::MAX).unwrap();
        self.recorder.journal().advance(absorbed.to);
    }

    /// Sends one request and settles it with an answer. `arrives` says whether the backend has got
    /// the request when the answer is lost. False when there is nothing to send.
    fn upload(&mut self, answer: u8, arrives: bool) -> bool {
        let Step::Send(outgoing) = self.uploader.next(&mut self.queue, &[]).unwrap() else { return false };
        self.settle(*outgoing, answer, arrives);
        true
    }

    fn settle(&mut self, outgoing: Outgoing, answer: u8, arrives: bool) {
        let ids = ids(&outgoing);
        let with = |status, name: &str, value: &str| {
            Ok(Response { status, headers: vec![(name.to_owned(), value.to_owned())], ..Response::default() })
        };
        let status = |status| with(status, "server", "test");
        let (result, arrived) = match answer {
            0..=3 => (status(200), true),
            4 => (Err(TransportError("cut".to_owned())), arrives),
            5 => (status(503), false),
            6 => (status(413), false),
            7 => (status(400), false),
            8 => (status(401), false),
            10 => (with(503, "retry-after", "0"), false),
            11 => (with(429, "retry-after", "86400"), false),
            12 => (status(404), false),
            13 => (Ok(Response { status: 200, body: vec![0x0a, 2, 0x08, 3], ..Response::default() }), true),
            _ => (status(500), false),
        };
        if arrived {
            self.arrived.extend(ids.into_iter().map(|id| (outgoing.leased.destination, id)));
        }
        self.uploader.settle(&mut self.queue, &outgoing.leased, result).unwrap();
    }

    /// Sends requests to a backend that answers one in sixteen events with an error.
    fn poison(&mut self, answer: u8, count: u8) {
        self.uploader.set_flush(true);
        for _ in 0..count {
            match self.uploader.next(&mut self.queue, &[]).unwrap() {
                Step::Send(outgoing) => {
                    let is_poisoned = ids(&outgoing).iter().any(|id| id.as_bytes()[15] % 16 == 0);
                    let answer = if is_poisoned { [9, 7, 6, 4][usize::from(answer)] } else { 0 };
                    self.settle(*outgoing, answer, false);
                    self.manual.advance(Duration::from_millis(10));
                }
                _ => self.manual.advance(Duration::from_secs(600)),
            }
            self.check();
        }
    }

    fn start(&mut self) {
        while let Step::Send(outgoing) = self.uploader.next(&mut self.queue, &[]).unwrap() {
            self.under_way.push(*outgoing);
        }
        assert!(self.under_way.len() <= self.wanted.len());
    }

    fn damage(&mut self, lane: u8, which: u16) {
        let lane = Lane::ALL[usize::from(lane)];
        let rows = self.queue.read_rows(lane, 0, i64::MAX as u64, 2_000, usize::MAX).unwrap().rows;
        if let Some(row) = rows.get(usize::from(which) % rows.len().max(1)) {
            self.queue.discard(lane, &[row.seq], DropReason::RowCorrupt).unwrap();
            self.damaged += 1;
        }
    }

    /// The process dies at once, and the next process recovers what it left.
    fn kill(self) -> Self {
        let Self { dir, clock, manual, recorder, queue, wanted, recorded, arrived, damaged, filters, .. } = self;
        let key = recorder.key();
        drop((queue, recorder));
        let fresh = journaled(&dir, &clock);
        let (mut queue, opened) = open_or_rebuild(&dir, LIMITS, &clock).unwrap();
        assert_eq!(opened.set_aside, None);
        let path = dir.join("runs").join(file_name(key));
        let file = RunFile::open(&path, key).unwrap();
        let dead = queue.enter_run(file.start().unwrap()).unwrap();
        while queue.absorb(dead, &file, 64, usize::MAX).unwrap().more {}
        queue.finish_run(dead, &file.counters()).unwrap();
        std::fs::remove_file(path).unwrap();
        let run = queue.enter_run(fresh.journal().start()).unwrap();
        let uploader = uploader(&queue, &clock, filters);
        let (recorder, under_way) = (fresh, Vec::new());
        let mut world = Self {
            dir,
            clock,
            manual,
            recorder,
            queue,
            uploader,
            run,
            wanted,
            recorded,
            arrived,
            under_way,
            damaged,
            filters,
        };
        world.configure();
        world
    }

    fn check(&self) {
        for books in self.queue.books().unwrap() {
            assert!(books.balanced(), "{books:?}");
        }
        // Nothing counts as delivered, or twice, that has not arrived.
        for ((id, _), books) in self.queue.destinations().iter().zip(self.queue.books().unwrap()) {
            let arrived = self.arrived.iter().filter(|(to, _)| to == id).count() as u64;
            assert!(books.delivered <= arrived, "{arrived} arrived, {books:?}");
        }
        assert!(self.arrived.iter().all(|(_, id)| self.recorded.contains(id)), "delivered what nobody recorded");
    }

    /// At the end everything must have been delivered to the one destination that is left, or
    /// dropped for a reason.
    fn deliver_to_one(&mut self) {
        self.wanted = vec!["a"];
        self.configure();
        self.absorb(usize::MAX);
        for _ in 0..400 {
            self.manual.advance(Duration::from_secs(3 * 3600));
            self.uploader.set_flush(true);
            while self.upload(0, true) {
                self.check();
            }
            if self.queue.books().unwrap()[0].queued == 0 {
                break;
            }
        }
        self.check();
    }

    fn apply(mut self, op: &Op) -> Self {
        match *op {
            Op::Record(kind, count) => self.record(kind, count),
            Op::Absorb(most) => self.absorb(usize::from(most)),
            Op::Upload(answer, arrives) => {
                self.upload(answer, arrives);
            }
            Op::Kill => self = self.kill(),
            Op::Pass(seconds) => {
                self.manual.advance(Duration::from_secs(u64::from(seconds)));
                if self.under_way.is_empty() {
                    self.queue.expire().unwrap();
                }
            }
            Op::Jump(seconds) => self.manual.jump_wall(i64::from(seconds)),
            Op::Reboot => {
                self.manual.reboot(30);
                self = self.kill();
            }
            Op::Destinations(set) => {
                self.wanted = [vec!["a"], vec!["a", "b"], vec!["b"], vec![]][usize::from(set)].clone();
                self.configure();
            }
            Op::Poison(answer, count) => self.poison(answer, count),
            Op::Start => self.start(),
            Op::Answer(answer, which) => {
                if !self.under_way.is_empty() {
                    let outgoing = self.under_way.swap_remove(usize::from(which) % self.under_way.len());
                    self.settle(outgoing, answer, which % 2 == 0);
                }
            }
            Op::Damage(lane, which) => self.damage(lane, which),
            Op::Flush(flush) => self.uploader.set_flush(flush),
            Op::Offline(is_offline) => {
                let network = if is_offline { Network::Offline } else { Network::Unmetered };
                let conditions = Conditions { network, ..Conditions::default() };
                self.uploader.set_conditions(conditions, self.clock.boot());
            }
        }
        self.check();
        self
    }
}

fn ids(outgoing: &Outgoing) -> Vec<Uuid> {
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(outgoing.request.body.as_slice()), &mut plain)
        .unwrap();
    let ids = event_ids(&plain);
    assert_eq!(ids.len() as u64, outgoing.leased.part.rows);
    ids
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_books_balance_whatever_happens(ops in proptest::collection::vec(op(), 1..40)) {
        let dir = tempfile::tempdir().unwrap();
        let mut world = World::new(dir.path());
        for op in &ops {
            world = world.apply(op);
        }
        world.deliver_to_one();
        let books = world.queue.books().unwrap().remove(0);
        prop_assert_eq!(books.queued, 0, "{:?}", books);
        // Nothing was damaged here. Every drop must have been demanded by the backend, or by age.
        for reason in [DropReason::JournalLost, DropReason::RowCorrupt, DropReason::Quarantined] {
            prop_assert_eq!(books.dropped.of(reason), 0);
        }
    }

    #[test]
    fn the_books_balance_in_trouble(ops in proptest::collection::vec(trouble(), 1..60)) {
        let dir = tempfile::tempdir().unwrap();
        let mut world = World::new(dir.path());
        for op in &ops {
            world = world.apply(op);
        }
        world.deliver_to_one();
        let books = world.queue.books().unwrap().remove(0);
        prop_assert_eq!(books.queued, 0, "{:?}", books);
        prop_assert_eq!(world.queue.depth().iter().map(|lane| lane.rows).sum::<u64>(), 0, "rows nobody needs");
        prop_assert!(books.dropped.of(DropReason::RowCorrupt) <= world.damaged);
        for reason in [DropReason::JournalLost, DropReason::Quarantined] {
            prop_assert_eq!(books.dropped.of(reason), 0);
        }
    }
}
