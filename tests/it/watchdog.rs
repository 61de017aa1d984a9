//! Hangs of a real process: what is recorded when its main thread comes back, when it does not,
//! when the process is stopped, and when it dies of something else meanwhile.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use throughline::testing::FaultServer;
use throughline::{Conditions, MainThread, Telemetry};

use crate::app::{distinct, text};
use crate::crashes::{breadcrumbs, crashes};
use crate::remote::{App, Sign};
use crate::support::{LONG, books, start, until};

/// The thread that stands for an app's main thread in the process that is told what to do.
#[derive(Debug)]
pub struct StandIn {
    tasks: Sender<Task>,
    asked: AtomicU64,
    /// What it waits for while it is blocked.
    blocked: Mutex<Option<Sender<()>>>,
}

/// What a task waits for until it is done: nobody ever sends anything.
type Task = Option<Receiver<()>>;

static STAND_IN: OnceLock<Arc<StandIn>> = OnceLock::new();

impl MainThread for StandIn {
    fn ask(&self) {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.tasks.send(None).unwrap();
    }

    fn stack(&self) -> String {
        "at Checkout.pay\nat Main.loop".to_owned()
    }
}

/// What the process that is told what to do does with an order of these tests.
pub fn obey(telemetry: &Telemetry, verb: &str, rest: &str) -> Option<String> {
    let stand_in = STAND_IN.get();
    Some(match verb {
        "watch" => {
            let (tasks, work) = channel::<Task>();
            let main = telemetry.clone();
            std::thread::spawn(move || {
                for task in work {
                    let _ = task.map(|waits_for| waits_for.recv());
                    main.beat();
                }
            });
            let main = Arc::new(StandIn { tasks, asked: AtomicU64::new(0), blocked: Mutex::default() });
            telemetry.watch_main(Arc::<StandIn>::clone(STAND_IN.get_or_init(|| main)), Duration::from_millis(500));
            until("the watchdog asks", || STAND_IN.get().unwrap().asked.load(Ordering::SeqCst) > 2);
            true.to_string()
        }
        "block" => {
            let (end, waits_for) = channel();
            *stand_in?.blocked.lock().unwrap() = Some(end);
            stand_in?.tasks.send(Some(waits_for)).is_ok().to_string()
        }
        "unblock" => stand_in?.blocked.lock().unwrap().take().is_some().to_string(),
        "asked" => stand_in?.asked.load(Ordering::SeqCst).to_string(),
        "foreground" => {
            telemetry.set_conditions(Conditions { foreground: rest == "true", ..Conditions::default() });
            telemetry.drain(LONG).to_string()
        }
        "enable" => telemetry.set_enabled(rest == "true").is_ok().to_string(),
        _ => return None,
    })
}

/// A process on the view `Checkout` whose main thread is watched.
pub fn watched(dir: &std::path::Path, server: &FaultServer) -> App {
    let mut app = App::start(dir, &server.url(), Sign::Lock);
    app.tell("view Checkout");
    app.must("watch");
    app
}

/// What the server keeps of this name.
fn named(server: &FaultServer, name: &str) -> Vec<LogRecord> {
    distinct(server).into_iter().filter(|log| log.event_name == name).collect()
}

fn survived(server: &FaultServer) -> Vec<LogRecord> {
    let all = named(server, "exception").into_iter();
    all.filter(|log| text(&log.attributes, "exception.type") == "AppHang").collect()
}

/// Waits until the process has seen that its main thread hangs.
pub fn hang(app: &mut App) {
    app.must("block");
    until("the hang is seen", || app.tell("open").parse::<u64>().unwrap() == 1);
}

fn next_launch(dir: &std::path::Path, server: &FaultServer) {
    let next = start(dir, &server.url());
    assert!(next.flush(LONG).complete);
    books(&next);
    assert!(next.shutdown(LONG));
}

#[test]
fn a_main_thread_that_comes_back_was_one_hang_with_its_duration_and_its_stack() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let mut app = watched(dir.path(), &server);
    hang(&mut app);
    app.must("unblock");
    until("the hang is over", || {
        app.must("flush");
        survived(&server).len() == 1
    });
    drop(app);
    next_launch(dir.path(), &server);
    let [hang] = survived(&server).try_into().unwrap();
    assert_eq!(text(&hang.attributes, "exception.stacktrace"), "at Checkout.pay\nat Main.loop");
    assert_eq!(text(&hang.attributes, "app.screen.name"), "Checkout");
    let duration: u64 = text(&hang.attributes, "rum.hang.duration").parse().unwrap();
    assert!(duration >= 500_000_000, "{duration} ns");
    assert_eq!(named(&server, "app.hang"), [], "nobody died of it");
}

#[test]
fn a_process_that_is_killed_while_its_main_thread_hangs_died_of_a_hang() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let mut app = watched(dir.path(), &server);
    app.record("tap pay");
    hang(&mut app);
    app.kill();
    next_launch(dir.path(), &server);
    next_launch(dir.path(), &server);
    let [hang] = named(&server, "app.hang").try_into().unwrap();
    assert_eq!(text(&hang.attributes, "throughline.ended"), "process_death");
    assert_eq!(text(&hang.attributes, "app.screen.name"), "Checkout");
    assert_eq!(text(&hang.attributes, "exception.stacktrace"), "at Checkout.pay\nat Main.loop");
    assert!(breadcrumbs(&hang).contains(&"pay".to_owned()));
}

#[test]
fn a_process_that_crashes_while_its_main_thread_hangs_died_once() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let mut app = watched(dir.path(), &server);
    hang(&mut app);
    app.crash();
    next_launch(dir.path(), &server);
    assert_eq!((crashes(&server).len(), named(&server, "app.hang").len()), (1, 0));
}

#[test]
fn a_client_that_is_shut_down_while_the_main_thread_hangs_reports_no_death() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let mut app = watched(dir.path(), &server);
    hang(&mut app);
    app.must("shutdown");
    drop(app);
    next_launch(dir.path(), &server);
    assert_eq!((survived(&server).len(), named(&server, "app.hang").len()), (1, 0));
}

#[test]
fn a_hang_of_which_the_user_denied_the_record_leaves_nothing() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let mut app = watched(dir.path(), &server);
    hang(&mut app);
    app.must("deny");
    app.must("unblock");
    drop(app);
    next_launch(dir.path(), &server);
    assert_eq!((survived(&server).len(), named(&server, "app.hang").len()), (0, 0));
}

#[test]
fn a_client_that_is_switched_on_again_does_not_take_its_silence_for_a_hang() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let mut app = watched(dir.path(), &server);
    // What the main thread was asked is done while the client is off.
    app.must("block");
    std::thread::sleep(Duration::from_millis(300));
    app.must("enable false");
    app.must("unblock");
    std::thread::sleep(Duration::from_millis(300));
    app.must("enable true");
    let asked: u64 = app.tell("asked").parse().unwrap();
    until("it is watched again", || app.tell("asked").parse::<u64>().unwrap() > asked + 8);
    app.kill();
    next_launch(dir.path(), &server);
    assert_eq!(named(&server, "app.hang").len(), 0);
}

#[test]
fn a_process_that_was_stopped_has_not_hung() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let mut app = watched(dir.path(), &server);
    app.freeze();
    std::thread::sleep(Duration::from_millis(1_500));
    app.thaw();
    let asked: u64 = app.tell("asked").parse().unwrap();
    until("the watchdog has looked again", || app.tell("asked").parse::<u64>().unwrap() > asked + 3);
    app.kill();
    next_launch(dir.path(), &server);
    assert_eq!((survived(&server).len(), named(&server, "app.hang").len()), (0, 0));
}

#[test]
fn an_app_in_the_background_is_not_woken_and_has_no_hang() {
    let (dir, server) = (tempfile::tempdir().unwrap(), FaultServer::start().unwrap());
    let mut app = watched(dir.path(), &server);
    app.must("foreground false");
    let asked = |app: &mut App| app.tell("asked").parse::<u64>().unwrap();
    let before = asked(&mut app);
    app.must("block");
    std::thread::sleep(Duration::from_millis(1_500));
    // A look that had begun before may end.
    assert!(asked(&mut app) <= before + 1);
    app.must("unblock");
    app.must("foreground true");
    until("it is watched again", || asked(&mut app) > before + 2);
    app.kill();
    next_launch(dir.path(), &server);
    assert_eq!((survived(&server).len(), named(&server, "app.hang").len()), (0, 0));
}
