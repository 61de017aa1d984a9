//! A process that crashes. It starts the real client, says on standard output what it is about to
//! do, and dies.
#![allow(clippy::print_stdout, reason = "a harness reads it")]

mod allocator;
mod chains;
mod kinds;

use std::ffi::c_void;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use clap::{Parser, ValueEnum};
use throughline::event::Action;
use throughline::{Config, Consent, Telemetry};
use throughline_crash_writer::faults;

use chains::Chain;
use kinds::Kind;

#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

/// Where the crash happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Place {
    /// On the main thread.
    Main,
    /// On a thread of Rust's.
    Thread,
    /// On a thread of C's that has 16 KiB of stack and no alternate stack.
    Small,
    /// In the allocator, which holds its lock.
    Allocator,
    /// In the client, which holds the lock of its journal.
    Journal,
}

#[derive(Parser)]
struct Options {
    /// The data directory.
    #[arg(long)]
    dir: PathBuf,
    #[arg(long, value_enum)]
    kind: Kind,
    #[arg(long, value_enum, default_value = "main")]
    place: Place,
    #[arg(long, value_enum, default_value = "none")]
    chain: Chain,
    /// Do not capture crashes: what the process does without us.
    #[arg(long)]
    bare: bool,
    /// How many threads crash at the same time.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Behind which stages the handler crashes itself, a bit for each.
    #[arg(long, default_value_t = 0)]
    crash_behind: u32,
    /// How often it does.
    #[arg(long, default_value_t = 0)]
    nested: u32,
}

static KIND: OnceLock<Kind> = OnceLock::new();

/// Crashes in the way that was asked for.
#[inline(never)]
fn provoke() {
    kinds::crash(*KIND.get().unwrap_or(&Kind::NullWrite));
    black_box(());
}

fn main() -> Result<()> {
    let options = Options::parse();
    // No core dump: it would take most of the time.
    // SAFETY: the limit is only read.
    unsafe {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
    }
    if options.nested > 0 || options.chain == Chain::Info {
        roomy_stack();
    }
    let _ = KIND.set(options.kind);
    chains::install(options.chain);
    let config =
        Config::builder("crashme", &options.dir).service_version("7.1").capture_crashes(!options.bare).build()?;
    let telemetry = Telemetry::start(config, Consent::Granted)?;
    wait_until_ready(&telemetry, !options.bare)?;
    chains::install_again(options.chain);
    telemetry.start_view("Checkout");
    let Some(id) = telemetry.record_action(&Action::tap("pay")) else { bail!("the tap was not recorded") };
    faults::crash_behind(options.crash_behind, options.nested);
    let operation = telemetry.start_operation("Pay");
    let Some(context) = operation.context() else { bail!("the operation was not kept") };
    println!("trace {:032x}", u128::from_be_bytes(context.trace.trace_id));
    println!("view Checkout, action {id}");
    match options.place {
        Place::Main => first(),
        Place::Thread => together(options.threads),
        Place::Small => small_thread()?,
        Place::Allocator => {
            allocator::crash_next();
            black_box(Vec::<u8>::with_capacity(black_box(100)));
        }
        Place::Journal => {
            throughline::internals::kill_point::act_at("journal_payload_written", provoke);
            telemetry.record_action(&Action::tap("again"));
        }
    }
    // What is ignored is not followed by death.
    println!("survived");
    telemetry.shutdown(Duration::from_secs(5));
    Ok(())
}

/// Gives the main thread an alternate stack on which several handlers find room. That of Rust's
/// standard library has 8 KiB, of which each signal takes up to 3.5.
fn roomy_stack() {
    let memory = Box::leak(vec![chains::PAINT; chains::ROOM].into_boxed_slice());
    chains::STACK.store(memory.as_ptr() as usize, std::sync::atomic::Ordering::SeqCst);
    let stack = libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: memory.len() };
    // SAFETY: the memory is never freed.
    unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) };
}

fn wait_until_ready(telemetry: &Telemetry, captures: bool) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let health = telemetry.health();
        let is_mapped = health.journal == Some(throughline::health::JournalMode::Mapped);
        if is_mapped && health.captures_crashes == captures {
            return Ok(());
        }
        ensure!(Instant::now() < until, "the client did not start: {health:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn together(threads: usize) {
    let barrier = std::sync::Barrier::new(threads);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                barrier.wait();
                first();
            });
        }
    });
}

#[inline(never)]
fn first() {
    second();
    black_box(());
}

#[inline(never)]
fn second() {
    third();
    black_box(());
}

#[inline(never)]
fn third() {
    provoke();
    black_box(());
}

extern "C" fn on_small_stack(_: *mut c_void) -> *mut c_void {
    first();
    std::ptr::null_mut()
}

fn small_thread() -> Result<()> {
    // SAFETY: as the manual pages ask for.
    unsafe {
        let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
        libc::pthread_attr_init(&raw mut attributes);
        ensure!(libc::pthread_attr_setstacksize(&raw mut attributes, 16 * 1024) == 0, "the stack's size");
        let mut thread: libc::pthread_t = std::mem::zeroed();
        let made = libc::pthread_create(&raw mut thread, &raw const attributes, on_small_stack, std::ptr::null_mut());
        ensure!(made == 0, "the thread");
        libc::pthread_join(thread, std::ptr::null_mut());
    }
    Ok(())
}
