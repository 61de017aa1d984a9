//! A real process with a client of its own, which does what a test tells it through a pipe.
//!
//! The process is this test binary, in which the test [`an_app_that_is_told_what_to_do`] runs
//! alone. Without orders that test passes and does nothing.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::Ordering;

use throughline::event::{Action, ErrorEvent, Lane};
use throughline::internals::journal::owner::WITHOUT_LOCK;
use throughline::internals::kill_point::{act_at, panic_at};
use throughline::ledger::DropReason;
use throughline::{Consent, Telemetry};
use uuid::Uuid;

use crate::support::{LONG, start, until};
use crate::watchdog;

const DIR: &str = "THROUGHLINE_REMOTE_DIR";
const ENDPOINT: &str = "THROUGHLINE_REMOTE_ENDPOINT";
const NO_LOCK: &str = "THROUGHLINE_REMOTE_NO_LOCK";
/// What an answer begins with: the test harness writes lines of its own.
const ANSWER: &str = "answer: ";

/// How a process says that it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// By a lock.
    Lock,
    /// By its number, as on iOS.
    Number,
}

/// A process that is told what to do. It is killed when it is dropped.
pub struct App {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl App {
    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Starts a process whose client has this data directory.
    pub fn start(dir: &Path, endpoint: &str, sign: Sign) -> Self {
        Self::start_program(&std::env::current_exe().unwrap(), dir, endpoint, sign)
    }

    /// As [`App::start`], by a program with this path, which is this one under another name. Its
    /// first thread does what it is told.
    pub fn start_program(program: &Path, dir: &Path, endpoint: &str, sign: Sign) -> Self {
        let mut command = Command::new(program);
        command.args(["remote::an_app_that_is_told_what_to_do", "--exact", "--nocapture", "--test-threads=1"]);
        command.env(DIR, dir).env(ENDPOINT, endpoint).stdin(Stdio::piped()).stdout(Stdio::piped());
        // Panics that a test asks for are no news.
        command.stderr(Stdio::null());
        if sign == Sign::Number {
            command.env(NO_LOCK, "1");
        }
        let mut child = command.spawn().unwrap();
        let (orders, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut app = Self { child, orders, answers };
        app.tell("drain");
        app
    }

    /// Tells the process to do something, and waits for its answer.
    pub fn tell(&mut self, order: &str) -> String {
        writeln!(self.orders, "{order}").unwrap();
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.answers.read_line(&mut line).unwrap() > 0, "the process died at `{order}`");
            // The harness writes the name of the test without an end of line.
            if let Some((_, answer)) = line.split_once(ANSWER) {
                return answer.trim_end().to_owned();
            }
        }
    }

    /// Tells the process to do something that must succeed.
    pub fn must(&mut self, order: &str) {
        assert_eq!(self.tell(order), "true", "{order}");
    }

    /// Has the process record something. Returns the event's id.
    pub fn record(&mut self, order: &str) -> Uuid {
        self.tell(order).parse().unwrap()
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Stops the process, as a system does that suspends an app.
    pub fn freeze(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    /// Lets it crash by SIGABRT, once it captures crashes.
    pub fn crash(&mut self) {
        self.die_by(6);
    }

    /// Lets it crash by a signal, once it captures crashes.
    pub fn die_by(&mut self, signal: i32) {
        writeln!(self.orders, "raise {signal}").unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(signal), "{status:?}");
    }

    /// Lets the client's own thread crash by SIGABRT, once crashes are captured.
    pub fn die_in_our_code(&mut self) {
        writeln!(self.orders, "abort").unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(6), "{status:?}");
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_app_that_is_told_what_to_do() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    WITHOUT_LOCK.store(std::env::var_os(NO_LOCK).is_some(), Ordering::SeqCst);
    let telemetry = start(Path::new(&dir), &std::env::var(ENDPOINT).unwrap());
    for order in std::io::stdin().lines() {
        let order = order.unwrap();
        let (verb, rest) = order.split_once(' ').unwrap_or((&order, ""));
        println!("{ANSWER}{}", obey(&telemetry, verb, rest));
    }
}

fn obey(telemetry: &Telemetry, verb: &str, rest: &str) -> String {
    if let Some(answer) = watchdog::obey(telemetry, verb, rest) {
        return answer;
    }
    let id = |id: Option<Uuid>| id.map_or_else(|| "none".to_owned(), |id| id.to_string());
    match verb {
        "tap" => id(telemetry.record_action(&Action::tap(rest))),
        "crash" => id(telemetry.record_error(&ErrorEvent::crash(rest, "in the background", "main"))),
        "view" => id(telemetry.start_view(rest)),
        "close" => {
            telemetry.stop_view();
            true.to_string()
        }
        "drain" => telemetry.drain(LONG).to_string(),
        "suspend" => telemetry.suspend(LONG).to_string(),
        "resume" => telemetry.resume(LONG).to_string(),
        "flush" => telemetry.flush(LONG).complete.to_string(),
        "erase" => telemetry.erase(LONG).to_string(),
        "deny" => telemetry.set_consent(Consent::Denied).is_ok().to_string(),
        "grant" => telemetry.set_consent(Consent::Granted).is_ok().to_string(),
        "push" => id(telemetry.push_view(rest)),
        "session" => telemetry.session_id().unwrap().to_string(),
        "renew" => {
            telemetry.renew_session();
            String::new()
        }
        "storage" => format!("{:?}", telemetry.health().storage),
        "hints" => telemetry.health().hints.join("; "),
        "summary" => telemetry.run_summary().iter().map(|byte| format!("{byte:02x}")).collect(),
        "captures" => telemetry.health().captures_crashes.to_string(),
        "enabled" => telemetry.health().enabled.to_string(),
        "reason" => telemetry.flush(LONG).reason.unwrap_or_default(),
        "dropped" => {
            let books = telemetry.books(LONG).unwrap().remove(0);
            assert!(books.balanced(), "{books:?}");
            // A session's start that another process was before it in is no loss.
            (books.dropped.total() - books.dropped.of(DropReason::Withdrawn)).to_string()
        }
        "raise" => {
            until("crashes are captured", || telemetry.health().captures_crashes);
            let signal = rustix::process::Signal::from_named_raw(rest.parse().unwrap()).unwrap();
            rustix::process::kill_process(rustix::process::getpid(), signal).unwrap();
            unreachable!("the process lives after signal {rest}")
        }
        "hold" => {
            act_at("before_commit", || std::thread::sleep(LONG * 20));
            true.to_string()
        }
        "abort" => {
            until("crashes are captured", || telemetry.health().captures_crashes);
            act_at("before_commit", || std::process::abort());
            telemetry.record_action(&Action::tap("fatal"));
            telemetry.drain(LONG);
            unreachable!("the process lives although its worker aborted")
        }
        "die" => {
            // The worker gives up after its third panic. Each needs something to commit.
            let before = telemetry.health().panics;
            for panics in before + 1..=before + rest.parse::<u64>().unwrap() {
                panic_at("before_commit");
                until("the worker panics", || {
                    telemetry.record_action(&Action::tap("fatal"));
                    telemetry.health().panics == panics
                });
            }
            true.to_string()
        }
        "shutdown" => telemetry.shutdown(LONG).to_string(),
        // Events that are held open count as rows.
        "open" => {
            telemetry.drain(LONG);
            telemetry.health().lane(Lane::Crash).rows.to_string()
        }
        other => panic!("`{other}` is no order"),
    }
}
