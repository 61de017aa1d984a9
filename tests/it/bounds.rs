//! What an app does all the time costs little: it fills no journal and keeps no device awake.

use std::process::Command;
use std::time::Duration;

use throughline::event::Action;
use throughline::testing::FaultServer;

use crate::app::{app, received, text};
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
