//! The host's hook drops events and rewrites texts, and its bugs are contained.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use throughline::event::{Action, ErrorEvent, Log, Resource, Severity};
use throughline::testing::FaultServer;
use throughline::{Consent, EventHook, EventView, Host, Telemetry};

use crate::app::{received, text};
use crate::support::{LONG, builder};

#[derive(Debug, Default)]
struct Hook(OnceLock<Telemetry>);

impl EventHook for Hook {
    fn keep(&self, _event: &EventView<'_>) -> bool {
        true
    }

    fn rewrite(&self, text: &str) -> Option<String> {
        assert!(!text.contains("provoke"), "the hook's own bug");
        // The hook may be called under a lock of the client, so none of these calls may wait for
        // that lock.
        if let Some(telemetry) = self.0.get() {
            telemetry.start_view("from the hook");
            telemetry.record_action(&Action::tap("from the hook"));
            assert_eq!(telemetry.session_id(), None);
            assert!(!telemetry.health().enabled && !telemetry.flush(LONG).complete);
            assert!(!telemetry.shutdown(LONG));
            telemetry.set_enabled(false).unwrap();
            telemetry.set_consent(Consent::Denied).unwrap();
        }
        text.contains("account").then(|| text.replace("K4711", "…"))
    }
}

#[test]
fn the_host_rewrites_texts_and_its_bugs_write_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let hook = Arc::new(Hook::default());
    let mut host = Host::default();
    host.hook = Some(hook.clone());
    let config = builder(dir.path()).endpoint(server.url()).build().unwrap();
    let telemetry = Telemetry::start_with(config, Consent::Granted, host).unwrap();
    hook.0.set(telemetry.clone()).unwrap();
    telemetry.start_view("Account");
    telemetry.record_log(&Log::new(Severity::Info, "account K4711 opened"));
    telemetry.record_error(&ErrorEvent::new("E", "provoke K4711"));
    telemetry.record_resource(&Resource::new("GET", "https://a.test/account/K4711", 200, Duration::from_nanos(1)));
    let operation = telemetry.start_operation("Pay");
    operation.fail("Declined", "account K4711 has nothing");
    assert!(telemetry.flush(LONG).complete);
    let received = received(&server);
    let log = received.logs.iter().find(|log| format!("{:?}", log.body).contains("opened")).unwrap();
    assert!(!format!("{:?}", log.body).contains("K4711"));
    let error = received.logs.iter().find(|log| text(&log.attributes, "exception.type") == "E").unwrap();
    assert_eq!(text(&error.attributes, "exception.message"), "[redacted]");
    assert!(!format!("{:?}{:?}", received.logs, received.spans).contains("K4711"));
    assert!(!format!("{:?}", received.logs).contains("from the hook"));
    // The hook owns a handle of the client, so the client would not end when the test does.
    assert_eq!(telemetry.health().hook_panics, 1);
    assert!(telemetry.shutdown(LONG));
}

#[derive(Debug)]
struct Filter;

impl EventHook for Filter {
    fn keep(&self, event: &EventView<'_>) -> bool {
        assert!(event.label != "panic", "the hook's own bug");
        if event.label == "slow" {
            std::thread::sleep(std::time::Duration::from_millis(3));
        }
        event.label != "unwanted" && !event.attributes.iter().any(|(key, _)| *key == "internal")
    }
}

#[test]
fn the_hosts_hook_drops_what_it_does_not_want_and_its_bugs_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let mut host = Host::default();
    host.hook = Some(Arc::new(Filter));
    let config = builder(dir.path()).endpoint(server.url()).session_events(false).build().unwrap();
    let telemetry = Telemetry::start_with(config, Consent::Granted, host).unwrap();
    assert!(telemetry.tap("unwanted").is_none() && telemetry.start_view("unwanted").is_none());
    assert!(telemetry.record_error(&ErrorEvent::new("unwanted", "m")).is_none());
    assert!(telemetry.record_action(&Action::tap("t").attributes(&[("internal", true.into())])).is_none());
    let operation = telemetry.start_operation("unwanted");
    assert!(operation.context().is_some());
    operation.succeed();
    assert!(telemetry.record_action(&Action::tap("panic")).is_none());
    assert!(telemetry.record_action(&Action::tap("slow")).is_some());
    assert!(telemetry.flush(LONG).complete);
    assert_eq!(received(&server).logs.len(), 1);
    let health = telemetry.health();
    assert_eq!((health.hook_dropped, health.hook_panics), (6, 1));
    assert!(health.hook_slow >= 1);
}
