//! The watchdog's decision with real clocks, a real scheduler and a process that is really stopped.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use throughline::internals::hangs::{Hangs, Look, Step, Watch};
use throughline::time::{BootTime, Clock};

/// What the child writes in front of its own lines: the test harness writes to the same pipe.
const SAYS: &str = "hangs: ";

fn say(what: &str) {
    std::io::stdout().write_all(format!("{SAYS}{what}\n").as_bytes()).unwrap();
}

/// What the main thread is given: for how long it blocks, and who is told by the end of it.
type Task = (Duration, Option<Sender<()>>);

/// The child: a main thread that works off its queue, and a watchdog that gives it empty tasks. It
/// is told what to do on its standard input, and says how long the hangs were.
fn obey() {
    let (beat, is_over) = (AtomicU64::new(Clock::System.boot().0), AtomicBool::new(false));
    let (queue, tasks) = channel::<Task>();
    std::thread::scope(|scope| {
        let main = scope.spawn(|| {
            for (block, done) in tasks {
                std::thread::sleep(block);
                beat.store(Clock::System.boot().0, Ordering::Release);
                drop(done);
            }
        });
        let watchdog = queue.clone();
        scope.spawn(|| watch(watchdog, &beat, &is_over));
        say("ready");
        for line in std::io::stdin().lock().lines() {
            let line = line.unwrap();
            let (what, ms) = line.split_once(' ').unwrap();
            let time = Duration::from_millis(ms.parse().unwrap());
            match what {
                "block" => queue.send((time, None)).unwrap(),
                "spin" => std::thread::scope(|scope| {
                    for _ in 0..8 {
                        scope.spawn(|| {
                            let begun = Instant::now();
                            while begun.elapsed() < time {
                                std::hint::spin_loop();
                            }
                        });
                    }
                }),
                _ => std::thread::sleep(time),
            }
            say("done");
        }
        // What was asked for before is done first.
        let (done, is_done) = channel();
        queue.send((Duration::ZERO, Some(done))).unwrap();
        drop(queue);
        is_done.recv().unwrap_err();
        is_over.store(true, Ordering::Release);
        main.join().unwrap();
    });
}

/// The watchdog. It says what it has seen when it is over and the main thread lives.
fn watch(queue: Sender<Task>, beat: &AtomicU64, is_over: &AtomicBool) {
    let (mut hangs, watch, started) = (Hangs::new(Watch::default()), Watch::default(), Instant::now());
    let (_never, wait) = channel::<()>();
    let (mut ended, mut is_hung, mut planned) = (Vec::new(), false, Duration::ZERO);
    loop {
        planned = planned.max(started.elapsed()) + watch.period;
        assert_eq!(wait.recv_timeout(planned.saturating_sub(started.elapsed())), Err(RecvTimeoutError::Timeout));
        let mono = started.elapsed();
        let (boot, beat) = (Clock::System.boot(), BootTime(beat.load(Ordering::Acquire)));
        let late_by = mono.saturating_sub(planned);
        let look = Look { mono: mono.as_nanos() as u64, boot, beat, late_by, is_foreground: true };
        match hangs.observe(look) {
            Step::Begin { .. } => is_hung = true,
            Step::End { duration, .. } => {
                is_hung = false;
                ended.push(duration.as_millis());
            }
            Step::Quiet | Step::Sample | Step::Suspended | Step::Starved => {}
        }
        if is_over.load(Ordering::Acquire) && !is_hung {
            break say(&format!("{ended:?}"));
        }
        let _ = queue.send((Duration::ZERO, None));
    }
}

struct Watched {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<std::process::ChildStdout>,
}

impl Watched {
    fn start(name: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args([&format!("hangs::{name}"), "--exact", "--nocapture"]).env("THROUGHLINE_HANGS", "1");
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut watched = Self { child, input, output };
        watched.read();
        watched
    }

    /// The next line that the child says.
    fn read(&mut self) -> String {
        let mut line = String::new();
        while !line.contains(SAYS) {
            line.clear();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the child has died");
        }
        line.split_once(SAYS).unwrap().1.trim().to_owned()
    }

    fn say(&mut self, what: &str, ms: u64) {
        writeln!(self.input.as_ref().unwrap(), "{what} {ms}").unwrap();
        self.read();
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// How long the hangs were, in milliseconds.
    fn hangs(mut self) -> Vec<u64> {
        // Its input ends, and so does what it does.
        self.input = None;
        let line = self.read();
        assert!(self.child.wait().unwrap().success());
        let list = line.trim_matches(['[', ']']);
        list.split(", ").filter(|text| !text.is_empty()).map(|text| text.parse().unwrap()).collect()
    }
}

fn is_child() -> bool {
    let is_child = std::env::var_os("THROUGHLINE_HANGS").is_some();
    if is_child {
        obey();
    }
    is_child
}

#[test]
fn a_process_that_is_really_stopped_has_not_hung() {
    if is_child() {
        return;
    }
    let mut watched = Watched::start("a_process_that_is_really_stopped_has_not_hung");
    for ms in [100, 700, 2_500] {
        watched.signal("-STOP");
        std::thread::sleep(Duration::from_millis(ms));
        watched.signal("-CONT");
        watched.say("sleep", 250);
    }
    assert_eq!(watched.hangs(), Vec::<u64>::new());
}

#[test]
fn a_main_thread_beside_eight_that_spin_has_not_hung() {
    if is_child() {
        return;
    }
    let mut watched = Watched::start("a_main_thread_beside_eight_that_spin_has_not_hung");
    watched.say("spin", 3_000);
    assert_eq!(watched.hangs(), Vec::<u64>::new());
}

#[test]
fn a_main_thread_that_is_really_blocked_has_hung_once() {
    if is_child() {
        return;
    }
    let mut watched = Watched::start("a_main_thread_that_is_really_blocked_has_hung_once");
    watched.say("block", 3_000);
    let hangs = watched.hangs();
    assert!(hangs.len() == 1 && (2_700..=3_300).contains(&hangs[0]), "{hangs:?}");
}
