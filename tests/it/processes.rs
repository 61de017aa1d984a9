//! Several processes of one app in one data directory: the app and its extensions.

use std::path::{Path, PathBuf};

use throughline::event::Action;
use throughline::health::StorageState;
use throughline::internals::dirlock::DirLock;
use throughline::testing::FaultServer;
use throughline::{Consent, Telemetry};
use uuid::Uuid;

use crate::app::{received, text};
use crate::remote::{App, Sign};
use crate::support::{LONG, books, builder, start, until, walk};

/// The journals below a directory.
fn journals(dir: &Path) -> Vec<PathBuf> {
    walk(dir).into_iter().filter(|path| path.extension().is_some_and(|end| end == "journal")).collect()
}

fn deliveries(server: &FaultServer, id: Uuid) -> usize {
    server.stored_ids().into_iter().filter(|stored| *stored == id).count()
}

#[test]
fn an_extension_that_starts_while_the_app_is_suspended_leaves_it_its_journal() {
    for sign in [Sign::Lock, Sign::Number] {
        let dir = tempfile::tempdir().unwrap();
        let server = FaultServer::start().unwrap();
        let mut app = App::start(dir.path(), &server.url(), sign);
        app.tell("view Checkout");
        let before: Vec<_> = (0..10).map(|n| app.record(&format!("tap {n}"))).collect();
        app.must("drain");
        app.must("suspend");
        let meanwhile = app.record("tap in the background");
        app.freeze();
        let mut extension = App::start(dir.path(), &server.url(), sign);
        let of_extension = extension.record("tap of the extension");
        extension.must("flush");
        assert_eq!((deliveries(&server, of_extension), deliveries(&server, meanwhile)), (1, 0), "{sign:?}");
        assert_eq!(journals(dir.path()).len(), 2);
        app.thaw();
        app.must("resume");
        app.must("close");
        app.must("flush");
        for id in before.iter().chain([&meanwhile]) {
            assert_eq!(deliveries(&server, *id), 1, "{sign:?} {id}");
        }
        let views = received(&server);
        let views = views.named("app.screen.view").into_iter();
        assert_eq!(views.filter(|view| text(&view.attributes, "app.screen.name") == "Checkout").count(), 1);
        for process in [&mut app, &mut extension] {
            assert_eq!(process.tell("dropped"), "0", "{sign:?}");
        }
        // The app is in the background once more, and dies there.
        app.must("suspend");
        let crash = app.record("crash SIGSEGV");
        app.kill();
        extension.kill();
        let next = start(dir.path(), &server.url());
        until("the crash arrives", || {
            next.flush(LONG);
            deliveries(&server, crash) == 1
        });
        until("both journals have been read", || journals(dir.path()).len() == 1);
        assert_eq!(books(&next).dropped.total(), 0, "{sign:?}");
    }
}

#[test]
fn what_an_app_that_was_killed_while_suspended_left_is_read_at_once() {
    for sign in [Sign::Lock, Sign::Number] {
        let dir = tempfile::tempdir().unwrap();
        let server = FaultServer::start().unwrap();
        let mut app = App::start(dir.path(), &server.url(), sign);
        app.must("suspend");
        let crash = app.record("crash SIGKILL");
        app.freeze();
        app.kill();
        let mut next = App::start(dir.path(), &server.url(), sign);
        next.must("flush");
        assert_eq!(deliveries(&server, crash), 1, "{sign:?}");
        assert!(!dir.path().join("process-1").exists());
    }
}

#[test]
fn an_app_whose_journal_was_removed_while_it_was_suspended_loses_nothing() {
    for sign in [Sign::Lock, Sign::Number] {
        let dir = tempfile::tempdir().unwrap();
        let server = FaultServer::start().unwrap();
        let mut app = App::start(dir.path(), &server.url(), sign);
        app.must("suspend");
        let meanwhile = app.record("tap in the background");
        std::fs::remove_file(&journals(dir.path())[0]).unwrap();
        app.must("resume");
        assert_eq!(journals(dir.path()).len(), 1);
        app.must("flush");
        assert_eq!((deliveries(&server, meanwhile), app.tell("dropped")), (1, "0".to_owned()), "{sign:?}");
        app.must("suspend");
        let crash = app.record("crash SIGSEGV");
        app.kill();
        let next = start(dir.path(), &server.url());
        until("the crash arrives", || next.flush(LONG).complete && deliveries(&server, crash) == 1);
        assert_eq!(books(&next).dropped.total(), 0, "{sign:?}");
    }
}

#[test]
fn an_app_that_was_taken_for_dead_goes_on_where_its_reader_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let mut app = App::start(dir.path(), &server.url(), Sign::Number);
    let before = app.record("tap before");
    app.must("flush");
    app.must("suspend");
    let taken = app.record("tap in the background");
    // It is suspended for longer than anybody waits: as if it had never said that it lives.
    let journal = journals(dir.path()).remove(0);
    let file = std::fs::File::options().write(true).open(&journal).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[0; 56], 256).unwrap();
    let mut other = App::start(dir.path(), &server.url(), Sign::Number);
    other.must("flush");
    assert!(!journal.exists());
    assert_eq!(deliveries(&server, taken), 1);
    let left = app.record("tap later");
    app.must("resume");
    app.must("flush");
    for id in [before, taken, left] {
        assert_eq!(deliveries(&server, id), 1, "{id}");
    }
    for process in [&mut app, &mut other] {
        assert_eq!(process.tell("dropped"), "0");
    }
    let crash = app.record("crash SIGSEGV");
    app.kill();
    other.kill();
    let next = start(dir.path(), &server.url());
    until("the crash arrives", || {
        next.flush(LONG);
        // The app may have sent it when it was killed, and not have heard that it arrived.
        deliveries(&server, crash) >= 1
    });
}

/// A sequence of numbers that looks random and is the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Three processes of an app record, are suspended, come back, and are killed if `are_killed`. At
/// the end everything that was acknowledged must have arrived.
fn live_together(seed: u64, sign: Sign, are_killed: bool) {
    let what = format!("everything arrives with seed {seed}, {sign:?}, killed: {are_killed}");
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let mut random = Random(seed);
    let (mut taps, mut crashes) = (Vec::new(), Vec::new());
    let mut processes: Vec<(App, bool)> =
        (0..3).map(|_| (App::start(dir.path(), &server.url(), sign), false)).collect();
    for _ in 0..60 {
        let at = random.below(3) as usize;
        let (app, is_suspended) = &mut processes[at];
        match random.below(12) {
            0..4 => taps.push(app.record("tap somewhere")),
            4 => crashes.push(app.record("crash SIGSEGV")),
            5 => drop(app.tell("view Checkout")),
            6 | 7 if !*is_suspended => {
                app.must("suspend");
                *is_suspended = true;
            }
            6..9 => {
                app.must("resume");
                *is_suspended = false;
            }
            9 => drop(app.tell("flush")),
            10 if are_killed => {
                app.kill();
                processes[at] = (App::start(dir.path(), &server.url(), sign), false);
            }
            _ => drop(app.tell("drain")),
        }
    }
    for (app, _) in &mut processes {
        app.must("resume");
        app.must("flush");
        assert_eq!(app.tell("dropped"), "0", "{what}");
    }
    drop(processes);
    let next = start(dir.path(), &server.url());
    until(&what, || {
        next.flush(LONG);
        taps.iter().chain(&crashes).all(|id| deliveries(&server, *id) >= 1)
    });
    assert_eq!(books(&next).dropped.total(), 0, "{what}");
    if !are_killed {
        // A crash is sent at once, and a suspension ends its request before the answer is there.
        let twice: Vec<_> = taps.iter().filter(|id| deliveries(&server, **id) > 1).collect();
        assert!(twice.is_empty(), "delivered twice: {twice:?}; {what}");
    }
}

#[test]
fn whatever_the_processes_of_an_app_do_together_nothing_is_lost() {
    let seeds = std::env::var("THROUGHLINE_SEED").ok().and_then(|seed| seed.parse().ok());
    for seed in seeds.map_or(1..4u64, |seed| seed..seed + 1) {
        for sign in [Sign::Lock, Sign::Number] {
            live_together(seed, sign, false);
            live_together(seed, sign, true);
        }
    }
}

#[test]
fn an_app_whose_directory_was_taken_counts_nothing_as_lost_in_its_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let mut app = App::start(dir.path(), &server.url(), Sign::Lock);
    let before: Vec<_> = (0..20).map(|n| app.record(&format!("tap {n}"))).collect();
    app.must("flush");
    app.must("suspend");
    let meanwhile = app.record("tap in the background");
    // An older version does not ask whether the app lives, and does not say what it has read.
    let held = DirLock::try_lock(dir.path()).unwrap().unwrap();
    std::fs::remove_file(&journals(dir.path())[0]).unwrap();
    app.must("resume");
    app.must("flush");
    assert!(dir.path().join("process-1/queue.db").exists());
    for id in before.iter().chain([&meanwhile]) {
        assert_eq!(deliveries(&server, *id), 1, "{id}");
    }
    assert_eq!(app.tell("dropped"), "0");
    // It stays there, where its journal is now.
    drop(held);
    app.must("suspend");
    let crash = app.record("crash SIGSEGV");
    app.must("resume");
    app.must("flush");
    assert_eq!((deliveries(&server, crash), app.tell("dropped")), (1, "0".to_owned()));
    assert_eq!(journals(dir.path()).len(), 1);
}

#[test]
fn a_crash_of_an_extension_is_delivered_by_the_app_that_runs_on() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let app = start(dir.path(), &server.url());
    assert!(app.drain(LONG));
    let mut extension = App::start(dir.path(), &server.url(), Sign::Lock);
    extension.must("suspend");
    let crash = extension.record("crash SIGSEGV");
    assert!(app.flush(LONG).complete);
    assert_eq!(deliveries(&server, crash), 0, "the extension lives");
    extension.kill();
    until("the crash arrives", || {
        app.flush(LONG);
        deliveries(&server, crash) == 1 && !dir.path().join("process-1").exists()
    });
}

#[test]
fn an_extension_and_the_app_that_start_together_are_one_installation() {
    for _ in 0..5 {
        let dir = tempfile::tempdir().unwrap();
        let server = FaultServer::start().unwrap();
        let begin = || {
            let telemetry = start(dir.path(), &server.url());
            let id = telemetry.installation_id().unwrap();
            assert!(telemetry.drain(LONG));
            assert_eq!(telemetry.installation_id(), Some(id), "events already carry it");
            id
        };
        let ids = std::thread::scope(|scope| {
            let processes: Vec<_> = (0..3).map(|_| scope.spawn(begin)).collect();
            processes.into_iter().map(|process| process.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }
}

#[test]
fn what_lies_where_the_clients_files_belong_is_said_and_nobody_waits_for_it() {
    let pipe = |path: &Path| {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    type Put<'a> = &'a dyn Fn(&Path);
    let place: [(&str, Put<'_>, &str); 7] = [
        ("lock", &|path| std::fs::create_dir(path).unwrap(), "a directory and not a file"),
        ("lock", &pipe, "a pipe and not a file"),
        ("lock", &|path| std::os::unix::fs::symlink("/nowhere", path).unwrap(), "a symbolic link and not a file"),
        ("runs", &|path| std::fs::write(path, "mine").unwrap(), "a file and not a directory"),
        ("runs", &pipe, "a pipe and not a directory"),
        ("runs", &|path| std::os::unix::fs::symlink("/tmp", path).unwrap(), "a symbolic link and not a directory"),
        ("runs", &|path| std::os::unix::fs::symlink("/nowhere", path).unwrap(), "a symbolic link"),
    ];
    for (name, put, said) in place {
        let dir = tempfile::tempdir().unwrap();
        put(&dir.path().join(name));
        let config = builder(dir.path()).build().unwrap();
        let error = Telemetry::start(config, Consent::Granted).unwrap_err().to_string();
        assert!(error.contains(said) && error.contains(name), "{name}: {error}");
        // Nothing of it was removed: it is not the client's.
        assert!(dir.path().join(name).symlink_metadata().is_ok());
    }
    // What only the worker opens is in the health, and nobody waits for a pipe.
    for name in ["queue.db", "queue.db-wal", "ballast", "quarantine"] {
        let dir = tempfile::tempdir().unwrap();
        pipe(&dir.path().join(name));
        let telemetry = start(dir.path(), "http://127.0.0.1:9");
        assert!(telemetry.record_action(&Action::tap("recorded")).is_some() && telemetry.drain(LONG));
        let hints = telemetry.health().hints;
        assert!(hints.iter().any(|hint| hint.contains(name) && hint.contains("a pipe and not")), "{hints:?}");
        std::fs::remove_file(dir.path().join(name)).unwrap();
        assert!(telemetry.resume(LONG) && telemetry.drain(LONG));
        assert_eq!(telemetry.health().storage, StorageState::Open);
    }
    // It comes while the client runs: then it is in the health.
    let dir = tempfile::tempdir().unwrap();
    let telemetry = start(dir.path(), "http://127.0.0.1:9");
    assert!(telemetry.drain(LONG) && telemetry.suspend(LONG));
    std::fs::remove_file(dir.path().join("lock")).unwrap();
    pipe(&dir.path().join("lock"));
    assert!(telemetry.resume(LONG));
    let hints = telemetry.health().hints;
    assert!(hints.iter().any(|hint| hint.contains("a pipe and not a file")), "{hints:?}");
    std::fs::remove_file(dir.path().join("lock")).unwrap();
    assert!(telemetry.resume(LONG) && telemetry.drain(LONG));
    // Pipes in the place of small files keep nobody waiting.
    let dir = tempfile::tempdir().unwrap();
    for name in ["installation.json", "session.json", "switches.json"] {
        pipe(&dir.path().join(name));
    }
    let telemetry = start(dir.path(), "http://127.0.0.1:9");
    assert!(telemetry.record_action(&Action::tap("recorded")).is_some());
    assert!(telemetry.drain(LONG) && telemetry.shutdown(LONG));
}

#[test]
fn a_worker_that_dies_is_started_once_more_and_then_said_to_be_dead() {
    let dir = tempfile::tempdir().unwrap();
    let server = FaultServer::start().unwrap();
    let mut app = App::start(dir.path(), &server.url(), Sign::Lock);
    app.must("die 3");
    until("the worker's death is said", || app.tell("storage").starts_with("Failed"));
    assert!(app.tell("hints").contains("nothing is stored or sent any more"));
    // The next call that needs it starts it once more, and nothing is lost.
    let id = app.record("tap after the death");
    app.must("flush");
    assert_eq!((deliveries(&server, id), app.tell("storage")), (1, "Open".to_owned()));
    app.must("die 3");
    until("the worker's death is said", || app.tell("storage").starts_with("Failed"));
    let left = app.record("crash recorded all the same");
    for order in ["flush", "drain", "suspend", "resume"] {
        assert_eq!(app.tell(order), "false", "{order}");
    }
    assert!(app.tell("reason").contains("has died"));
    assert!(app.tell("storage").starts_with("Failed"));
    app.kill();
    let next = start(dir.path(), &server.url());
    until("what it had recorded arrives", || next.flush(LONG).complete && deliveries(&server, left) == 1);
}
