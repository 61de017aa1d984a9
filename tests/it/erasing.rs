//! Erasing is complete, or says that it is not.

use std::path::{Path, PathBuf};

use throughline::event::Action;
use throughline::internals::dirlock::DirLock;
use throughline::testing::{Answer, FaultServer};
use throughline::{Consent, Telemetry};

use crate::remote::{App, Sign};
use crate::support::{LONG, builder, record_mixed, start, until, walk};

const MARK: &str = "a-mark-that-must-be-gone";

/// The files that contain the mark.
fn marked(dir: &Path) -> Vec<PathBuf> {
    let holds = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_default();
        bytes.windows(MARK.len()).any(|window| window == MARK.as_bytes())
    };
    walk(dir).into_iter().filter(holds).collect()
}

fn sent(server: &FaultServer) -> bool {
    let holds = |body: &[u8]| body.windows(MARK.len()).any(|window| window == MARK.as_bytes());
    server.received().iter().any(|request| holds(&request.body))
}

#[test]
fn a_refusal_and_an_erasure_leave_nothing_of_processes_that_have_ended() {
    for is_refusal in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let first = start(dir.path(), "http://127.0.0.1:9");
        assert!(first.drain(LONG));
        let others: Vec<_> = (0..2).map(|_| start(dir.path(), "http://127.0.0.1:9")).collect();
        for other in others {
            other.record_action(&Action::tap(MARK));
            assert!(other.drain(LONG) && other.shutdown(LONG));
        }
        assert!(!marked(dir.path()).is_empty());
        if is_refusal {
            first.set_consent(Consent::Denied).unwrap()
        } else {
            assert!(first.erase(LONG))
        }
        assert_eq!(marked(dir.path()), Vec::<PathBuf>::new());
    }
}

#[test]
fn what_cannot_be_erased_now_is_erased_before_it_could_be_sent() {
    for is_off in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let server = FaultServer::start().unwrap();
        let telemetry = start(dir.path(), &server.url());
        telemetry.record_action(&Action::tap(MARK));
        assert!(telemetry.drain(LONG));
        if is_off {
            telemetry.set_enabled(false).unwrap();
        } else {
            assert!(telemetry.suspend(LONG));
        }
        let held = DirLock::try_lock(dir.path()).unwrap().unwrap();
        assert!(!telemetry.erase(LONG), "it cannot have been erased");
        assert!(!marked(dir.path()).is_empty());
        drop(held);
        if is_off {
            drop(telemetry);
            // The next process, after the app has switched on again.
            std::fs::remove_file(dir.path().join("switches.json")).unwrap();
            let next = start(dir.path(), &server.url());
            assert!(next.flush(LONG).complete);
        } else {
            assert!(telemetry.resume(LONG) && telemetry.flush(LONG).complete);
        }
        assert!(!sent(&server), "what was to be erased was sent");
        assert_eq!(marked(dir.path()), Vec::<PathBuf>::new());
        assert!(!dir.path().join("erase").exists());
    }
}

#[test]
fn an_erasure_in_one_process_reaches_the_others_before_they_send() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    server.always(Some(Answer::Status(503, Vec::new(), Vec::new())));
    let mut app = App::start(dir.path(), &server.url(), Sign::Number);
    app.record(&format!("tap {MARK}"));
    app.must("drain");
    app.must("suspend");
    let mut extension = App::start(dir.path(), &server.url(), Sign::Number);
    extension.record(&format!("tap {MARK}"));
    extension.must("drain");
    assert_eq!(extension.tell("erase"), "false", "the app's own part is left");
    extension.must("drain");
    server.always(None);
    app.must("resume");
    let id = app.record("tap after it");
    app.must("flush");
    extension.must("flush");
    assert!(server.stored_ids().contains(&id));
    assert!(!sent(&server));
    assert_eq!(marked(dir.path()), Vec::<PathBuf>::new());
    assert_eq!(app.tell("dropped"), "0");
    // The app, whose extension is idle, erases once more: now nobody is in the way.
    extension.kill();
    app.must("erase");
}

#[test]
fn an_app_that_was_taken_for_dead_by_an_erasure_sends_nothing_of_before() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let mut app = App::start(dir.path(), &server.url(), Sign::Number);
    let mut extension = App::start(dir.path(), &server.url(), Sign::Number);
    app.must("suspend");
    let session = app.tell("session");
    app.record(&format!("tap {MARK}"));
    // It is suspended for longer than anybody waits: as if it had never said that it lives.
    let is_journal = |path: &PathBuf| path.extension().is_some_and(|end| end == "journal");
    for journal in walk(&dir.path().join("runs")).into_iter().filter(is_journal) {
        let file = std::fs::File::options().write(true).open(&journal).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &[0; 56], 256).unwrap();
    }
    extension.must("erase");
    app.must("resume");
    let later = app.record("tap after it");
    app.must("flush");
    assert!(server.stored_ids().contains(&later));
    assert!(!sent(&server));
    assert_ne!(app.tell("session"), session);
    assert_eq!(marked(dir.path()), Vec::<PathBuf>::new());
    assert_eq!(app.tell("dropped"), "0");
}

#[test]
fn an_adopted_directory_that_is_to_be_erased_is_not_sent() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    server.always(Some(Answer::Status(503, Vec::new(), Vec::new())));
    let mut ended = App::start(dir.path(), &server.url(), Sign::Lock);
    let mut extension = App::start(dir.path(), &server.url(), Sign::Lock);
    extension.record(&format!("tap {MARK}"));
    extension.must("drain");
    extension.kill();
    ended.kill();
    let app = start(dir.path(), &server.url());
    until("the directory is adopted", || {
        let _ = app.flush(LONG);
        sent(&server)
    });
    let requests = server.received().len();
    // Another process has been told to erase everything. It has found this directory locked, and
    // its own and the main one before that.
    std::fs::write(dir.path().join("process-1/erase"), "").unwrap();
    let id = app.record_action(&Action::tap("after it")).unwrap();
    assert!(app.drain(LONG));
    server.always(None);
    until("the app's own events arrive", || app.flush(LONG).complete && server.stored_ids().contains(&id));
    let marked_since = server
        .received()
        .split_off(requests)
        .into_iter()
        .filter(|request| request.body.windows(MARK.len()).any(|window| window == MARK.as_bytes()));
    assert_eq!(marked_since.count(), 0);
    assert_eq!(marked(dir.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_client_that_is_off_does_not_say_that_it_has_erased_before_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let telemetry = start(dir.path(), "http://127.0.0.1:9");
    telemetry.record_action(&Action::tap(MARK));
    assert!(telemetry.drain(LONG));
    let before = (telemetry.session_id(), telemetry.installation_id());
    telemetry.set_enabled(false).unwrap();
    assert!(!marked(dir.path()).is_empty());
    assert!(telemetry.erase(LONG));
    assert_eq!(marked(dir.path()), Vec::<PathBuf>::new());
    assert_eq!(telemetry.health().journal_bytes, 0, "something was recorded although the client is off");
    telemetry.set_enabled(true).unwrap();
    assert!(telemetry.drain(LONG));
    let after = (telemetry.session_id(), telemetry.installation_id());
    assert!(before.0 != after.0 && before.1 != after.1, "{before:?} {after:?}");
    assert_eq!(marked(dir.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_refusal_of_a_client_that_is_off_waits_until_everything_is_erased() {
    let dir = tempfile::tempdir().unwrap();
    let telemetry = start(dir.path(), "http://127.0.0.1:9");
    telemetry.record_action(&Action::tap(MARK));
    assert!(telemetry.drain(LONG) && telemetry.shutdown(LONG));
    let config = builder(dir.path()).enabled(false).build().unwrap();
    let telemetry = Telemetry::start(config, Consent::Granted).unwrap();
    assert!(!marked(dir.path()).is_empty());
    telemetry.set_consent(Consent::Denied).unwrap();
    assert_eq!(marked(dir.path()), Vec::<PathBuf>::new());
}

#[test]
fn no_refusal_returns_while_another_one_still_erases() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let telemetry = start(dir.path(), "http://127.0.0.1:9");
        for n in 0..50 {
            record_mixed(&telemetry, n);
            telemetry.record_action(&Action::tap(MARK));
        }
        assert!(telemetry.drain(LONG));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    telemetry.set_consent(Consent::Denied).unwrap();
                    assert_eq!(marked(dir.path()), Vec::<PathBuf>::new());
                });
            }
        });
    }
}
