//! The law of the books, checked by random histories: whatever happens in whatever order, for every
//! destination `accepted = delivered + queued + Σ dropped`. No event is delivered that was not
//! recorded, and none is lost without a reason.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use throughline::event::{Action, ErrorEvent, Log, Metric, MetricData, Severity};
use throughline::export::Exporter;
use throughline::internals::SendPolicy;
use throughline::internals::journal::run_file::{RunFile, file_name};
use throughline::internals::otlp::Otlp;
use throughline::internals::queue::{Queue, QueueLimits, open_or_rebuild};
use throughline::internals::recorder::Recorder;
use throughline::internals::uploader::{Step, Uploader};
use throughline::ledger::DropReason;
use throughline::testing::event_ids;
use throughline::time::{Clock, ManualClock};
use throughline::transport::{Response, TransportError};
use throughline::{Destination, MeteredUploads};
use uuid::Uuid;

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
}

const LIMITS: QueueLimits =
    QueueLimits { queue_bytes: 1 << 20, crash_bytes: 64 << 10, max_age: Duration::from_secs(86_400) };
const POLICY: SendPolicy = SendPolicy {
    flush_interval: Duration::from_secs(30),
    flush_events: 1,
    metered_uploads: MeteredUploads::All,
    daily_bytes: None,
};

fn uploader(queue: &Queue, clock: &Clock) -> Uploader {
    let exporter = |(id, name): (u32, String)| -> (u32, Arc<dyn Exporter>) {
        (id, Arc::new(Otlp::new(&Destination::new(name, "http://localhost"))))
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
        let uploader = uploader(&queue, &clock);
        let (recorded, arrived, wanted) = (HashSet::new(), HashSet::new(), vec!["a"]);
        Self { dir: dir.to_owned(), clock, manual, recorder, queue, uploader, run, wanted, recorded, arrived }
    }

    fn configure(&mut self) {
        let wanted: Vec<_> = self.wanted.iter().map(|name| ((*name).to_owned(), 1)).collect();
        self.queue.configure(&wanted).unwrap();
        self.uploader = uploader(&self.queue, &self.clock);
    }

    fn record(&mut self, kind: u8, count: u16) {
        for n in 0..count {
            let attributes = [("n", i64::from(n).into()), ("filler", "yes".into())];
            let id = match kind {
                0 | 1 => self.recorder.record(&Action::tap("x").attributes(&attributes)),
                2 => self.recorder.record(&ErrorEvent::new("E", "m").attributes(&attributes)),
                3 => self.recorder.record(&ErrorEvent::crash("E", "m", "s").attributes(&attributes)),
                4 => self.recorder.record(&Log::new(Severity::Info, "line").attributes(&attributes)),
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
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(outgoing.request.body.as_slice()), &mut plain)
            .unwrap();
        let ids = event_ids(&plain);
        assert_eq!(ids.len() as u64, outgoing.leased.part.rows);
        let status = |status| Ok(Response { status, ..Response::default() });
        let (result, arrived) = match answer {
            0..=3 => (status(200), true),
            4 => (Err(TransportError("cut".to_owned())), arrives),
            5 => (status(503), false),
            6 => (status(413), false),
            7 => (status(400), false),
            8 => (status(401), false),
            _ => (status(500), false),
        };
        if arrived {
            self.arrived.extend(ids.into_iter().map(|id| (outgoing.leased.destination, id)));
        }
        self.uploader.settle(&mut self.queue, &outgoing.leased, result).unwrap();
        true
    }

    /// The process dies at once, and the next process recovers what it left.
    fn kill(self) -> Self {
        let Self { dir, clock, manual, recorder, queue, wanted, recorded, arrived, .. } = self;
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
        let uploader = uploader(&queue, &clock);
        let mut world = Self { dir, clock, manual, recorder: fresh, queue, uploader, run, wanted, recorded, arrived };
        world.configure();
        world
    }

    fn check(&self) {
        for books in self.queue.books().unwrap() {
            assert!(books.balanced(), "{books:?}");
        }
        assert!(self.arrived.iter().all(|(_, id)| self.recorded.contains(id)), "delivered what nobody recorded");
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
                self.queue.expire().unwrap();
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
        }
        self.check();
        self
    }
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
        // At the end everything must have been delivered, or dropped for a reason.
        world.wanted = vec!["a"];
        world.configure();
        world.absorb(usize::MAX);
        for _ in 0..400 {
            world.manual.advance(Duration::from_secs(3 * 3600));
            world.uploader.set_flush(true);
            while world.upload(0, true) {}
            if world.queue.books().unwrap()[0].queued == 0 {
                break;
            }
        }
        world.check();
        let books = world.queue.books().unwrap().remove(0);
        prop_assert_eq!(books.queued, 0, "{:?}", books);
        // Nothing was damaged here. Every drop must have been demanded by the backend, or by age.
        for reason in [DropReason::JournalLost, DropReason::RowCorrupt, DropReason::Quarantined] {
            prop_assert_eq!(books.dropped.of(reason), 0);
        }
    }
}
