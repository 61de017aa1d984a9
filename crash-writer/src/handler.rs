//! The signal handler.
//!
//! What it does with a signal. "Ask" means: call the handler that was there before ours
//! with the same arguments and the mask that it would have had. "End" means: set the system's own
//! action and let the signal come again, so that the process dies of it as if we were not there.
//!
//! - Nobody writes a slot: take slot 0 and write it; then ask, or end if nobody is to be asked.
//! - This thread writes one, from below:
//!   - it is being written: our handler has crashed. Write the registers into the last slot, once;
//!     confirm what is written, and ask or end for the *first* signal;
//!   - it is provisional, or was until it had lasted too long: the handler before has crashed, or
//!     aborts. Complete the slot and confirm it, ask or end. If it recovers, the slot is as it was;
//!   - it is confirmed: end.
//! - Another thread writes one:
//!   - it is being written, or confirmed: write a small slot, wait at most 2 s for the end of the
//!     process, then ask or end;
//!   - it is provisional: write a small slot, then ask or end.
//!
//! A fault of a kind from which the handler before has recovered is written in brief, waits for
//! nobody, and is completed as soon as it turns out to be a crash.
//!
//! "From below" means that the writer's frame is still on the stack: a thread that has left the
//! handler with `longjmp` begins anew.
//!
//! It must never allocate, take a lock, call into a library, or panic.

use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::actions::{self, Previous};
use crate::entered::{FRAMES, PASSING, first_signal, is_called_back};
use crate::layout::{SLOT_AT, slot};
use crate::memory::Memory;
use crate::signal::Signal;
use crate::sys;
use crate::words::{Stage, Verdict, flags};
use crate::write::{self, Writer};

#[cfg(target_vendor = "apple")]
mod exceptions;
#[cfg(target_vendor = "apple")]
pub(crate) use exceptions::{begin_other, is_owner, with_file};

/// The file that is written; null when there is none.
static FILE: AtomicPtr<u8> = AtomicPtr::new(core::ptr::null_mut());
/// How many handlers are running.
static RUNNING: AtomicU32 = AtomicU32::new(0);
/// How many crashes have been written.
static ORDER: AtomicU32 = AtomicU32::new(0);
/// What repairs an address of a mapping of ours, of the type [`Repair`]; 0 when there is none.
static REPAIR: AtomicUsize = AtomicUsize::new(0);
/// The process whose file it is. A forked child has the mapping too, and must not write there.
static OWNER: AtomicU32 = AtomicU32::new(0);
/// Whether a crash of the handler itself is being written.
static WRITES_OWN: AtomicU32 = AtomicU32::new(0);

/// Makes an address valid again that lies in a mapping of the host's and has lost its page. True if
/// it has. It is called in the signal handler, and must keep to the same rules.
pub type Repair = fn(address: usize) -> bool;

/// The last fault of which the handler before came back without having changed anything.
static RETURNED: Fault = Fault {
    thread: AtomicU32::new(0),
    pc: AtomicU64::new(0),
    sp: AtomicU64::new(0),
    address: AtomicU64::new(0),
    at: AtomicU64::new(0),
};

struct Fault {
    thread: AtomicU32,
    pc: AtomicU64,
    sp: AtomicU64,
    address: AtomicU64,
    at: AtomicU64,
}

/// How far below the writer's frame a handler of the same stack can be, in bytes.
const REACH: usize = 1 << 20;
/// How long after a return the same fault confirms the first one, in ns.
const AGAIN: u64 = 1_000_000;
/// How long a thread waits for the process to end of another thread's crash, in naps of 1 ms.
const WAIT: u32 = 2000;
/// How long a confirmed crash keeps others out of its slot, in ns. The process is dead by then, or
/// it does not die of it.
const HOLD: u64 = 2_000_000_000;

/// Sets the file that crashes are written to. Null: none is.
pub(crate) fn set_file(base: *mut u8) {
    OWNER.store(sys::process(), Ordering::Release);
    FILE.store(base, Ordering::SeqCst);
}

/// The boot time, in ns.
pub(crate) fn now() -> u64 {
    sys::clock(sys::BOOT_TIME)
}

/// Takes back what was written of faults that the process has survived: the handler before ours has
/// left with `longjmp`, or the app ignores the signal. A provisional slot older than this, in ns of
/// boot time, is none of a crash: handlers that write reports of their own take seconds.
///
/// Not for the handler. It is called now and then while the process lives.
/// `now` is the boot time.
pub(crate) fn expire(memory: Memory, now: u64) {
    const SURVIVED: u64 = 30_000_000_000;
    const IGNORED: u64 = 1_000_000_000;
    for at in SLOT_AT {
        let ignored = memory.half(at.wrapping_add(slot::FLAGS)).load(Ordering::Acquire) & flags::IGNORED != 0;
        let limit = if ignored { IGNORED } else { SURVIVED };
        let verdict_at = memory.half(at.wrapping_add(slot::VERDICT));
        if verdict(memory, at) == Verdict::Provisional && now.wrapping_sub(written_at(memory, at)) > limit {
            // Only if no handler has begun to write it anew meanwhile.
            let _ = verdict_at.compare_exchange(
                Verdict::Provisional as u32,
                Verdict::Survived as u32,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
        }
    }
}

/// The file that crashes are written to.
pub(crate) fn file() -> *mut u8 {
    FILE.load(Ordering::Acquire)
}

/// Whether a handler is running, in whichever thread.
pub(crate) fn is_running() -> bool {
    RUNNING.load(Ordering::SeqCst) != 0
}

/// Sets what repairs the host's mappings.
pub(crate) fn set_repair(repair: Repair) {
    REPAIR.store(repair as usize, Ordering::Release);
}

/// The handler of all signals.
///
/// # Safety
/// Called by the kernel, or by a handler that was installed later, with the kernel's arguments.
pub unsafe extern "C" fn handler(number: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    if actions::was_registered_without_info(number) {
        // Somebody has put us back with `signal`. The arguments are not there; with the right
        // flags the fault comes again.
        return;
    }
    // Sequentially consistent, as is what `set_file` stores: who takes the file away must see that
    // a handler runs, or the handler that there is no file.
    RUNNING.fetch_add(1, Ordering::SeqCst);
    #[cfg(feature = "testing")]
    crate::faults::entered();
    handle(Signal { number, info, context });
    #[cfg(feature = "testing")]
    crate::faults::left();
    RUNNING.fetch_sub(1, Ordering::AcqRel);
}

fn handle(signal: Signal) {
    if signal.number == libc::SIGBUS && repair(signal.address() as usize) {
        return;
    }
    let previous = actions::previous(signal.number);
    let here = core::hint::black_box(0u64);
    let thread = sys::thread();
    if is_called_back(signal, thread, &raw const here as usize) {
        return end(signal);
    }
    let file = FILE.load(Ordering::SeqCst);
    if file.is_null() || OWNER.load(Ordering::Acquire) != sys::process() {
        return pass_by(signal, previous, thread);
    }
    // SAFETY: the file stays mapped while a handler is running.
    let memory = unsafe { Memory::new(file) };
    let is_ignored = previous.is_ignored() && signal.is_sent();
    // `abort` ends a process whose SIGABRT is ignored; every other signal is just ignored.
    if is_ignored && signal.number != libc::SIGABRT {
        return;
    }
    #[cfg(target_vendor = "apple")]
    if let Some(at) = exceptions::merged(memory, thread) {
        flag(memory, at, flags::MERGED);
        judge(memory, at, Verdict::Confirmed);
        return pass_on(signal, previous);
    }
    let sp = signal.context().core().sp as usize;
    if let Some((index, at)) = interrupted(memory, thread, sp, &raw const here as usize) {
        return meet_own(memory, index, at, signal, previous);
    }
    let is_usual = previous.function().is_some() && write::is_usual(memory, signal);
    let Some((index, at)) = take(memory, thread) else {
        if !is_usual {
            wait(memory);
        }
        return pass_on(signal, previous);
    };
    record(memory, index, at, signal, previous, Kind { is_ignored, is_usual, thread });
}

/// Passes a signal on that is not to be written.
#[inline(never)]
fn pass_by(signal: Signal, previous: Previous, thread: u32) {
    let mark = core::hint::black_box(0u64);
    PASSING.enter(&raw const mark, 0, signal, thread);
    pass_on(signal, previous);
    core::hint::black_box(&raw const mark);
    PASSING.leave();
}

/// Whether a SIGBUS concerns a mapping of the host's, which has repaired it.
pub(crate) fn repair(address: usize) -> bool {
    let repair = REPAIR.load(Ordering::Acquire);
    if repair == 0 || address == 0 {
        return false;
    }
    // SAFETY: only `set_repair` stores there, a function of this type.
    let repair: Repair = unsafe { core::mem::transmute(repair) };
    repair(address)
}

/// The slot that this thread was writing when it was interrupted.
fn interrupted(memory: Memory, thread: u32, sp: usize, here: usize) -> Option<(usize, usize)> {
    let mut index = 0;
    while let (Some(at), Some(frame)) = (SLOT_AT.get(index), FRAMES.get(index)) {
        if memory.half(at.wrapping_add(slot::OWNER)).load(Ordering::Acquire) == thread {
            let token_at = frame.at.load(Ordering::Acquire);
            // On an alternate stack, a handler that begins anew begins where the writer did, and
            // what that one left there may still stand.
            let is_deeper = here < token_at;
            let is_below = is_deeper && sp < token_at && token_at.wrapping_sub(sp) < REACH && token_at & 7 == 0;
            // SAFETY: the address is on the stack of this thread, above a frame that is in use.
            if is_below && unsafe { (token_at as *const u64).read_volatile() } == frame.token.load(Ordering::Acquire) {
                return Some((index, *at));
            }
            // The writer's frame is gone: it was left with `longjmp`.
            memory.half(at.wrapping_add(slot::OWNER)).store(0, Ordering::Release);
        }
        index = index.wrapping_add(1);
    }
    None
}

/// Takes a slot for a thread: the large one, else a small one. The last is kept for our own crash.
fn take(memory: Memory, thread: u32) -> Option<(usize, usize)> {
    let mut index = 0;
    while let Some(at) = SLOT_AT.get(index).filter(|_| index < SLOT_AT.len().wrapping_sub(1)) {
        let owner = memory.half(at.wrapping_add(slot::OWNER));
        let is_held = verdict(memory, *at) == Verdict::Confirmed && is_recent(memory, *at);
        // A thread that left the handler of somebody else and ended does not come back for it.
        let holder = owner.load(Ordering::Acquire);
        if !is_held && holder != 0 && !sys::has_thread(holder) {
            let _ = owner.compare_exchange(holder, 0, Ordering::AcqRel, Ordering::Acquire);
        }
        if !is_held && owner.compare_exchange(0, thread, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            // Its owner may have confirmed a crash since, and left it.
            if verdict(memory, *at) != Verdict::Confirmed || !is_recent(memory, *at) {
                return Some((index, *at));
            }
            release(memory, *at);
        }
        index = index.wrapping_add(1);
    }
    None
}

fn is_recent(memory: Memory, at: usize) -> bool {
    sys::clock(sys::BOOT_TIME).wrapping_sub(written_at(memory, at)) < HOLD
}

/// When a slot was written, boot time in ns.
fn written_at(memory: Memory, at: usize) -> u64 {
    let words = at.wrapping_add(slot::REGISTERS).wrapping_add(8);
    memory.word(words.wrapping_add(crate::words::word::BOOT.wrapping_mul(8)))
}

pub(crate) fn verdict(memory: Memory, at: usize) -> Verdict {
    Verdict::from_code(memory.half(at.wrapping_add(slot::VERDICT)).load(Ordering::Acquire))
}

pub(crate) fn judge(memory: Memory, at: usize, verdict: Verdict) {
    memory.publish(at.wrapping_add(slot::VERDICT), verdict as u32);
}

fn release(memory: Memory, at: usize) {
    memory.half(at.wrapping_add(slot::OWNER)).store(0, Ordering::Release);
}

pub(crate) fn flag(memory: Memory, at: usize, bit: u32) {
    memory.half(at.wrapping_add(slot::FLAGS)).fetch_or(bit, Ordering::AcqRel);
}

/// What is known of a signal before it is written.
#[derive(Clone, Copy)]
struct Kind {
    /// The app ignores it.
    is_ignored: bool,
    /// See [`write::is_usual`].
    is_usual: bool,
    thread: u32,
}

/// Writes a slot and decides what it is worth.
#[inline(never)]
fn record(memory: Memory, index: usize, at: usize, signal: Signal, previous: Previous, kind: Kind) {
    let Kind { is_ignored, is_usual, thread } = kind;
    let started = sys::clock(sys::AWAKE_TIME);
    let before = signal.context().core();
    let again = previous.function().is_some() && is_again(signal, before.pc, before.sp, thread, started);
    let is_brief = is_usual && !again;
    // What a further signal on this thread looks for. It stays on the stack until we return.
    let token = started.rotate_left(20) ^ 0x7468_726f_7567_686c;
    let mark = core::hint::black_box(token);
    let mark_at = &raw const mark;
    memory.put_half(at.wrapping_add(slot::ORDER), ORDER.fetch_add(1, Ordering::AcqRel));
    memory.half(at.wrapping_add(slot::FLAGS)).store(if is_ignored { flags::IGNORED } else { 0 }, Ordering::Release);
    memory.publish(at.wrapping_add(slot::STAGE), Stage::Empty as u32);
    memory.put_half(at.wrapping_add(slot::STACK_PAGES), 0);
    memory.put_word(at.wrapping_add(slot::TOOK), 0);
    judge(memory, at, Verdict::Writing);
    // Only now: a further signal finds a slot that is being written.
    if let Some(frame) = FRAMES.get(index) {
        frame.enter(mark_at, token, signal, thread);
    }
    let writer = Writer { thread, started };
    if is_brief {
        write::brief(memory, at, signal, writer);
    } else {
        write::write(memory, at, index != 0, signal, writer);
        memory.put_word(at.wrapping_add(slot::TOOK), sys::clock(sys::AWAKE_TIME).wrapping_sub(started));
    }
    memory.publish(at.wrapping_add(slot::STAGE), Stage::Done as u32);

    // Another thread's crash comes first: the process is about to end of it.
    if index != 0 && !is_brief {
        wait(memory);
    }
    if previous.function().is_none() {
        judge(memory, at, if is_ignored { Verdict::Provisional } else { Verdict::Confirmed });
        if is_ignored {
            return release(memory, at);
        }
        return end(signal);
    }
    judge(memory, at, if again { Verdict::Confirmed } else { Verdict::Provisional });
    let installed = sys::action_of(signal.number).handler;
    actions::call(signal, previous);
    // The frame must be there until here.
    core::hint::black_box(mark_at);
    let after = signal.context().core();
    if after.pc != before.pc || after.sp != before.sp {
        judge(memory, at, Verdict::None);
        write::note_recovery(memory, at, before.pc);
    } else if sys::action_of(signal.number).handler != installed {
        // The handler before has put another in place of the one that the kernel calls, which need
        // not be ours, and lets the instruction run again or has raised the signal again: it wants
        // to die of it.
        write::complete(memory, at, index != 0, signal);
        judge(memory, at, Verdict::Confirmed);
    } else if !signal.comes_again() {
        judge(memory, at, Verdict::None);
    } else {
        // Also when it came back of the same fault a moment ago: a collector that guards its page
        // anew is met by the same instruction in each turn of a loop.
        judge(memory, at, Verdict::Returned);
        RETURNED.thread.store(thread, Ordering::Relaxed);
        RETURNED.pc.store(before.pc, Ordering::Relaxed);
        RETURNED.sp.store(before.sp, Ordering::Relaxed);
        RETURNED.address.store(signal.address(), Ordering::Relaxed);
        RETURNED.at.store(sys::clock(sys::AWAKE_TIME), Ordering::Release);
    }
    if let Some(frame) = FRAMES.get(index) {
        frame.leave();
    }
    release(memory, at);
}

/// Whether this is the fault of which the handler before has just come back.
fn is_again(signal: Signal, pc: u64, sp: u64, thread: u32, now: u64) -> bool {
    let at = RETURNED.at.load(Ordering::Acquire);
    at != 0
        && RETURNED.pc.load(Ordering::Relaxed) == pc
        && RETURNED.sp.load(Ordering::Relaxed) == sp
        && RETURNED.address.load(Ordering::Relaxed) == signal.address()
        && RETURNED.thread.load(Ordering::Relaxed) == thread
        && now.wrapping_sub(at) < AGAIN
}

/// A signal that came while this thread was handling another.
#[inline(never)]
fn meet_own(memory: Memory, index: usize, at: usize, signal: Signal, previous: Previous) {
    let first = first_signal(index).unwrap_or(signal);
    match verdict(memory, at) {
        // A sandbox has its own idea of a system call of ours, which it answers in its handler.
        Verdict::Writing if signal.number == libc::SIGSYS && !signal.is_sent() && previous.function().is_some() => {
            actions::call(signal, previous);
        }
        Verdict::Writing => {
            flag(memory, at, flags::INTERRUPTED);
            judge(memory, at, Verdict::Confirmed);
            WRITES_OWN.store(1, Ordering::Release);
            if let Some(own) = SLOT_AT.last() {
                memory.half(own.wrapping_add(slot::FLAGS)).store(flags::NESTED, Ordering::Release);
                judge(memory, *own, Verdict::Writing);
                let writer = Writer { thread: sys::thread(), started: sys::clock(sys::AWAKE_TIME) };
                write::registers(memory, *own, signal, writer);
                judge(memory, *own, Verdict::Confirmed);
            }
            WRITES_OWN.store(0, Ordering::Release);
            give_up(first);
        }
        // Not even the registers could be written.
        Verdict::Confirmed if WRITES_OWN.swap(0, Ordering::AcqRel) == 1 => give_up(first),
        Verdict::Provisional | Verdict::Survived => {
            flag(memory, at, flags::MERGED);
            judge(memory, at, Verdict::Confirmed);
            write::complete(memory, at, index != 0, first);
            let before = signal.context().core();
            pass_on(signal, previous);
            let after = signal.context().core();
            if after.pc != before.pc || after.sp != before.sp {
                // It was a fault that the handler before provokes itself, to see whether memory can
                // be read. It goes on, and the first signal is as undecided as it was.
                memory.half(at.wrapping_add(slot::FLAGS)).fetch_and(!flags::MERGED, Ordering::AcqRel);
                judge(memory, at, Verdict::Provisional);
            }
        }
        _ => end(signal),
    }
}

/// Does with the first signal what would have been done at the end, from inside another handler.
fn give_up(first: Signal) {
    pass_on(first, actions::previous(first.number));
    end_now(first);
}

/// Asks the handler before, or ends the process.
fn pass_on(signal: Signal, previous: Previous) {
    if previous.function().is_some() {
        actions::call(signal, previous);
    } else if !(previous.is_ignored() && signal.is_sent()) {
        end(signal);
    }
}

/// Lets the system's own action follow when the handler returns.
fn end(signal: Signal) {
    actions::set_default(signal.number);
    if !signal.comes_again() {
        // SAFETY: `info` is the one that the kernel has handed over.
        unsafe { sys::queue(signal.number, signal.info) };
    }
}

/// Ends the process with a signal whose instruction will not run again, because this is not the
/// handler of that signal.
fn end_now(signal: Signal) {
    actions::set_default(signal.number);
    sys::set_mask(0);
    // SAFETY: the frame of the first handler is on the stack above, and `info` in it.
    unsafe { sys::queue(signal.number, signal.info) };
}

/// Waits while the process is ending because of the crash in the large slot.
pub(crate) fn wait(memory: Memory) {
    let Some(at) = SLOT_AT.first() else { return };
    let order = || memory.half(at.wrapping_add(slot::ORDER)).load(Ordering::Acquire);
    let first = order();
    let mut naps = 0;
    // Another order: the process has survived that one.
    while naps < WAIT && order() == first && matches!(verdict(memory, *at), Verdict::Writing | Verdict::Confirmed) {
        sys::nap();
        naps = naps.wrapping_add(1);
    }
}
