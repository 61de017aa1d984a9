//! Spans and events of Rust code, as the layer for `tracing` records them.

use throughline::testing::FaultServer;
use throughline::tracing::TelemetryLayer;
use tracing_subscriber::layer::SubscriberExt;

use crate::app::{received, text};
use crate::support::{LONG, start};

#[test]
fn spans_and_events_have_the_clients_ids_and_the_layer_does_not_call_itself() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    let subscriber = tracing_subscriber::registry().with(TelemetryLayer::new(telemetry.clone()));
    let operation = telemetry.start_operation("Checkout");
    tracing::subscriber::with_default(subscriber, || {
        operation.scope(|| {
            let outer = tracing::info_span!("outer", items = 3, late = tracing::field::Empty).entered();
            outer.record("late", "yes");
            tracing::warn!(attempt = 2u64, password = "hunter2", "not synchronized: {}", 7);
            tracing::debug_span!("inner").in_scope(|| tracing::error!(big = u64::MAX, "worse"));
        });
        // A value that traces while it is formatted, and whose text has no end.
        struct Loud;
        impl std::fmt::Debug for Loud {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                tracing::info!("from inside");
                loop {
                    f.write_str("endless ")?;
                }
            }
        }
        tracing::info!(value = ?Loud, "outside");
    });
    operation.succeed();
    assert!(telemetry.flush(LONG).complete);
    let received = received(&server);
    let span = |name: &str| received.spans.iter().find(|span| span.name == name).unwrap();
    let (outer, inner, operation) = (span("outer"), span("inner"), span("Checkout"));
    assert_eq!((&outer.trace_id, &outer.parent_span_id), (&operation.trace_id, &operation.span_id));
    assert_eq!((&inner.trace_id, &inner.parent_span_id), (&outer.trace_id, &outer.span_id));
    assert_eq!((text(&outer.attributes, "items"), text(&outer.attributes, "late")), ("3".into(), "yes".into()));
    let log = |body: &str| {
        let is = |log: &&opentelemetry_proto::tonic::logs::v1::LogRecord| format!("{:?}", log.body).contains(body);
        received.logs.iter().find(is).unwrap_or_else(|| panic!("{body}"))
    };
    let warned = log("not synchronized: 7");
    assert_eq!((warned.severity_number, &warned.span_id), (13, &outer.span_id));
    assert_eq!(
        (text(&warned.attributes, "attempt"), text(&warned.attributes, "password")),
        ("2".into(), "[redacted]".into())
    );
    assert_eq!(log("worse").span_id, inner.span_id);
    assert_eq!(text(&log("worse").attributes, "big"), u64::MAX.to_string());
    assert!(log("outside").span_id.is_empty());
    assert!(received.logs.iter().all(|log| !format!("{:?}", log.body).contains("from inside")));
}
