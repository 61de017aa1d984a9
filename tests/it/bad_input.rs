//! Bad input costs either an error at the start that names the field, or a loss at run time that is
//! bounded and counted.

use std::os::unix::fs::PermissionsExt;

use throughline::event::{Action, Custom, ErrorEvent};
use throughline::ledger::DropReason;
use throughline::testing::FaultServer;
use throughline::{Consent, Error, Telemetry, Value};

use crate::support::{LONG, books, builder, start};

fn field(error: Error) -> &'static str {
    match error {
        Error::InvalidConfig { field, .. } => field,
        other => panic!("{other}"),
    }
}

#[test]
fn a_file_where_the_directory_should_be_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert_eq!(field(Telemetry::start(builder(&file).build().unwrap(), Consent::Granted).unwrap_err()), "data_dir");
    assert_eq!(
        field(Telemetry::start(builder(&file.join("below")).build().unwrap(), Consent::Granted).unwrap_err()),
        "data_dir"
    );
}

#[test]
fn an_unwritable_directory_is_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o500)).unwrap();
    // Root may write to every directory. Only a file system that refuses to write shows the error
    // then.
    let target =
        if rustix::process::geteuid().is_root() { "/proc/throughline".into() } else { dir.path().join("below") };
    assert_eq!(field(Telemetry::start(builder(&target).build().unwrap(), Consent::Granted).unwrap_err()), "data_dir");
}

#[test]
fn oversize_events_are_dropped_with_a_reason_and_others_are_cut_with_a_marker() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    let blob = vec![7u8; 4_096];
    let many: Vec<_> = (0..100).map(|_| ("blob", Value::Bytes(&blob))).collect();
    assert_eq!(telemetry.record_custom(&Custom::new("huge").attributes(&many)), None);
    let text = "é".repeat(200_000);
    assert!(telemetry.record_error(&ErrorEvent::new("E", &text).stack(&text)).is_some());
    let attributes: Vec<_> = (0..10_000).map(|n| ("k", Value::Int(n))).collect();
    assert!(telemetry.record_action(&Action::tap("x").attributes(&attributes)).is_some());
    assert!(telemetry.flush(LONG).complete);
    let books = books(&telemetry);
    assert_eq!((books.accepted, books.delivered, books.dropped.of(DropReason::Oversize)), (4, 3, 1));
}

#[test]
fn odd_values_survive_both_encodings() {
    for encoding in [throughline::Encoding::Protobuf, throughline::Encoding::Json] {
        let dir = tempfile::tempdir().unwrap();
        let server = FaultServer::start().unwrap();
        let config = builder(dir.path()).endpoint(server.url()).encoding(encoding).build().unwrap();
        let telemetry = Telemetry::start(config, Consent::Granted).unwrap();
        let attributes = [
            ("nan", Value::Double(f64::NAN)),
            ("infinite", Value::Double(f64::NEG_INFINITY)),
            ("", "an empty key".into()),
            ("control", "a\u{0}b\u{1f}\u{2028}".into()),
            ("log.record.uid", "somebody else's".into()),
            ("empty", Value::List(&[])),
        ];
        let id = telemetry.record_custom(&Custom::new("odd").attributes(&attributes)).unwrap();
        assert!(telemetry.flush(LONG).complete);
        assert!(server.stored_ids().contains(&id));
    }
}

#[test]
fn a_rule_that_cannot_work_is_an_error_at_set_up() {
    let dir = tempfile::tempdir().unwrap();
    let hosts = [
        "",
        ".",
        "https://a.com",
        "a.com/x",
        "*.a.com",
        "m\u{fc}nchen.de",
        "a.com:80",
        "a b.com",
        "user@a.com",
        "1::2::3",
    ];
    for host in hosts {
        assert_eq!(field(builder(dir.path()).trace_host(host).build().unwrap_err()), "trace_hosts", "{host}");
    }
    for host in ["a.com", "a.com.", "127.0.0.1", "[::1]", "xn--mnchen-3ya.de"] {
        assert!(builder(dir.path()).trace_host(host).build().is_ok(), "{host}");
    }
    let none = throughline::trace::TraceHost::new("a.com").formats([]);
    assert_eq!(field(builder(dir.path()).trace_host(none).build().unwrap_err()), "trace_hosts");
    let rule = throughline::TailSampling { bytes: 1, ..throughline::TailSampling::default() };
    assert_eq!(field(builder(dir.path()).tail_sampling(rule).build().unwrap_err()), "tail_sampling");
}

#[test]
fn an_operation_whose_end_is_too_large_ends_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = crate::support::start(dir.path(), &server.url());
    let long = "\u{1f600}".repeat(1_024);
    let attributes: Vec<(&str, throughline::Value<'_>)> = vec![("large", (&long).into()); 60];
    let mut operation = telemetry.start_operation("Large");
    operation.add_event("big", &attributes);
    operation.succeed();
    assert!(telemetry.flush(crate::support::LONG).complete);
    let spans = crate::app::received(&server).spans;
    let large = spans.iter().find(|span| span.name == "Large").expect("the operation is still open");
    assert_eq!(crate::app::text(&large.attributes, "throughline.ended"), "");
    assert_eq!(crate::support::books(&telemetry).queued, 0);
}

#[test]
fn a_session_file_with_absurd_numbers_does_not_end_the_app() {
    let dir = tempfile::tempdir().unwrap();
    drop(crate::support::start(dir.path(), "http://127.0.0.1:9"));
    let file = dir.path().join("session.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let absurd = text.replacen("\"sequence\":1", &format!("\"sequence\":{}", u64::MAX), 1);
    assert_ne!(text, absurd);
    std::fs::write(&file, absurd).unwrap();
    let telemetry = crate::support::start(dir.path(), "http://127.0.0.1:9");
    telemetry.renew_session();
    assert!(telemetry.drain(crate::support::LONG) && telemetry.session_id().is_some());
}
