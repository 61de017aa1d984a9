//! What several events say together: by whose clock, and when a session begins and ends.

use super::*;
use proptest::prelude::*;

const HOUR_MS: i64 = 3_600_000;

/// Rows of these events, each with the offset to server time that was known.
fn with_rows<T>(events: &[(Box<dyn Event + '_>, Option<i64>)], check: impl FnOnce(&[ExportRow<'_>]) -> T) -> T {
    let encoded = events.iter().map(|(event, _)| {
        let mut bytes = Vec::new();
        encode(event.as_ref(), Stamp::default(), &mut bytes);
        bytes
    });
    let bytes: Vec<_> = encoded.collect();
    let row = |(at, bytes): (usize, &'_ Vec<u8>)| {
        let offset = events[at].1.map(|millis| (names::SERVER_OFFSET.to_owned(), AnyValue::Int(millis)));
        let scope = Scope { session: Some(Uuid::from_u128(9)), view: None, view_name: String::new() };
        let context = Context { attributes: resource(), of_records: offset.into_iter().collect() };
        (at, bytes.clone(), Arc::new(context), Arc::new(scope))
    };
    let parts: Vec<_> = bytes.iter().enumerate().map(row).collect();
    let rows: Vec<_> = parts
        .iter()
        .map(|(at, bytes, context, scope)| ExportRow {
            id: Uuid::from_u128(*at as u128 + 1),
            time_ns: 1_767_225_600_000_000_000,
            is_open: false,
            record: Record::decode(bytes).unwrap(),
            context: Arc::clone(context),
            scope: Arc::clone(scope),
        })
        .collect();
    check(&rows)
}

/// What is sent of these rows of one signal.
fn sent(rows: &[ExportRow<'_>]) -> Vec<u8> {
    let signal = sentry().signal(rows[0].kind()).unwrap();
    let body = sentry().encode(signal, rows);
    assert_eq!(body, sentry().encode(signal, rows), "the same rows give the same bytes");
    let mut request = Request { url: String::new(), headers: Vec::new(), body };
    let attempt = Attempt { retries: 0, last_status: None, time_unix_nano: 7, id: Uuid::nil() };
    sentry().stamp(signal, &mut request, &attempt);
    assert!(Theirs::from_bytes_raw(request.body.clone()).is_ok());
    request.body
}

fn header(body: &[u8]) -> Json {
    serde_json::from_slice(body.split(|byte| *byte == b'\n').next().unwrap()).unwrap()
}

#[test]
fn a_clock_that_is_three_hours_slow_is_corrected_once_and_by_nobody_else() {
    let crumbs = crumbs();
    let attributes = [(names::BREADCRUMBS, (&crumbs).into())];
    let crash = ErrorEvent::crash("E", "m", "").attributes(&attributes);
    let body = with_rows(&[(Box::new(crash), Some(3 * HOUR_MS))], sent);
    assert_eq!(header(&body).get("sent_at"), None, "Relay would move the times once more");
    let items = items(&body);
    let (event, session) = (&items[0].1, &items[1].1);
    assert_eq!(event["timestamp"], "2026-01-01T03:00:00.000000Z");
    assert_eq!(event["breadcrumbs"]["values"][2]["timestamp"], "2026-01-01T03:00:00.003000Z");
    assert_eq!([&session["started"], &session["timestamp"]], [&event["timestamp"]; 2]);
    assert_eq!(event["extra"].get(names::SERVER_OFFSET), None, "nobody is to add it once more");
    let start = Session::new(SessionChange::Start, Uuid::from_u128(3), "");
    let body = with_rows(&[(Box::new(start), Some(-HOUR_MS))], sent);
    assert_eq!(items_of(&body)["started"], "2025-12-31T23:00:00.000000Z");
}

/// The payload of the only item.
fn items_of(body: &[u8]) -> Json {
    let [(_, payload)] = items(body).try_into().unwrap();
    payload
}

#[test]
fn where_one_offset_is_not_known_relay_corrects_all() {
    let log = || Box::new(Log::new(Severity::Info, "a")) as Box<dyn Event>;
    let corrected = with_rows(&[(log(), Some(HOUR_MS)), (log(), Some(2 * HOUR_MS))], sent);
    assert_eq!(header(&corrected).get("sent_at"), None);
    let logs = &items_of(&corrected)["items"];
    assert_eq!([&logs[0]["timestamp"], &logs[1]["timestamp"]], [&json!(1_767_229_200.0), &json!(1_767_232_800.0)]);
    assert_eq!(logs[0]["attributes"].get(names::SERVER_OFFSET), None);
    let mixed = with_rows(&[(log(), None), (log(), Some(2 * HOUR_MS))], sent);
    assert_eq!(header(&mixed)["sent_at"], "1970-01-01T00:00:00.000000Z", "the time of sending");
    let logs = &items_of(&mixed)["items"];
    assert_eq!([&logs[0]["timestamp"], &logs[1]["timestamp"]], [&json!(1_767_225_600.0); 2]);
    assert_eq!(logs[1]["attributes"][names::SERVER_OFFSET]["value"], 2 * HOUR_MS);
}

proptest! {
    /// However a client divides its rows into requests, sends them again, or encodes them in
    /// another process: the start of a session is told by its own event alone, and an end by those
    /// that are one.
    #[test]
    fn a_session_begins_with_its_start_and_ends_with_its_ends_however_the_requests_are_divided(
        kinds in prop::collection::vec(0..8_usize, 1..30), sizes in prop::collection::vec(1..5_usize, 30),
        offset in prop::option::of(-HOUR_MS..HOUR_MS),
    ) {
        let id = Uuid::from_u128(9);
        let event = |kind: &usize| -> (Box<dyn Event>, Option<i64>) {
            let error = |kind| {
                let mut error = ErrorEvent::new("E", "m");
                error.error_kind = kind;
                error
            };
            let event: Box<dyn Event> = match *kind {
                0 => Box::new(Session::new(SessionChange::Start, id, "")),
                1 => Box::new(Session::new(SessionChange::End, id, "")),
                2 => Box::new(error(ErrorKind::Crash)),
                3 => Box::new(error(ErrorKind::Anr)),
                4 => Box::new(error(ErrorKind::Hang)),
                6 => Box::new(Session::new(SessionChange::End, id, "process_crash")),
                7 => Box::new(Session::new(SessionChange::End, id, "process_hang")),
                _ => Box::new(error(ErrorKind::Handled)),
            };
            (event, offset)
        };
        let events: Vec<_> = kinds.iter().map(event).collect();
        with_rows(&events, |rows| {
            let mut updates = Vec::new();
            let (mut rest, mut sizes) = (rows, sizes.iter().copied());
            while let Some(first) = rest.first() {
                let is_session = first.kind() == EventKind::Session;
                let alike = rest.iter().take_while(|row| is_session && row.kind() == EventKind::Session).count();
                let size = sizes.next().unwrap_or(1).min(alike).max(1);
                let body = sent(&rest[..size]);
                updates.extend(items(&body).into_iter().filter(|(header, _)| header["type"] == "session"));
                rest = &rest[size..];
            }
            let count = |kinds_of: &[usize]| kinds.iter().filter(|kind| kinds_of.contains(kind)).count();
            let said = |status: &str| updates.iter().filter(|(_, update)| update["status"] == status).count();
            prop_assert_eq!(updates.len(), kinds.len(), "one update an event");
            prop_assert_eq!(updates.iter().filter(|(_, update)| update["init"] == true).count(), count(&[0]));
            prop_assert_eq!((said("exited"), said("crashed"), said("abnormal")), (count(&[1]), count(&[2]), count(&[3, 4])));
            prop_assert!(updates.iter().all(|(_, update)| update["sid"] == id.to_string().as_str()));
            Ok(())
        })?;
    }
}
