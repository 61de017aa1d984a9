//! What a format may ask for: how much a request carries, how old an event may be, what is added
//! when it is sent, and how long which signals are left alone.

use super::*;
use crate::model::export::{Attempt, RequestLimits};
use crate::model::http::Request;

const SIGNAL: Signal = Signal(3);
pub(super) const HOUR: Duration = Duration::from_secs(3_600);

/// A format with a line for each event, under a line with the time at which it is sent.
#[derive(Debug)]
pub(super) struct Lines {
    events: usize,
    bytes: usize,
    max_age: Option<Duration>,
}

pub(super) const LINES: Lines = Lines { events: usize::MAX, bytes: usize::MAX, max_age: None };

impl Exporter for Lines {
    fn version(&self) -> u32 {
        1
    }

    fn signal(&self, kind: EventKind) -> Option<Signal> {
        Some(if kind == EventKind::Resource { Signal(4) } else { SIGNAL })
    }

    fn encode(&self, _: Signal, rows: &[ExportRow<'_>]) -> Vec<u8> {
        rows.iter().map(|row| format!("{}\n", row.id())).collect::<String>().into_bytes()
    }

    fn limits(&self, _: Signal) -> RequestLimits {
        RequestLimits { events: self.events, bytes: self.bytes }
    }

    fn max_age(&self) -> Option<Duration> {
        self.max_age
    }

    fn is_stamped(&self) -> bool {
        true
    }

    fn stamp(&self, _: Signal, request: &mut Request, attempt: &Attempt) {
        let Attempt { retries, last_status, time_unix_nano, .. } = attempt;
        let line = format!("at {time_unix_nano}\n");
        request.body = [line.as_bytes(), &request.body].concat();
        request.url.push_str(&format!("?retries={retries}&last={last_status:?}"));
        request.headers.push(("request-id".to_owned(), attempt.id.to_string()));
    }

    fn waits(&self, response: &Response) -> Vec<(Signal, Duration)> {
        let wait = response.header("leave-alone").and_then(|seconds| seconds.parse().ok());
        wait.map(|seconds| (SIGNAL, Duration::from_secs(seconds))).into_iter().collect()
    }

    fn url(&self, _: Signal) -> String {
        "http://localhost/lines".to_owned()
    }

    fn headers(&self, _: Signal) -> Vec<(String, String)> {
        Vec::new()
    }

    fn classify(&self, response: &Response) -> Verdict {
        match response.status {
            200 => Verdict::Delivered { rejected: 0 },
            501 => Verdict::Decompress,
            400 => Verdict::Refused,
            _ => Verdict::Retry,
        }
    }
}

/// As many actions and requests for a backend of this format.
pub(super) fn world(dir: &Path, events: u32, format: Lines) -> World {
    let mut world = World::new(dir, events);
    let exporters = vec![(1, Arc::new(format) as Arc<dyn Exporter>, Filter::default())];
    world.uploader = Uploader::new(Clock::Manual(world.clock.clone()), eager(), exporters, 7, false);
    world
}

/// The lines of a body.
pub(super) fn lines(outgoing: &Outgoing) -> Vec<String> {
    let is_gzip = outgoing.request.headers.iter().any(|(name, _)| name == "content-encoding");
    let body = &outgoing.request.body;
    let plain = if is_gzip { plain(outgoing) } else { body.clone() };
    String::from_utf8(plain).unwrap().lines().map(str::to_owned).collect()
}

fn header<'o>(outgoing: &'o Outgoing, name: &str) -> Option<&'o str> {
    let mut headers = outgoing.request.headers.iter();
    headers.find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

#[test]
fn a_request_carries_no_more_events_and_bytes_than_the_format_takes() {
    for (limits, most) in [
        (Lines { events: 1, ..LINES }, 1),
        (Lines { events: 0, ..LINES }, 1),
        (Lines { events: 7, ..LINES }, 7),
        // A line has 37 bytes.
        (Lines { bytes: 37 * 4, ..LINES }, 4),
        (Lines { bytes: 3, ..LINES }, 1),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut world = world(dir.path(), 20, limits);
        let (mut seen, mut largest) = (Vec::new(), 0);
        while let Some(outgoing) = world.next() {
            let events = lines(&outgoing).split_off(1);
            assert_eq!(events.len() as u64, outgoing.leased.part.rows);
            largest = largest.max(events.len());
            seen.extend(events);
            world.settle(&outgoing, accepted());
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 40);
        assert!(largest <= most && largest > most / 2, "{largest} of {most}");
        assert!(world.queue.books().unwrap().iter().all(|books| books.balanced() && books.delivered == 40));
    }
}

#[test]
fn every_attempt_says_when_and_how_often_it_was_made_and_carries_the_same_events() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path(), 0, LINES);
    world.record_error();
    let mut seen: Vec<(String, Vec<String>, String)> = Vec::new();
    for result in [answer(503, None), Err(TransportError("reset".to_owned())), answer(429, None), accepted()] {
        let outgoing = world.next().unwrap();
        let mut lines = lines(&outgoing);
        let stamp = lines.remove(0);
        let id = header(&outgoing, "request-id").unwrap().to_owned();
        if let Some((before, events, id_before)) = seen.last() {
            assert!(stamp != *before && id != *id_before);
            assert_eq!(lines, *events);
        }
        let url = outgoing.request.url.clone();
        let expected =
            ["?retries=0&last=None", "?retries=1&last=Some(503)", "?retries=2&last=None", "?retries=3&last=Some(429)"];
        assert!(url.ends_with(expected[seen.len()]), "{url}");
        seen.push((stamp, lines, id));
        world.settle(&outgoing, result);
        world.clock.advance(HOUR);
    }
}

#[test]
fn a_backend_that_cannot_decompress_gets_the_same_events_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path(), 3, LINES);
    let first = world.next().unwrap();
    assert_eq!(header(&first, "content-encoding"), Some("gzip"));
    world.settle(&first, answer(501, None));
    while let Some(outgoing) = world.next() {
        assert_eq!(header(&outgoing, "content-encoding"), None);
        assert_eq!(lines(&outgoing).len() as u64, 1 + outgoing.leased.part.rows);
        world.settle(&outgoing, accepted());
    }
    let books = world.queue.books().unwrap().remove(0);
    assert_eq!((books.delivered, books.dropped.total()), (6, 0));
}

#[test]
fn a_backend_that_refuses_plain_bodies_too_does_not_get_them_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path(), 3, LINES);
    let mut sent = 0;
    for _ in 0..50 {
        while let Some(outgoing) = world.next() {
            sent += 1;
            world.settle(&outgoing, answer(501, None));
        }
        world.clock.advance(HOUR / 2);
    }
    // Each attempt is two requests: compressed, and as it is.
    assert!(sent < 160, "{sent} requests");
}

#[test]
fn an_answer_that_had_nothing_to_do_with_compression_does_not_cost_ten_times_the_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path(), 3, LINES);
    for _ in 0..2 {
        let outgoing = world.next().unwrap();
        world.settle(&outgoing, answer(501, None));
    }
    world.clock.advance(HOUR);
    let outgoing = world.next().unwrap();
    assert_eq!(header(&outgoing, "content-encoding"), Some("gzip"), "it took neither form");
}

#[test]
fn what_is_too_old_for_one_backend_is_dropped_for_it_alone_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path(), 0, LINES);
    world.queue.configure(&[("a".to_owned(), 1), ("b".to_owned(), 2)]).unwrap();
    let exporters = [(1, Some(HOUR)), (2, None)]
        .map(|(id, max_age)| (id, Arc::new(Lines { max_age, ..LINES }) as Arc<dyn Exporter>, Filter::default()));
    world.uploader = Uploader::new(Clock::Manual(world.clock.clone()), eager(), exporters.into(), 7, false);
    world.record(4);
    world.recorder.record(&ErrorEvent::crash("E", "fatal", "at main")).unwrap();
    world.record(0);
    world.clock.advance(3 * HOUR);
    world.record(2);
    while let Some(outgoing) = world.next() {
        world.settle(&outgoing, accepted());
    }
    let books = world.queue.books().unwrap();
    let counts: Vec<_> = books.iter().map(|books| (books.delivered, books.dropped.total())).collect();
    assert_eq!(counts, [(5, 8), (13, 0)], "the crash is sent however old it is");
    assert_eq!(books[0].dropped.of(DropReason::QuotaAge), 8);
    assert!(books.iter().all(|books| books.balanced() && books.queued == 0));
}

#[test]
fn a_signal_is_left_alone_for_as_long_as_the_backend_wants_whatever_it_answered() {
    for status in [200, 503] {
        let dir = tempfile::tempdir().unwrap();
        let mut world = world(dir.path(), 3, LINES);
        let first = world.next().unwrap();
        assert_eq!(first.leased.part.signal, SIGNAL.0);
        let headers = vec![("leave-alone".to_owned(), "600".to_owned())];
        world.settle(&first, Ok(Response { status, headers, ..Response::default() }));
        world.record(3);
        world.clock.advance(Duration::from_secs(599));
        while let Some(outgoing) = world.next() {
            assert_ne!(outgoing.leased.part.signal, SIGNAL.0, "after {status}");
            world.settle(&outgoing, accepted());
        }
        world.clock.advance(Duration::from_secs(2));
        assert_eq!(world.next().unwrap().leased.part.signal, SIGNAL.0, "after {status}");
    }
}

#[test]
fn a_wait_for_one_signal_stops_no_other_and_shortens_no_longer_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path(), 3, LINES);
    let first = world.next().unwrap();
    assert_eq!(first.leased.part.signal, SIGNAL.0);
    let headers = |seconds: &str| {
        [("leave-alone", seconds), ("retry-after", "86400")].map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let answer = |status, seconds| Ok(Response { status, headers: headers(seconds).into(), ..Response::default() });
    world.settle(&first, answer(429, "600"));
    world.clock.advance(Duration::from_secs(30));
    let other = world.next().unwrap();
    assert_ne!(other.leased.part.signal, SIGNAL.0, "what is asked for one signal does not concern the others");
    world.settle(&other, answer(200, "1"));
    assert!(world.queue.books().unwrap()[0].paused.is_some());
    world.clock.advance(Duration::from_secs(560));
    assert!(world.next().is_none(), "a shorter wait has ended a longer one");
    world.clock.advance(Duration::from_secs(20));
    assert_eq!(world.queue.books().unwrap()[0].paused, None, "the wait is over");
    assert!(world.next().is_some());
}

#[test]
fn an_event_that_is_refused_where_each_is_a_request_of_its_own_stops_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path(), 0, Lines { events: 1, ..LINES });
    let crash = |world: &World, name| world.recorder.record(&ErrorEvent::crash(name, "fatal", "at main")).unwrap();
    let poison = crash(&world, "poison").to_string();
    let mut others = [crash(&world, "a"), crash(&world, "b")].map(|id| id.to_string());
    others.sort();
    world.record(0);
    let mut accepted_ids = Vec::new();
    for _ in 0..40 {
        while let Some(outgoing) = world.next() {
            let event = lines(&outgoing).remove(1);
            let status = if event == poison { 400 } else { 200 };
            accepted_ids.extend((status == 200).then_some(event));
            world.settle(&outgoing, answer(status, None));
        }
        world.clock.advance(Duration::from_secs(60));
    }
    accepted_ids.sort();
    assert_eq!(accepted_ids, others, "within an hour");
    let books = world.queue.books().unwrap().remove(0);
    assert_eq!((books.dropped.total(), books.paused), (0, None), "no crash is lost");
}

#[test]
fn a_server_that_fails_for_a_while_costs_no_event_when_it_seems_not_to_decompress() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path(), 30, LINES);
    for _ in 0..20 {
        while let Some(outgoing) = world.next() {
            world.settle(&outgoing, answer(501, None));
        }
        world.clock.advance(HOUR / 60);
    }
    for _ in 0..48 {
        while let Some(outgoing) = world.next() {
            world.settle(&outgoing, accepted());
        }
        world.clock.advance(HOUR);
    }
    let books = world.queue.books().unwrap().remove(0);
    assert_eq!((books.delivered, books.dropped.total()), (60, 0), "{books:?}");
}

#[test]
fn a_backend_that_could_not_decompress_once_is_not_sent_ten_times_the_bytes_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path(), 1, LINES);
    let first = world.next().unwrap();
    world.settle(&first, answer(501, None));
    let mut encodings = Vec::new();
    for hours in [0, 23, 2, 1] {
        world.clock.advance(hours * HOUR);
        while let Some(outgoing) = world.next() {
            let is_compressed = header(&outgoing, "content-encoding").is_some();
            encodings.push((hours, is_compressed));
            // It has not learned it on the first day.
            let status = if is_compressed && hours == 2 { 501 } else { 200 };
            world.settle(&outgoing, answer(status, None));
        }
        world.record(1);
    }
    encodings.dedup();
    assert_eq!(encodings, [(0, false), (23, false), (2, true), (2, false), (1, false)]);
    let books = world.queue.books().unwrap().remove(0);
    assert_eq!((books.delivered, books.dropped.total()), (8, 0));
}

#[test]
fn a_portals_wrong_clock_moves_no_event() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path(), 1, LINES);
    let outgoing = world.next().unwrap();
    let date = vec![("date".to_owned(), "Thu, 01 Jan 1970 00:00:00 GMT".to_owned())];
    let mut offset = |status| {
        let response = Response { status, headers: date.clone(), ..Response::default() };
        let settled = world.uploader.settle(&mut world.queue, &outgoing.leased, Ok(response)).unwrap();
        settled.server_offset_ms
    };
    assert_eq!([offset(302), offset(503)], [None, None], "anybody answers so");
    assert!(offset(200).is_some_and(|offset| offset < 0), "the backend has the events, and a clock");
}

#[test]
fn an_answer_that_was_read_hours_after_it_came_moves_no_event() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path(), 1, LINES);
    let outgoing = world.next().unwrap();
    let sent = std::time::UNIX_EPOCH + Duration::from_nanos(Clock::Manual(world.clock.clone()).wall());
    let headers = vec![("date".to_owned(), httpdate::fmt_http_date(sent))];
    let mut offset = |wait| {
        world.clock.advance(wait);
        let response = Response { status: 200, headers: headers.clone(), ..Response::default() };
        let settled = world.uploader.settle(&mut world.queue, &outgoing.leased, Ok(response)).unwrap();
        settled.server_offset_ms
    };
    assert!(offset(Duration::from_secs(1)).is_some_and(|offset| offset.abs() <= 2_000));
    assert_eq!(offset(3 * HOUR), None, "the app was frozen: the server's clock is not three hours slow");
}
