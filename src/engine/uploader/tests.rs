//! Encoding once, and what a retry sends.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flate2::read::GzDecoder;

use super::{Outgoing, Step, Uploader};
use crate::engine::recorder::Recorder;
use crate::model::config::{Destination, Filter, MeteredUploads, SendPolicy};
use crate::model::event::{Action, ErrorEvent, EventKind, Lane, Resource};
use crate::model::export::{ExportRow, Exporter, Signal, Verdict};
use crate::model::ledger::DropReason;
use crate::model::time::{Clock, ManualClock};
use crate::policy::schedule::{Conditions, Network};
use crate::storage::queue::{Queue, QueueLimits, open_or_rebuild};
use crate::wire::export::otlp::Otlp;
use crate::wire::transport::{Response, TransportError};

/// OTLP, and how often it encoded.
#[derive(Debug)]
struct Counting(Otlp, AtomicUsize);

impl Exporter for Counting {
    fn version(&self) -> u32 {
        self.0.version()
    }

    fn signal(&self, kind: EventKind) -> Option<Signal> {
        self.0.signal(kind)
    }

    fn encode(&self, signal: Signal, rows: &[ExportRow<'_>]) -> Vec<u8> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.encode(signal, rows)
    }

    fn url(&self, signal: Signal) -> String {
        self.0.url(signal)
    }

    fn headers(&self, signal: Signal) -> Vec<(String, String)> {
        self.0.headers(signal)
    }

    fn classify(&self, response: &Response) -> Verdict {
        self.0.classify(response)
    }
}

mod formats;
mod refusals;
mod signals;

struct World {
    clock: Arc<ManualClock>,
    recorder: Recorder,
    run: u32,
    queue: Queue,
    exporter: Arc<Counting>,
    uploader: Uploader,
}

impl World {
    /// A queue that holds `events` actions and as many requests: a lane whose batches have two
    /// parts each.
    fn new(dir: &Path, events: u32) -> Self {
        let manual = ManualClock::new();
        let clock = Clock::Manual(manual.clone());
        let recorder = Recorder::new(clock.clone(), Default::default(), Box::new(|| {})).unwrap();
        recorder.journal().stay_on_heap();
        let limits = QueueLimits { queue_bytes: 1 << 24, crash_bytes: 1 << 20, max_age: Duration::from_secs(86_400) };
        let (mut queue, _) = open_or_rebuild(dir, limits, &clock).unwrap();
        queue.configure(&[("a".to_owned(), 1)]).unwrap();
        let run = queue.enter_run(recorder.journal().start()).unwrap();
        let exporter =
            Arc::new(Counting(Otlp::new(&Destination::new("a", "http://localhost")), AtomicUsize::default()));
        let uploader = uploader(&queue, &clock, &exporter);
        let mut world = Self { clock: manual, recorder, run, queue, exporter, uploader };
        world.record(events);
        world
    }

    fn record_error(&mut self) {
        self.recorder.record(&ErrorEvent::new("E", "handled")).unwrap();
        self.record(0);
    }

    /// Records as many actions and requests.
    fn record(&mut self, events: u32) {
        for n in 0..events {
            let attributes = [("n", i64::from(n).into())];
            self.recorder.record(&Action::tap("buy").attributes(&attributes)).unwrap();
            let resource = Resource::new("GET", "https://example.com/items", 200, Duration::from_millis(1));
            self.recorder.record(&resource.attributes(&attributes)).unwrap();
        }
        let absorbed = self.queue.absorb(self.run, self.recorder.journal(), usize::MAX, usize::MAX).unwrap();
        self.recorder.journal().advance(absorbed.to);
    }

    fn encoded(&self) -> usize {
        self.exporter.1.load(Ordering::Relaxed)
    }

    fn next(&mut self) -> Option<Box<Outgoing>> {
        match self.uploader.next(&mut self.queue, &[]).unwrap() {
            Step::Send(outgoing) => Some(outgoing),
            _ => None,
        }
    }

    fn settle(&mut self, outgoing: &Outgoing, result: Result<Response, TransportError>) {
        self.uploader.settle(&mut self.queue, &outgoing.leased, result).unwrap();
    }

    /// Sends until nothing is left. Returns the events delivered.
    fn deliver(&mut self) -> u64 {
        let mut delivered = 0;
        while let Some(outgoing) = self.next() {
            delivered += outgoing.leased.part.rows;
            self.settle(&outgoing, accepted());
        }
        delivered
    }
}

/// A policy by which nothing waits for company.
fn eager() -> SendPolicy {
    SendPolicy {
        flush_interval: Duration::from_secs(30),
        flush_events: 1,
        metered_uploads: MeteredUploads::All,
        daily_bytes: None,
    }
}

fn uploader(queue: &Queue, clock: &Clock, exporter: &Arc<Counting>) -> Uploader {
    let of = |(id, _)| (id, Arc::clone(exporter) as Arc<dyn Exporter>, Filter::default());
    let exporters = queue.destinations().into_iter().map(of);
    Uploader::new(clock.clone(), eager(), exporters.collect(), 7, false)
}

fn accepted() -> Result<Response, TransportError> {
    Ok(Response { status: 200, ..Response::default() })
}

fn plain(outgoing: &Outgoing) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(outgoing.request.body.as_slice()).read_to_end(&mut plain).unwrap();
    plain
}

#[test]
fn a_transport_that_awaits_a_network_gets_offline_what_may_go_over_a_metered_one() {
    let told = |awaits: bool, metered_uploads| {
        let dir = tempfile::tempdir().unwrap();
        let mut world = World::new(dir.path(), 1);
        world.uploader.policy.metered_uploads = metered_uploads;
        world.uploader.set_awaits_network(awaits);
        let offline = Conditions { network: Network::Offline, ..Conditions::default() };
        world.uploader.set_conditions(offline, world.uploader.clock.boot());
        match world.uploader.next(&mut world.queue, &[]).unwrap() {
            Step::Send(_) => "sent",
            Step::Blocked(reason) => reason.explanation(),
            _ => "nothing",
        }
    };
    assert_eq!(told(true, MeteredUploads::All), "sent");
    assert_eq!(told(true, MeteredUploads::CrashesOnly), "the device is offline", "and not what may come later");
    assert_eq!(told(false, MeteredUploads::All), "the device is offline");
}

#[test]
fn no_part_is_encoded_twice_before_its_first_send() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path(), 700);
    let mut parts = 0;
    let mut events = 0;
    while let Some(outgoing) = world.next() {
        parts += 1;
        events += outgoing.leased.part.rows;
        assert!(!outgoing.leased.part.hash.is_empty());
        world.settle(&outgoing, accepted());
    }
    assert_eq!(events, 1_400);
    assert!(parts > 3, "{parts} parts");
    assert_eq!(world.encoded(), parts);
}

#[test]
fn a_retry_encodes_once_more_and_sends_the_same_body() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path(), 10);
    let first = world.next().unwrap();
    let frozen = world.encoded();
    world.settle(&first, Err(TransportError("cut".to_owned())));
    // A part that failed more often lets others go first.
    for attempt in 1..3 {
        world.clock.advance(Duration::from_secs(3_600));
        let again = world.next().unwrap();
        assert_eq!(again.leased.part.id, first.leased.part.id);
        assert_eq!(plain(&again), plain(&first));
        assert_eq!(again.leased.part.hash, first.leased.part.hash);
        assert_eq!(world.encoded(), frozen + attempt);
        world.settle(&again, Err(TransportError("cut".to_owned())));
    }
    world.clock.advance(Duration::from_secs(3_600));
    assert_eq!(world.deliver(), 20);
    // The parts that were never retried are still encoded once each.
    assert_eq!(world.encoded(), frozen + 3);
}

#[test]
fn another_process_sends_the_body_that_was_frozen() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path(), 10);
    let first = world.next().unwrap();
    world.uploader = uploader(&world.queue, &Clock::Manual(world.clock.clone()), &world.exporter);
    let again = world.next().unwrap();
    assert_eq!(plain(&again), plain(&first));
    assert_eq!(again.leased.part, first.leased.part);
}

#[test]
fn a_row_that_is_dropped_before_its_part_is_sent_is_not_delivered_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path(), 10);
    let first = world.next().unwrap();
    let batch = world.queue.batch(first.leased.destination, Lane::Event).unwrap();
    let other = batch.parts.iter().find(|part| part.id != first.leased.part.id).unwrap().to;
    world.queue.discard(Lane::Event, &[other], DropReason::RowCorrupt).unwrap();
    world.settle(&first, accepted());
    world.deliver();
    let books = world.queue.books().unwrap().remove(0);
    assert!(books.balanced(), "{books:?}");
    assert_eq!(books.dropped.of(DropReason::RowCorrupt), 1);
    assert_eq!(world.queue.batch(first.leased.destination, Lane::Event), None);
}

#[test]
fn a_row_that_is_lost_is_booked_once_and_by_nobody_who_has_delivered_it() {
    // Actions and requests take turns; each kind is a part.
    for lost in 1..=20u64 {
        for settled in 0..=2 {
            let dir = tempfile::tempdir().unwrap();
            let mut world = World::new(dir.path(), 10);
            let kind = if lost % 2 == 1 { EventKind::Action } else { EventKind::Resource };
            let signal = world.exporter.signal(kind).unwrap().0;
            let mut delivered = 0;
            let mut is_delivered = false;
            let mut outgoing = world.next().unwrap();
            for _ in 0..settled {
                delivered += outgoing.leased.part.rows;
                is_delivered |= outgoing.leased.part.signal == signal;
                world.settle(&outgoing, accepted());
                match world.next() {
                    Some(next) => outgoing = next,
                    None => break,
                }
            }
            let what = format!("row {lost} after {settled} parts");
            world.queue.discard(Lane::Event, &[lost], DropReason::RowCorrupt).unwrap();
            world.settle(&outgoing, Err(TransportError("cut".to_owned())));
            world.clock.advance(Duration::from_secs(3_600));
            let balanced = |world: &World| {
                let books = world.queue.books().unwrap().remove(0);
                assert!(books.balanced(), "{what}: {books:?}");
                books
            };
            assert_eq!(balanced(&world).dropped.of(DropReason::RowCorrupt), u64::from(!is_delivered), "{what}");
            while let Some(outgoing) = world.next() {
                balanced(&world);
                delivered += outgoing.leased.part.rows;
                world.settle(&outgoing, accepted());
            }
            assert_eq!(delivered + u64::from(!is_delivered), 20, "{what}");
            let books = balanced(&world);
            assert_eq!((books.delivered, books.queued), (delivered, 0), "{what}");
        }
    }
}

fn answer(status: u16, retry_after: Option<&str>) -> Result<Response, TransportError> {
    let headers = retry_after.map(|value| ("retry-after".to_owned(), value.to_owned()));
    Ok(Response { status, headers: headers.into_iter().collect(), ..Response::default() })
}

fn is_traces(outgoing: &Outgoing) -> bool {
    outgoing.request.url.ends_with("/traces")
}

#[test]
fn an_endpoint_that_is_down_for_one_signal_costs_no_event_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path(), 0);
    let mut requests = 0;
    for n in 0..200 {
        world.clock.advance(Duration::from_secs(120));
        if n < 30 {
            world.record(10);
        }
        world.record_error();
        while let Some(outgoing) = world.next() {
            requests += 1;
            let result = if is_traces(&outgoing) { answer(503, None) } else { accepted() };
            world.settle(&outgoing, result);
        }
    }
    let books = world.queue.books().unwrap().remove(0);
    assert_eq!(books.dropped.total(), 0, "{requests} requests, {books:?}");
    assert!(requests < 1_000, "{requests} requests");
    world.clock.advance(Duration::from_secs(3_600));
    world.deliver();
    let books = world.queue.books().unwrap().remove(0);
    assert_eq!((books.delivered, books.queued), (800, 0), "{books:?}");
}

#[test]
fn a_backend_that_goes_down_is_not_asked_once_for_every_event() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path(), 200);
    let (mut is_down, mut storm) = (false, 0);
    for _ in 0..20 {
        for _ in 0..1_000 {
            let Some(outgoing) = world.next() else { break };
            let part = &outgoing.leased.part;
            storm += usize::from(is_down);
            let fails = is_down || part.from == 1;
            is_down |= part.from == 1 && part.suspicions > 0;
            world.settle(&outgoing, if fails { answer(503, None) } else { accepted() });
            world.clock.advance(Duration::from_millis(1));
        }
        if !is_down {
            world.record(1);
            world.clock.advance(Duration::from_secs(900));
        }
    }
    assert!(is_down);
    assert!(storm < 40, "{storm} requests at once to a backend that has just gone down");
}

#[test]
fn a_backend_that_fails_on_most_requests_for_an_hour_costs_no_event() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path(), 40);
    let mut random = 1u64;
    let mut requests = 0;
    for _ in 0..3_600 {
        world.clock.advance(Duration::from_secs(1));
        while let Some(outgoing) = world.next() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            requests += 1;
            world.settle(&outgoing, if !(random >> 33).is_multiple_of(10) { answer(503, None) } else { accepted() });
            world.clock.advance(Duration::from_millis(20));
        }
        world.record_error();
    }
    let books = world.queue.books().unwrap().remove(0);
    assert_eq!(books.dropped.total(), 0, "{requests} requests, {books:?}");
}

#[test]
fn a_backend_that_always_says_in_a_second_is_not_asked_every_second() {
    for retry_after in ["0", "1", "Sun, 06 Nov 1994 08:49:37 GMT"] {
        let dir = tempfile::tempdir().unwrap();
        let mut world = World::new(dir.path(), 10);
        let mut requests = 0;
        for _ in 0..7_200 {
            world.clock.advance(Duration::from_secs(1));
            while let Some(outgoing) = world.next() {
                requests += 1;
                world.settle(&outgoing, answer(503, Some(retry_after)));
            }
        }
        assert!(requests < 60, "{requests} requests in two hours, with Retry-After: {retry_after}");
    }
}

#[test]
fn an_event_on_which_the_connection_breaks_is_sent_ever_less_often() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path(), 1);
    let mut broken = 0;
    for n in 0..7_200 {
        world.clock.advance(Duration::from_secs(1));
        if n % 30 == 0 {
            world.record(1);
        }
        while let Some(outgoing) = world.next() {
            let breaks = outgoing.leased.part.from <= 2 && is_traces(&outgoing);
            broken += usize::from(breaks);
            let result = if breaks { Err(TransportError("reset".to_owned())) } else { accepted() };
            world.settle(&outgoing, result);
        }
    }
    assert!(broken < 60, "{broken} requests in two hours");
}

#[test]
fn an_answer_that_cannot_be_written_down_is_not_asked_for_again_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path(), 10);
    let outgoing = world.next().unwrap();
    world.queue.fail_writes(true);
    let mut requests = 0;
    let mut next = Some(outgoing);
    for _ in 0..100 {
        let Some(outgoing) = next.take() else { break };
        requests += 1;
        assert!(world.uploader.settle(&mut world.queue, &outgoing.leased, accepted()).is_err());
        next = match world.uploader.next(&mut world.queue, &[]) {
            Ok(Step::Send(outgoing)) => Some(outgoing),
            _ => None,
        };
    }
    assert!(requests < 3, "{requests} requests without a pause");
    world.queue.fail_writes(false);
    world.clock.advance(Duration::from_secs(3_600));
    world.deliver();
    let books = world.queue.books().unwrap().remove(0);
    assert_eq!((books.delivered, books.queued), (20, 0), "{books:?}");
}

#[test]
fn rows_that_all_have_settled_go_when_the_slower_destination_has_settled_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path(), 1);
    world.queue.configure(&[("a".to_owned(), 1), ("b".to_owned(), 2)]).unwrap();
    world.uploader = uploader(&world.queue, &Clock::Manual(world.clock.clone()), &world.exporter);
    // The first fails on one event. The second gets everything, but later.
    for n in 0..60 {
        world.record(20);
        world.clock.advance(Duration::from_secs(901));
        let mut later = Vec::new();
        while let Some(outgoing) = world.next() {
            let Some(part) = Some(&outgoing.leased).filter(|leased| leased.destination == 1) else {
                later.push(outgoing);
                continue;
            };
            let fails = part.part.from <= 2 && is_traces(&outgoing);
            world.settle(&outgoing, if fails { Err(TransportError("reset".to_owned())) } else { accepted() });
        }
        for outgoing in later {
            world.settle(&outgoing, accepted());
        }
        while let Some(outgoing) = world.next() {
            world.settle(&outgoing, accepted());
        }
        if n == 50 {
            assert!(world.queue.books().unwrap().iter().all(|books| books.balanced()));
        }
    }
    let rows = world.queue.depth()[2].rows;
    assert!(rows < 200, "{rows} rows are kept for one that waits");
}
