//! Sessions that a death has ended: a crash and its session are told of once, and what the next
//! launch does is of another session.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use throughline::event::{Action, ErrorEvent};
use throughline::testing::{Answer, FaultServer};
use throughline::time::{Clock, ManualClock};
use throughline::{Consent, Host, Telemetry};

use crate::app::{distinct, text};
use crate::remote::{App, Sign};
use crate::support::{LONG, books, builder, start, until};
use crate::watchdog::{hang, watched};

/// What the server keeps of this name.
fn named(server: &FaultServer, name: &str) -> Vec<LogRecord> {
    distinct(server).into_iter().filter(|log| log.event_name == name).collect()
}

fn session_of(log: &LogRecord) -> String {
    text(&log.attributes, "session.id")
}

/// The sessions that have ended, each with the reason.
fn ended(server: &FaultServer) -> Vec<(String, String)> {
    let ends = named(server, "session.end");
    ends.iter().map(|end| (session_of(end), text(&end.attributes, "rum.session.reason"))).collect()
}

/// The sessions that have begun, each with its number.
fn begun(server: &FaultServer) -> Vec<(String, String)> {
    let starts = named(server, "session.start");
    starts.iter().map(|start| (session_of(start), text(&start.attributes, "rum.session.sequence"))).collect()
}

/// Starts the app once more, has it deliver everything, and returns its session.
fn next_launch(dir: &Path, server: &FaultServer) -> String {
    let next = start(dir, &server.url());
    let session = next.session_id().unwrap().to_string();
    assert!(next.record_action(&Action::tap("next launch")).is_some());
    assert!(next.flush(LONG).complete);
    assert_eq!(next.session_id().unwrap().to_string(), session, "it knows at once");
    assert_eq!(books(&next).dropped.total(), 0);
    assert!(next.shutdown(LONG));
    session
}

/// An app that dies in the given way, and the session in which it did.
fn dies(dir: &Path, server: &FaultServer, die: impl FnOnce(&mut App)) -> String {
    let mut app = App::start(dir, &server.url(), Sign::Lock);
    app.tell("view Checkout");
    let session = app.tell("session");
    die(&mut app);
    session
}

/// How an app dies.
type Death = fn(&mut App);

#[test]
fn a_crash_ends_its_session_and_the_next_launch_begins_another() {
    let ways: [(&str, Death); 3] = [
        ("a signal", |app| app.die_by(8)),
        ("an error of a language and its signal", |app| {
            app.record("crash TypeError");
            app.die_by(6);
        }),
        ("an error of a language", |app| {
            app.record("crash TypeError");
            app.kill();
        }),
    ];
    for (way, die) in ways {
        let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
        let died = dies(dir.path(), &server, die);
        let next = next_launch(dir.path(), &server);
        assert_ne!(next, died, "{way}");
        assert_eq!(next_launch(dir.path(), &server), next, "{way}: the launch after that goes on");
        let [crash] = named(&server, "app.crash").try_into().unwrap();
        assert_eq!(session_of(&crash), died, "{way}");
        assert_eq!(ended(&server), [(died.clone(), "process_crash".to_owned())], "{way}");
        assert_eq!(begun(&server), [(died, "1".to_owned()), (next.clone(), "2".to_owned())], "{way}");
        let [end] = named(&server, "session.end").try_into().unwrap();
        let apart = end.time_unix_nano.abs_diff(crash.time_unix_nano);
        assert!(apart < 1_000_000_000, "{way}: the session ended {apart} ns from its crash");
        let taps = named(&server, "app.widget.click");
        assert!(taps.iter().all(|tap| session_of(tap) == next), "{way}");
    }
}

#[test]
fn an_app_that_crashes_at_every_launch_has_as_many_sessions_as_crashes() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    server.always(Some(Answer::Status(503, Vec::new(), Vec::new())));
    let mut died: Vec<_> = (0..4).map(|_| dies(dir.path(), &server, App::crash)).collect();
    server.always(None);
    let last = next_launch(dir.path(), &server);
    let mut crashed: Vec<_> = named(&server, "app.crash").iter().map(session_of).collect();
    let mut ended: Vec<_> = ended(&server).into_iter().map(|(session, _)| session).collect();
    let mut begun: Vec<_> = begun(&server).into_iter().map(|(session, _)| session).collect();
    for list in [&mut died, &mut crashed, &mut ended] {
        list.sort();
    }
    assert_eq!((&crashed, &ended), (&died, &died), "each session has crashed once and ended once");
    died.push(last);
    died.sort();
    begun.sort();
    assert_eq!(begun, died, "and has begun once");
}

#[test]
fn a_death_in_a_hang_ends_its_session_and_a_kill_does_not() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let killed = dies(dir.path(), &server, App::kill);
    let mut app = watched(dir.path(), &server);
    assert_eq!(app.tell("session"), killed, "the user may have ended the app");
    hang(&mut app);
    app.kill();
    let next = next_launch(dir.path(), &server);
    assert_ne!(next, killed);
    assert_eq!(ended(&server), [(killed.clone(), "process_hang".to_owned())]);
    let [hang] = named(&server, "app.hang").try_into().unwrap();
    assert_eq!(session_of(&hang), killed);
}

#[test]
fn a_process_that_lives_leaves_the_session_in_which_another_has_crashed() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let mut app = App::start(dir.path(), &server.url(), Sign::Lock);
    let mut extension = App::start(dir.path(), &server.url(), Sign::Lock);
    let session = app.tell("session");
    assert_eq!(extension.tell("session"), session);
    extension.crash();
    // It reads what the others have left when it comes back.
    app.must("suspend");
    app.must("resume");
    until("it has read of the crash", || {
        app.must("flush");
        app.tell("session") != session
    });
    let next = app.tell("session");
    app.kill();
    assert_eq!(next_launch(dir.path(), &server), next);
    assert_eq!(ended(&server), [(session.clone(), "process_crash".to_owned())]);
    assert_eq!(begun(&server), [(session, "1".to_owned()), (next, "2".to_owned())]);
}

/// A client whose clock the test moves.
fn with_clock(dir: &Path, server: &FaultServer, clock: &Arc<ManualClock>) -> Telemetry {
    let mut host = Host::default();
    host.clock = Clock::Manual(Arc::clone(clock));
    let config = builder(dir).endpoint(server.url()).build().unwrap();
    Telemetry::start_with(config, Consent::Granted, host).unwrap()
}

#[test]
fn an_app_that_survives_its_fatal_error_goes_on_in_another_session_after_ten_seconds() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let clock = ManualClock::new();
    let telemetry = with_clock(dir.path(), &server, &clock);
    let crashed = telemetry.session_id().unwrap();
    telemetry.record_error(&ErrorEvent::crash("TypeError", "no total", "at pay")).unwrap();
    clock.advance(Duration::from_secs(9));
    telemetry.record_action(&Action::tap("dying"));
    assert_eq!(telemetry.session_id(), Some(crashed), "it may be dying still");
    clock.advance(Duration::from_secs(1));
    telemetry.record_action(&Action::tap("alive"));
    let next = telemetry.session_id().unwrap();
    assert_ne!(next, crashed);
    clock.advance(Duration::from_secs(60));
    telemetry.record_action(&Action::tap("still alive"));
    assert_eq!(telemetry.session_id(), Some(next));
    assert!(telemetry.flush(LONG).complete);
    assert_eq!(ended(&server), [(crashed.to_string(), "process_crash".to_owned())]);
    let [crash] = named(&server, "app.crash").try_into().unwrap();
    let [end] = named(&server, "session.end").try_into().unwrap();
    assert_eq!(end.time_unix_nano, crash.time_unix_nano);
    assert!(telemetry.shutdown(LONG));
}

#[test]
fn the_end_of_a_session_is_not_taken_back_for_the_crash_that_the_process_wrote_down_itself() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let clock = ManualClock::new();
    let telemetry = with_clock(dir.path(), &server, &clock);
    let crashed = telemetry.session_id().unwrap();
    // The second crash and a time server move the time of death from that in the file.
    for _ in 0..2 {
        telemetry.record_error(&ErrorEvent::crash("TypeError", "no total", "at pay")).unwrap();
        assert!(telemetry.flush(LONG).complete);
        clock.advance(Duration::from_secs(2));
        clock.jump_wall(1);
    }
    telemetry.renew_session();
    assert!(telemetry.flush(LONG).complete);
    assert_eq!(ended(&server), [(crashed.to_string(), "process_crash".to_owned())]);
    assert_eq!(books(&telemetry).dropped.total(), 0);
    assert!(telemetry.shutdown(LONG));
}

#[test]
fn a_session_that_has_crashed_is_over_however_its_process_ends() {
    type End = fn(&Telemetry);
    let ends: [(&str, End); 2] = [
        ("the app ends the session", Telemetry::renew_session),
        ("the client is shut down", |telemetry| {
            assert!(telemetry.shutdown(LONG));
        }),
    ];
    for (way, end) in ends {
        let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
        let clock = ManualClock::new();
        let telemetry = with_clock(dir.path(), &server, &clock);
        let crashed = telemetry.session_id().unwrap();
        telemetry.record_error(&ErrorEvent::crash("TypeError", "no total", "at pay")).unwrap();
        end(&telemetry);
        telemetry.shutdown(LONG);
        clock.advance(Duration::from_secs(1));
        let next = with_clock(dir.path(), &server, &clock);
        assert_ne!(next.session_id(), Some(crashed), "{way}");
        assert!(next.flush(LONG).complete);
        assert_eq!(ended(&server), [(crashed.to_string(), "process_crash".to_owned())], "{way}");
        assert!(next.shutdown(LONG));
    }
}

#[test]
fn an_idle_process_does_not_end_again_the_session_in_which_another_has_crashed() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let mut app = App::start(dir.path(), &server.url(), Sign::Lock);
    let mut idle = App::start(dir.path(), &server.url(), Sign::Lock);
    let session = app.tell("session");
    assert_eq!(idle.tell("session"), session);
    app.crash();
    // The relaunch knows at once what the idle process has not read yet.
    let next = next_launch(dir.path(), &server);
    idle.tell("renew");
    idle.must("flush");
    idle.kill();
    assert_eq!(ended(&server).iter().filter(|(of, _)| *of == session).count(), 1, "{:?}", ended(&server));
    assert_eq!(ended(&server)[0], (session.clone(), "process_crash".to_owned()));
    let mut begun: Vec<_> = begun(&server).into_iter().map(|(of, _)| of).collect();
    begun.dedup();
    assert_eq!(begun[..2], [session, next]);
}
