//! A real client sends to the service, whichever handler it has.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;
use telemetry_service::handler::{Fate, Handler, Lines, Received};
use telemetry_service::service::router;
use throughline::backends::Connect;
use throughline::event::{Action, Custom, ErrorEvent};
use throughline::{Config, Consent, Destination, DestinationBooks, Environment, Telemetry};

const LONG: Duration = Duration::from_secs(20);

/// Serves a handler. Returns the base URL.
fn serve(handler: impl Handler) -> String {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = router(handler).unwrap();
    std::thread::spawn(move || {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap();
        });
    });
    url
}

fn client(dir: &Path, connect: Connect) -> Telemetry {
    let config = Config::builder("shop", dir)
        .environment(Environment::Test)
        .start_jitter(false)
        .self_report(false)
        .synthetic_views(false) // an open view waits for its end
        .destination(Destination::exporter("connect", Arc::new(connect)))
        .build()
        .unwrap();
    Telemetry::start(config, Consent::Granted).unwrap()
}

/// Sends everything and returns the books.
fn settled(telemetry: &Telemetry) -> DestinationBooks {
    for _ in 0..200 {
        telemetry.flush(LONG);
        let books = telemetry.books(LONG).unwrap().remove(0);
        assert!(books.balanced(), "{books:?}");
        if books.queued == 0 {
            return books;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("it never came about: {:?}", telemetry.health());
}

fn lines(file: &Path) -> Vec<Value> {
    std::fs::read_to_string(file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn events_are_stored_once_in_both_codecs() {
    for is_json in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("events.ndjson");
        let url = serve(Lines::open(&file).unwrap());
        let connect = Connect::new(&url).unwrap();
        let telemetry = client(&dir.path().join("client"), if is_json { connect.json() } else { connect });
        let action = telemetry.record_action(&Action::tap("buy").attributes(&[("price", 9.5.into())])).unwrap();
        let crash = telemetry.record_error(&ErrorEvent::crash("SIGSEGV", "bad address", "#00 pc 0")).unwrap();
        assert_eq!(settled(&telemetry).dropped.total(), 0);
        let stored = lines(&file);
        let of = |id: String| stored.iter().find(|line| line["event"]["header"]["eventId"] == *id).unwrap();
        let (action, crash) = (of(action.to_string()), of(crash.to_string()));
        assert_eq!(action["event"]["action"]["name"], "buy");
        assert_eq!(action["event"]["header"]["attributes"]["price"]["doubleValue"], 9.5);
        assert_eq!(action["context"]["app"]["name"], "shop");
        assert_eq!(crash["event"]["kind"], "ERROR_KIND_CRASH");
    }
}

#[test]
fn an_event_that_is_sent_again_is_stored_once_also_by_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("events.ndjson");
    let header = serde_json::json!({ "eventId": "a", "deduplicationId": "a" });
    let (event, context) = (serde_json::json!({ "header": header }), Value::Null);
    let received = Received { event: &event, context: &context };
    assert_eq!(Lines::open(&file).unwrap().handle(&[received, received]).unwrap(), [Fate::Stored, Fate::Stored]);
    // A line that a crash has cut off.
    let whole = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{whole}{{\"event\":{{\"hea")).unwrap();
    let again = Lines::open(&file).unwrap();
    let other = serde_json::json!({ "header": { "eventId": "b", "deduplicationId": "b" } });
    again.handle(&[received, Received { event: &other, context: &context }]).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count(), 2, "{text}");
}

/// A handler that a reader might write: it keeps names in memory, rejects some, and is out of order
/// at first.
#[derive(Clone, Default)]
struct Own(Arc<Mutex<(u32, Vec<String>)>>);

impl Handler for Own {
    fn handle(&self, batch: &[Received<'_>]) -> Result<Vec<Fate>> {
        let mut state = self.0.lock().unwrap();
        state.0 += 1;
        if state.0 == 1 {
            bail!("the database is away");
        }
        let fate = |received: &Received<'_>| {
            let name = received.event["custom"]["name"].as_str().unwrap_or_default();
            if name == "odd" {
                let message = "nobody knows it".to_owned();
                return Fate::Rejected { reason: "REJECT_REASON_UNSUPPORTED", message };
            }
            state.1.push(name.to_owned());
            Fate::Stored
        };
        Ok(batch.iter().map(fate).collect())
    }
}

#[test]
fn another_handler_serves_the_same_client() {
    let (dir, own) = (tempfile::tempdir().unwrap(), Own::default());
    let telemetry = client(dir.path(), Connect::new(&serve(own.clone())).unwrap());
    for name in ["order.placed", "odd"] {
        telemetry.record_custom(&Custom::new(name)).unwrap();
    }
    let books = settled(&telemetry);
    assert_eq!(books.dropped.total(), 1, "what the handler rejects is counted: {books:?}");
    assert!(own.0.lock().unwrap().1.contains(&"order.placed".to_owned()));
}
