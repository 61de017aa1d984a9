//! Panics of Rust code: [`Telemetry::capture_panics`].
//!
//! The hook runs on the thread that panics, and that thread may hold any lock: one of the app's, or
//! one of ours if a call of ours panics. So nothing that takes a lock is done there. The hook notes
//! what happened and hands it to a thread of its own, for which it waits a tenth of a second at
//! most. A lock that is held makes the record late, and never a deadlock.
//!
//! A panic inside the hook would end the process, so what may panic is done on that thread, too.

use std::backtrace::Backtrace;
use std::cell::Cell;
use std::panic::{PanicHookInfo, set_hook, take_hook};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, Weak};
use std::thread;

use super::client::{Client, Telemetry};
use super::hook;
use crate::engine::lifecycle::LifecycleCell;
use crate::engine::recorder::is_own_thread;
use crate::model::event::{ErrorEvent, TraceContext};
use crate::model::limits::{
    MAX_PANIC_STACKS, MAX_PANICS_AT_ONCE, PANIC_PATIENCE, PANIC_STACK_PATIENCE, PANIC_STACKS_WITHIN,
};
use crate::model::names::{ERROR_REPEATS, semconv, words};
use crate::model::time::{Clock, nanos};
use crate::model::value::Attribute;
use crate::policy::trace::current_trace;
use crate::storage::journal::forked;

/// The clients that record panics.
static WATCHERS: Mutex<Vec<Watcher>> = Mutex::new(Vec::new());
/// The hook is installed once, and stays: one that was installed after it would be lost otherwise.
static INSTALLED: Once = Once::new();
/// Panics that are being recorded.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
/// Panics that were not recorded, because too many others were or no thread could be started.
static LEFT_OUT: AtomicU64 = AtomicU64::new(0);
/// Whether the program's symbols have begun to be read, and whether they are.
static SYMBOLS: (AtomicBool, AtomicBool) = (AtomicBool::new(false), AtomicBool::new(false));
/// Boot time at which the time began in which stacks are counted, and their number.
static STACKS: (AtomicU64, AtomicU64) = (AtomicU64::new(0), AtomicU64::new(0));

thread_local! {
    /// The thread records a panic: one of its own would begin another, and so on.
    static IS_RECORDING: Cell<bool> = const { Cell::new(false) };
    /// Panics of the thread that were noted.
    static NOTED: Cell<u64> = const { Cell::new(0) };
}

/// A client that records panics. Whether it is on can be asked without keeping it alive.
#[derive(Clone)]
struct Watcher {
    client: Weak<Client>,
    cell: Arc<LifecycleCell>,
    /// How many of the panics that were left out it knows of.
    knows: Arc<AtomicU64>,
}

/// How many panics of this thread were noted, so that who catches one can tell whether it was.
pub(super) fn noted() -> u64 {
    NOTED.get()
}

/// Whether a client records panics.
pub(super) fn is_watched_by(client: &Arc<Client>) -> bool {
    watchers().iter().any(|watcher| watcher.client.as_ptr() == Arc::as_ptr(client))
}

impl Watcher {
    fn of(client: &Arc<Client>) -> Self {
        let knows = Arc::new(AtomicU64::new(LEFT_OUT.load(Ordering::Relaxed)));
        Self { client: Arc::downgrade(client), cell: Arc::clone(client.lifecycle.cell()), knows }
    }

    /// How many panics were left out of which the client does not know. It is about to be told.
    fn take_left_out(&self) -> u64 {
        let all = LEFT_OUT.load(Ordering::Relaxed);
        all.saturating_sub(self.knows.fetch_max(all, Ordering::Relaxed))
    }

    /// The panic that was to tell it was not kept.
    fn give_back(&self, left_out: u64) {
        self.knows.fetch_sub(left_out, Ordering::Relaxed);
    }

    /// Records a panic, if the client is on.
    fn record(&self, telemetry: &Telemetry, error: &ErrorEvent<'_>, thread: Attribute<'_>) {
        let left_out = self.take_left_out();
        if left_out == 0 || telemetry.on().is_none() {
            telemetry.record_error(&error.attributes(&[thread]));
            return;
        }
        let left_out_too = (ERROR_REPEATS, i64::try_from(left_out).unwrap_or(i64::MAX).into());
        if telemetry.record_ours(&error.attributes(&[left_out_too, thread])).is_none() {
            self.give_back(left_out);
        }
    }
}

impl Telemetry {
    /// Records each panic of this process as a handled error: its message, where it was, the
    /// thread's name and a backtrace. Returns false if that is not possible, because the caller
    /// itself is panicking or the process was forked.
    ///
    /// A panic may be caught and may end the thread or the process; a hook cannot know. So it is
    /// an error of the lane for errors, and if the process dies of it, the crash is an event of its
    /// own. It is in the journal before its thread unwinds, which waits at most 0.1 s for that. A
    /// panic in the first moments has no frames: the program's symbols are read after this call, on
    /// a thread of its own.
    ///
    /// The hook that stands is called afterwards, as before. Call this once, after the app has set
    /// a hook of its own: one that is set later and does not call its predecessor hides panics from
    /// the client. Not recorded are panics of the client's own code, of what the host runs for it
    /// on its threads, and of an [`EventHook`](crate::EventHook), which `health().hook_panics`
    /// counts.
    ///
    /// ```
    /// use throughline::{Config, Consent, Telemetry};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let config = Config::builder("shop", dir.path()).build()?;
    /// let telemetry = Telemetry::start(config, Consent::Granted)?;
    /// assert!(telemetry.capture_panics());
    /// let caught = std::panic::catch_unwind(|| {
    ///     let prices: Vec<u32> = Vec::new();
    ///     prices[7] // recorded as the error `panic`
    /// });
    /// assert!(caught.is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn capture_panics(&self) -> bool {
        // Setting a hook while panicking is a panic, which would end the process.
        if thread::panicking() || forked() {
            return false;
        }
        if !is_watched_by(&self.client) {
            let mut watchers = watchers();
            watchers.retain(|watcher| watcher.client.strong_count() > 0);
            watchers.push(Watcher::of(&self.client));
        }
        INSTALLED.call_once(|| {
            let previous = take_hook();
            set_hook(Box::new(move |info| {
                // Before the previous hook, which may end the process.
                note(info);
                previous(info);
            }));
        });
        if self.on().is_some() {
            read_symbols();
        }
        true
    }
}

/// Reads the program's symbols ahead. With all debug information that takes longer than a thread
/// that panics may wait, and nobody can take a backtrace meanwhile.
fn read_symbols() {
    let (begun, done) = &SYMBOLS;
    if !begun.swap(true, Ordering::AcqRel) {
        spawn(|| {
            IS_RECORDING.set(true);
            let _ = Backtrace::force_capture().to_string();
            done.store(true, Ordering::Release);
        });
    }
}

fn watchers() -> MutexGuard<'static, Vec<Watcher>> {
    WATCHERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A panic, as the thread saw it.
struct Panicked {
    message: String,
    place: String,
    thread: Option<String>,
    trace: Option<TraceContext>,
    /// `None` when there were too many panics lately, or when symbols are not known yet.
    backtrace: Option<Backtrace>,
}

/// Counts a panic that is being recorded, until its last thread has ended.
struct Turn;

impl Turn {
    fn take() -> Option<Self> {
        let turn = Self;
        (UNDER_WAY.fetch_add(1, Ordering::AcqRel) < MAX_PANICS_AT_ONCE).then_some(turn)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        UNDER_WAY.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Notes a panic, on the thread that panics. Takes no lock of ours and calls nobody.
fn note(info: &PanicHookInfo<'_>) {
    let place = info.location();
    let is_ignored = forked() || is_own_thread() || hook::is_running() || IS_RECORDING.get();
    if is_ignored || place.is_some_and(|place| is_own_code(place.file())) || is_everybody_off() {
        return;
    }
    let Some(turn) = Turn::take() else {
        LEFT_OUT.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let panicked = Panicked {
        message: info.payload_as_str().unwrap_or_default().to_owned(),
        place: place.map(ToString::to_string).unwrap_or_default(),
        thread: thread::current().name().map(str::to_owned),
        trace: current_trace(),
        // Only the addresses are taken here. Their names are looked up on another thread.
        backtrace: may_take_stack().then(Backtrace::force_capture),
    };
    NOTED.set(NOTED.get().wrapping_add(1));
    hand_over(panicked, turn, || watchers().clone());
}

/// Whether no client is on. Nobody waits for the answer: it is "no" while another thread has the
/// list.
fn is_everybody_off() -> bool {
    WATCHERS.try_lock().is_ok_and(|watchers| !watchers.iter().any(|watcher| watcher.cell.is_on()))
}

/// Whether the backtrace is taken: when the symbols are known, and in a loop of panics only those
/// of the first ones.
fn may_take_stack() -> bool {
    if !SYMBOLS.1.load(Ordering::Acquire) {
        return false;
    }
    let (since, count) = &STACKS;
    let now = Clock::System.boot().0;
    if now.saturating_sub(since.load(Ordering::Relaxed)) >= nanos(PANIC_STACKS_WITHIN) {
        since.store(now, Ordering::Relaxed);
        count.store(0, Ordering::Relaxed);
    }
    count.fetch_add(1, Ordering::Relaxed) < MAX_PANIC_STACKS
}

/// Has a panic recorded by another thread, and waits for that as long as is right.
fn hand_over(panicked: Panicked, turn: Turn, clients: impl FnOnce() -> Vec<Watcher> + Send + 'static) {
    let (done, is_done) = sync_channel(1);
    let work = move || {
        IS_RECORDING.set(true);
        record(panicked, &Arc::new(turn), &clients());
        let _ = done.send(());
    };
    if spawn(work) {
        let _ = is_done.recv_timeout(PANIC_PATIENCE);
    } else {
        LEFT_OUT.fetch_add(1, Ordering::Relaxed);
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> bool {
    thread::Builder::new().name("throughline-panic".to_owned()).spawn(work).is_ok()
}

/// Records a panic for each client that wants it.
fn record(panicked: Panicked, turn: &Arc<Turn>, watchers: &[Watcher]) {
    let client = |watcher: &Watcher| watcher.client.upgrade().map(Telemetry::of);
    let clients: Vec<_> = watchers.iter().filter_map(|watcher| Some((watcher, client(watcher)?))).collect();
    if clients.iter().all(|(_, telemetry)| telemetry.on().is_none()) {
        return;
    }
    read_symbols();
    let frames = panicked.backtrace.and_then(|backtrace| frames_of(backtrace, turn)).unwrap_or_default();
    let stack = format!("panicked at {}{frames}", panicked.place);
    let mut error = ErrorEvent::new(words::ERROR_PANIC, &panicked.message).stack(&stack);
    error.common.trace = panicked.trace;
    let thread = panicked.thread.as_deref().unwrap_or_default();
    for (watcher, telemetry) in &clients {
        watcher.record(telemetry, &error, (semconv::THREAD_NAME, thread.into()));
    }
}

/// The frames of a backtrace, each on a line that begins with a newline. `None` when looking them
/// up takes too long.
fn frames_of(backtrace: Backtrace, turn: &Arc<Turn>) -> Option<String> {
    let (done, text) = sync_channel(1);
    let turn = Arc::clone(turn);
    let work = move || {
        IS_RECORDING.set(true);
        let _ = done.send(frames(&backtrace.to_string()));
        drop(turn);
    };
    spawn(work).then(|| text.recv_timeout(PANIC_STACK_PATIENCE).ok()).flatten()
}

/// The frames in the text of a backtrace, from the code that panicked on, each on one line. Empty
/// when none of them has a name, as in a program without symbols.
///
/// Rust marks the end and the beginning of the program's own frames by two functions that are never
/// inlined: what is within them is its machinery.
fn frames(text: &str) -> String {
    let mut found: Vec<(&str, &str)> = Vec::new();
    for line in text.lines().map(str::trim) {
        match (line.strip_prefix("at "), line.split_once(": ")) {
            (Some(place), _) => {
                if let Some(frame) = found.last_mut() {
                    frame.1 = place;
                }
            }
            (None, Some((_, name))) => found.push((name, "")),
            (None, None) => {}
        }
    }
    let marker = |name| found.iter().position(|frame| frame.0.contains(name));
    let begin = marker("__rust_end_short_backtrace").map_or(0, |at| at + 1);
    let end = marker("__rust_begin_short_backtrace").unwrap_or(found.len());
    let own = found.get(begin..end).unwrap_or_default();
    let own = own.get(own.iter().take_while(|(name, _)| is_machinery(name)).count()..).unwrap_or_default();
    if own.iter().all(|(name, _)| *name == "<unknown>") {
        return String::new();
    }
    let line = |(at, (name, place)): (usize, &(&str, &str))| match place.is_empty() {
        true => format!("\n{at}: {name}"),
        false => format!("\n{at}: {name} at {place}"),
    };
    own.iter().enumerate().map(line).collect()
}

/// Whether a function belongs to how Rust begins a panic.
fn is_machinery(name: &str) -> bool {
    ["rust_begin_unwind", "std::panicking::", "core::panicking::", "panic_any"].iter().any(|part| name.contains(part))
}

/// Whether a file is of this crate. A path that is relative, as in this repository, proves that
/// only by the folder of one of the crate's floors.
fn is_own_code(file: &str) -> bool {
    const FLOORS: [&str; 6] = ["model/", "policy/", "storage/", "wire/", "engine/", "api/"];
    let own = file!().strip_suffix("api/panics.rs").and_then(|sources| file.strip_prefix(sources));
    own.is_some_and(|path| FLOORS.iter().any(|floor| path.starts_with(floor)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::config::{Config, Consent};

    fn panicked() -> Panicked {
        let (message, place) = ("within our own lock".to_owned(), "host.rs:1:1".to_owned());
        Panicked { message, place, thread: None, trace: None, backtrace: Some(Backtrace::force_capture()) }
    }

    #[test]
    fn a_panic_while_our_own_lock_is_held_does_not_wait_for_that_lock() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::builder("shop", dir.path()).build().unwrap();
        let telemetry = Telemetry::start(config, Consent::Granted).unwrap();
        let shared = telemetry.on().unwrap();
        telemetry.tap("pay"); // An event looks at the action that is collecting, under this lock.
        let client = Watcher::of(&telemetry.client);
        let errors = || shared.recorder().journal().counters().appended[1];
        let before = errors();
        shared.scopes.contexts(|_| {
            let clients = vec![client];
            hand_over(panicked(), Turn::take().unwrap(), move || clients);
        });
        // The thread came back although the lock was held, and the record follows.
        while errors() == before {
            std::thread::yield_now();
        }
    }

    #[test]
    fn each_client_is_told_what_was_left_out_since_it_asked_and_no_other_takes_it_away() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::builder("shop", dir.path()).enabled(false).build().unwrap();
        let telemetry = Telemetry::start(config, Consent::Granted).unwrap();
        let first = Watcher::of(&telemetry.client);
        LEFT_OUT.fetch_add(3, Ordering::Relaxed);
        let second = Watcher::of(&telemetry.client);
        LEFT_OUT.fetch_add(2, Ordering::Relaxed);
        assert_eq!((first.take_left_out(), second.take_left_out()), (5, 2));
        assert_eq!((first.take_left_out(), second.take_left_out()), (0, 0));
        first.give_back(5);
        assert_eq!(first.take_left_out(), 5);
    }

    #[test]
    fn a_panic_that_nobody_wants_costs_no_thread() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::builder("shop", dir.path()).enabled(false).build().unwrap();
        let off = Telemetry::start(config, Consent::Granted).unwrap();
        assert!(off.capture_panics());
        // This is a panic of the standard library's. One of this file would be our own.
        let panic = || std::panic::catch_unwind(|| "ab".repeat(std::hint::black_box(usize::MAX))).unwrap_err();
        panic();
        assert_eq!(noted(), 0);
        off.set_enabled(true).unwrap();
        panic();
        assert_eq!(noted(), 1);
    }

    #[test]
    fn a_panic_of_our_own_code_is_not_the_apps() {
        assert!(is_own_code(file!()));
        assert!(is_own_code("src/engine/scopes/mod.rs"));
        for other in
            ["src/main.rs", "src/checkout/api.rs", "/home/anna/shop/src/engine/mod.rs", "tests/it/panics.rs", ""]
        {
            assert!(!is_own_code(other), "{other}");
        }
    }

    #[test]
    fn the_frames_begin_where_the_app_panicked() {
        let text = "   0: call_once<fn() -> std::backtrace::Backtrace, ()>
             at /rustc/1/library/core/src/ops/function.rs:250:5
   1: {closure#0}
   2: std::panicking::panic_with_hook
   3: std::panicking::panic_handler::{closure#0}
   4: std::sys::backtrace::__rust_end_short_backtrace::<std::panicking::panic_handler::{closure#0}, !>
   5: __rustc::rust_begin_unwind
   6: core::panicking::panic_fmt
             at /rustc/1/library/core/src/panicking.rs:80:14
   7: shop::pay
             at ./src/pay.rs:10:5
   8: std::panicking::catch_unwind
   9: __rust_begin_short_backtrace<fn(), ()>
  10: main
";
        assert_eq!(frames(text), "\n0: shop::pay at ./src/pay.rs:10:5\n1: std::panicking::catch_unwind");
        let any = "0: std::sys::backtrace::__rust_end_short_backtrace\n1: std::panicking::begin_panic\n\
                   2: panic_any<i32>\n3: main";
        assert_eq!(frames(any), "\n0: main");
        assert_eq!(frames("   0: <unknown>\n   1: <unknown>\n"), "");
        assert_eq!(frames(""), "");
        assert_eq!(frames("disabled backtrace"), "");
    }
}
