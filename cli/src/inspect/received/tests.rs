use std::collections::HashMap;

use askama::Template;

use super::*;
use crate::inspect::page::{self, Frame};
use crate::inspect::stacks::Stacks;

fn first() -> Asked {
    Asked::of(&HashMap::new(), 5_000)
}

fn of_session(received: &Received, id: &str) -> Part<Item> {
    received.items(Of::Session(id), first()).unwrap()
}

#[test]
fn of_a_view_that_is_open_the_last_version_is_shown_whatever_comes_last() {
    let received = Received::open(None).unwrap();
    let snapshot = |version: u64| Item {
        session: "s".into(),
        event_id: "e1".into(),
        attributes: serde_json::json!({ VIEW_VERSION: version }),
        ..Item::default()
    };
    for version in [1, 3, 2, 3] {
        received.insert(&[snapshot(version)], 0).unwrap();
    }
    let items = of_session(&received, "s").entries;
    assert_eq!(items.iter().map(Item::version).collect::<Vec<_>>(), [3]);
    assert_eq!((received.stats().logs, received.stats().duplicates), (1, 2));
}

#[test]
fn a_time_that_an_earlier_version_has_stored_wrongly_makes_no_page_fail() {
    let received = Received::open(None).unwrap();
    let at =
        |time_ns: i64, end_ns: i64| Item { session: "s".into(), trace: "t".into(), time_ns, end_ns, ..Item::default() };
    received.insert(&[at(i64::MIN, i64::MAX), at(i64::MAX, i64::MIN), at(-1, 1)], 0).unwrap();
    let frame = || Frame::new(&received.stats(), String::new(), String::new());
    let (sessions, items) = (received.sessions(first()).unwrap(), of_session(&received, "s"));
    assert_eq!((sessions.entries[0].first_ns, sessions.entries[0].last_ns), (None, Some(1)));
    page::Sessions::new(frame(), sessions, 0).render().unwrap();
    let page =
        page::Session::new(frame(), "s", received.start("s").unwrap(), &items, &Stacks::default()).render().unwrap();
    assert_eq!(page.matches("time not plausible").count(), 3, "{page}");
    let trace = received.items(Of::Trace("t"), first()).unwrap();
    let page = page::Trace::new(frame(), "t", &trace, &Stacks::default()).render().unwrap();
    assert_eq!(page.matches("time not plausible").count(), 3, "{page}");
}

#[test]
fn a_file_of_an_earlier_version_is_continued() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("items.db");
    let db = Connection::open(&file).unwrap();
    db.execute_batch(
        "CREATE TABLE items(
            id INTEGER PRIMARY KEY, signal TEXT NOT NULL, time_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, service TEXT NOT NULL,
            session TEXT NOT NULL, trace TEXT NOT NULL, span TEXT NOT NULL, parent TEXT NOT NULL, name TEXT NOT NULL,
            severity INTEGER NOT NULL, body TEXT NOT NULL, event_id TEXT, attributes TEXT NOT NULL);
         INSERT INTO items VALUES(1, 'log', 1, 1, 'shop', 's', '', '', '', 'old', 0, '', 'e1', '{\"k\":1}');",
    )
    .unwrap();
    drop(db);
    for _ in 0..2 {
        let received = Received::open(Some(&file)).unwrap();
        let event = SpanEvent { name: "connectEnd".into(), after_ns: 7, ..SpanEvent::default() };
        let new = Item {
            signal: Signal::Span,
            time_ns: 2,
            session: "s".into(),
            event_id: "e2".into(),
            resource: Arc::new(serde_json::json!({"service.name": "shop"})),
            events: vec![event],
            ..Item::default()
        };
        received.insert(&[new], 0).unwrap();
        let items = of_session(&received, "s").entries;
        assert_eq!(items.len(), 2);
        assert_eq!(
            (items[0].attributes["k"].as_i64(), items[0].resource.as_ref(), items[0].events.len()),
            (Some(1), &Value::Null, 0)
        );
        assert_eq!((items[1].resource["service.name"].as_str(), items[1].events[0].after_ns), (Some("shop"), 7));
    }
}
