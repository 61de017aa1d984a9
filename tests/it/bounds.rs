//! What an app does all the time costs little: it fills no journal and keeps no device awake.

use std::process::Command;
use std::time::Duration;

use throughline::Conditions;
use throughline::event::{Action, Custom, ErrorEvent};
use throughline::testing::FaultServer;

use crate::app::{app, arrived, received, text};
use crate::support::{LONG, books, start};

#[test]
fn an_operations_events_do_not_fill_the_journal_and_survive_the_death_of_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let telemetry = start(dir.path(), &server.url());
    assert!(telemetry.drain(LONG));
    let lost = std::cell::Cell::new(0);
    let mut operation = telemetry.start_operation("Download");
    for n in 0..2_000i64 {
        operation.add_event("chunk", &[("bytes", n.into()), ("file", "some/path/to/a/file.bin".into())]);
        operation.set_attribute("progress", n);
        let is_lost = telemetry.record_action(&Action::tap("x").attributes(&[("n", n.into())])).is_none();
        lost.set(lost.get() + u32::from(is_lost));
    }
    assert_eq!(lost.get(), 0, "actions of 2,000 were refused");
    operation.set_attribute("late", true);
    assert!(telemetry.drain(LONG) && telemetry.suspend(LONG));
    // What a process that is killed now leaves on the disk.
    let killed = tempfile::tempdir().unwrap();
    let copy = ["-r".into(), dir.path().join(".").into_os_string(), killed.path().into()];
    assert!(Command::new("cp").args(copy).status().unwrap().success());
    let next = start(killed.path(), &server.url());
    for _ in 0..20 {
        next.flush(LONG);
    }
    let received = received(&server);
    let span = received.spans.iter().find(|span| span.name == "Download").unwrap();
    assert_eq!((span.events.len(), text(&span.attributes, "late").as_str()), (128, "true"));
    assert_eq!(text(&span.attributes, "throughline.ended"), "process_death");
    assert!(books(&next).balanced());
    operation.succeed();
}

#[test]
fn samples_of_a_view_do_not_wake_the_worker() {
    let app = app();
    app.telemetry.start_view("Home");
    assert!(app.telemetry.drain(LONG));
    let version = || {
        app.telemetry.stop_view();
        app.telemetry.flush(LONG);
        let received = received(&app.server);
        let views = received.named("app.screen.view");
        let home = views.iter().rev().find(|view| text(&view.attributes, "app.screen.name") == "Home");
        text(&home.unwrap().attributes, "rum.view.version")
    };
    // What an app's frame counter does: frames and a memory sample each second.
    for _ in 0..29 {
        app.telemetry.record_frames(60);
        app.telemetry.record_memory(100 << 20);
        app.pass(Duration::from_secs(1));
    }
    app.telemetry.record_frames(60);
    app.pass(Duration::from_secs(1));
    assert_eq!(version(), "3", "one snapshot in 30 s, and the end");
}

#[test]
fn a_loop_of_one_error_is_bounded_and_the_next_one_says_how_many_there_were() {
    let app = app();
    let telemetry = &app.telemetry;
    telemetry.start_view("Home");
    let stack = "at com.example.Renderer.draw(Renderer.kt:88)\n".repeat(30);
    let record = |n: i64| {
        let message = format!("frame {n}");
        telemetry.record_error(&ErrorEvent::new("NullPointerException", &message).stack(&stack)).is_some()
    };
    let kept = (0..20_000).filter(|n| n % 200 != 0 || telemetry.drain(LONG)).filter(|n| record(*n)).count();
    assert_eq!(kept, 600);
    assert!(telemetry.record_error(&ErrorEvent::new("Other", "m")).is_some());
    assert!(telemetry.record_error(&ErrorEvent::new("NullPointerException", "m").stack("elsewhere")).is_some());
    // A process dies once: what it says of that in a loop are errors like others.
    let fatal = || telemetry.record_error(&ErrorEvent::crash("TypeError", "m", "main")).is_some();
    assert_eq!((0..700).filter(|_| fatal()).count(), 1 + 600);
    app.pass(Duration::from_secs(60));
    let attributes = [("rum.error.source", "mine".into())];
    let next = ErrorEvent::new("NullPointerException", "last").stack(&stack);
    assert!(telemetry.record_error(&next.attributes(&attributes)).is_some());
    let received = app.end();
    let reports: Vec<_> = received
        .named("exception")
        .into_iter()
        .map(|log| text(&log.attributes, "rum.error.repeats"))
        .filter(|repeats| !repeats.is_empty())
        .collect();
    assert_eq!(reports, ["19400"]);
    let home = received.named("app.screen.view")[0];
    let of_home = |name| text(&home.attributes, name);
    assert_eq!(
        (of_home("rum.view.error.count"), of_home("rum.view.crash.count")),
        ("20701".to_owned(), "1".to_owned()),
        "the last one is of the session that follows the crash"
    );
    assert_eq!(received.named("app.crash").len(), 1);
    books(telemetry);
}

#[test]
fn a_crash_that_is_too_large_loses_frames_and_attributes_and_never_itself() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    // A process dies once, so each of them has one of its own.
    let die = |crash: &ErrorEvent<'_>| {
        let telemetry = start(dir.path(), &server.url());
        assert!(telemetry.record_error(crash).is_some());
        assert!(telemetry.flush(LONG).complete && telemetry.shutdown(LONG));
    };
    let texts: Vec<(String, String)> = (0..100).map(|n| (format!("k{n}"), "вес".repeat(341))).collect();
    let many: Vec<_> = texts.iter().map(|(key, text)| (key.as_str(), text.as_str().into())).collect();
    let message = "\u{1f600}".repeat(8_192);
    for stack in ["по_адресу 0x1 в МодульОплаты\n".repeat(3_000), "堆栈".repeat(30_000), String::new()]
    {
        die(&ErrorEvent::crash("E", &message, &stack).attributes(&many));
        die(&ErrorEvent::crash("E", "m", &stack));
    }
    let telemetry = start(dir.path(), &server.url());
    assert!(telemetry.flush(LONG).complete);
    assert_eq!(books(&telemetry).dropped.total(), 0);
    let received = received(&server);
    let crashes = received.named("app.crash");
    assert_eq!(crashes.len(), 6);
    let of = |at: usize, key: &str| text(&crashes[at].attributes, key);
    assert!(of(0, "exception.stacktrace").ends_with("МодульОплаты") && !of(0, "throughline.truncated").is_empty());
    assert!(crashes[0].dropped_attributes_count > 0 && !of(0, "k0").is_empty());
    assert!(of(3, "exception.stacktrace").len() > 60_000 && crashes[3].dropped_attributes_count == 0);
}

/// The views that were received, each with its version and whether it is still shown.
fn views(server: &FaultServer, name: &str) -> Vec<(u64, bool)> {
    let arrived = arrived(server);
    let views = arrived.named("app.screen.view").into_iter();
    let views = views.filter(|view| text(&view.attributes, "app.screen.name") == name);
    let of = |view: &opentelemetry_proto::tonic::logs::v1::LogRecord, key| text(&view.attributes, key);
    views
        .map(|view| (of(view, "rum.view.version").parse().unwrap(), of(view, "rum.view.is_active") == "true"))
        .collect()
}

#[test]
fn a_view_that_stays_open_is_seen_and_is_no_other_event() {
    let app = app();
    let telemetry = &app.telemetry;
    assert!(telemetry.flush(LONG).complete);
    let accepted = books(telemetry).accepted;
    telemetry.start_view("Home");
    assert!(telemetry.flush(LONG).complete);
    assert_eq!(views(&app.server, "Home"), [(1, true)]);
    assert!(telemetry.flush(LONG).complete);
    assert_eq!(views(&app.server, "Home").len(), 1, "nothing has changed");
    // It changes all the time, and is sent every 30 s.
    for _ in 0..60 {
        telemetry.record_custom(&Custom::new("x"));
        telemetry.record_action(&Action::custom("x"));
        app.pass(Duration::from_secs(1));
    }
    crate::support::until("two more snapshots arrive", || {
        app.pass(Duration::ZERO);
        views(&app.server, "Home").len() >= 3
    });
    let before = views(&app.server, "Home").len();
    assert!(before <= 4, "{:?}", views(&app.server, "Home"));
    telemetry.record_action(&Action::custom("x"));
    telemetry.set_conditions(Conditions { foreground: false, ..Conditions::default() });
    crate::support::until("it is seen on the way to the background", || {
        app.pass(Duration::ZERO);
        views(&app.server, "Home").len() > before
    });
    telemetry.stop_view();
    assert!(telemetry.flush(LONG).complete);
    let seen = views(&app.server, "Home");
    assert!(seen.is_sorted_by(|a, b| a.0 < b.0), "{seen:?}");
    assert_eq!(seen.iter().filter(|view| !view.1).count(), 1, "{seen:?}");
    assert!(!seen.last().unwrap().1);
    let of_each = |key: &str| -> std::collections::BTreeSet<_> {
        arrived(&app.server).named("app.screen.view").iter().map(|view| text(&view.attributes, key)).collect()
    };
    assert_eq!(of_each("app.screen.id").len(), 1, "snapshots are of one view");
    assert_eq!(of_each("log.record.uid").len(), seen.len(), "a backend may discard one of two records with one id");
    let books = books(telemetry);
    assert_eq!((books.accepted, books.delivered, books.queued), (accepted + 122, accepted + 122, 0));
}

#[test]
fn snapshots_of_a_view_count_for_the_daily_cap() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let config = crate::support::builder(dir.path()).endpoint(server.url()).session_events(false);
    let config = config.daily_bytes(1_500).build().unwrap();
    let telemetry = throughline::Telemetry::start(config, throughline::Consent::Granted).unwrap();
    telemetry.start_view("Home");
    for _ in 0..40 {
        telemetry.record_slow_frame(Duration::from_millis(40));
        telemetry.flush(LONG);
    }
    assert!(views(&server, "Home").len() < 6, "{:?}", views(&server, "Home"));
}
