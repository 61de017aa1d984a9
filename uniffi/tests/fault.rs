//! Panics that a test asks for. It is a binary of its own, because the next thread of the process
//! that passes the place panics.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs, unreachable_pub, dead_code)]

#[path = "it/support.rs"]
mod support;

use support::{App, draft, seconds, text};

#[test]
fn a_panic_of_ours_is_counted_and_the_next_events_arrive() {
    let app = App::start();
    for place in ["record", "before_commit", "transport"] {
        let before = app.core.health().panics;
        let mut fault = draft("a problem");
        fault.truncate(24);
        fault[1] = 255;
        fault.extend_from_slice(&u32::try_from(place.len()).unwrap().to_le_bytes());
        fault.extend_from_slice(place.as_bytes());
        let answer = app.record(&fault);
        assert_eq!(answer, if place == "record" { -1 } else { 1 });
        for _ in 0..1_000 {
            assert_eq!(app.record(&draft("a tap with three attributes")), 1);
        }
        // The panic may make one flush fail, but no event may be lost.
        let arrived = |app: &App| app.core.flush(seconds(20)).unwrap().complete;
        assert!((0..3).any(|_| arrived(&app)), "{place}: {:?}", app.core.health());
        assert_eq!(app.core.health().panics, before + 1, "{place}");
    }
    let (logs, _) = support::received(&app.server);
    let taps = logs.iter().filter(|log| text(&log.attributes, "sku") == "A-17").count();
    assert_eq!(taps, 3_000);
}
