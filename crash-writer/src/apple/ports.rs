//! The ports of the task for exceptions: whose they were before, and how they are given back.

use core::ffi::c_int;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use libc::{kern_return_t, mach_port_t};

use super::exception::{ARITHMETIC, BAD_ACCESS, BAD_INSTRUCTION, BREAKPOINT, MASK, bit};
use super::mach::{self, CODES, IDENTITY, IDENTITY_PROTECTED, KERN_INVALID_ARGUMENT, KERN_SUCCESS, NO_STATE, Ports};
use super::{sys, threads};

/// The kinds that we have the port of, one bit each. Somebody may have come on top.
static TAKEN: AtomicU32 = AtomicU32::new(0);
/// When a port was given back for an exception, in ns of boot time; 0 when none was.
static GIVEN: AtomicU64 = AtomicU64::new(0);
/// How long after that the ports are taken again: the process lives on.
const SURVIVED: u64 = 30_000_000_000;

/// The port that a kind had before.
struct Kept {
    kind: i32,
    port: AtomicU32,
    behavior: AtomicU32,
    flavor: AtomicU32,
}

static KEPT: [Kept; 4] =
    [Kept::new(BAD_ACCESS), Kept::new(BAD_INSTRUCTION), Kept::new(ARITHMETIC), Kept::new(BREAKPOINT)];

impl Kept {
    const fn new(kind: i32) -> Self {
        Self { kind, port: AtomicU32::new(0), behavior: AtomicU32::new(0), flavor: AtomicU32::new(0) }
    }

    fn give_back(&self) -> bool {
        TAKEN.fetch_and(!bit(self.kind), Ordering::AcqRel);
        let port = self.port.load(Ordering::Acquire);
        let behavior = self.behavior.load(Ordering::Acquire) as c_int;
        let flavor = self.flavor.load(Ordering::Acquire) as c_int;
        // SAFETY: the kernel checks all numbers; they are those that it has handed over.
        let set = |behavior, flavor| unsafe {
            mach::task_set_exception_ports(mach::task(), bit(self.kind), port, behavior, flavor)
        };
        match port {
            // Who had no port has no form either, and the kernel wants one.
            mach::PORT_NULL => protected_or_old(|behavior| set(behavior, NO_STATE)),
            _ => set(behavior, flavor) == KERN_SUCCESS,
        }
    }
}

/// Asks for something in the form with a protected identity, and in the old one where the kernel
/// does not know that. A system that forbids the old form knows the new one, so it is never asked
/// for the old one.
fn protected_or_old(mut ask: impl FnMut(c_int) -> kern_return_t) -> bool {
    match ask(IDENTITY_PROTECTED | CODES) {
        KERN_INVALID_ARGUMENT => ask(IDENTITY | CODES) == KERN_SUCCESS,
        answer => answer == KERN_SUCCESS,
    }
}

/// Takes the port of every kind that we have not. True if all are ours then. One thread at a time.
pub(crate) fn take(port: mach_port_t) -> bool {
    let wanted = MASK & !TAKEN.load(Ordering::Acquire);
    if wanted == 0 {
        return true;
    }
    let mut before = Ports::default();
    let is_taken = protected_or_old(|behavior| {
        before.count = mach::KINDS as u32;
        // SAFETY: each array has as many places as `count` says.
        unsafe {
            mach::task_swap_exception_ports(
                mach::task(),
                wanted,
                port,
                behavior,
                NO_STATE,
                before.masks.as_mut_ptr(),
                &raw mut before.count,
                before.ports.as_mut_ptr(),
                before.behaviors.as_mut_ptr(),
                before.flavors.as_mut_ptr(),
            )
        }
    });
    if is_taken {
        keep(&before, wanted, port);
        TAKEN.fetch_or(wanted, Ordering::AcqRel);
    }
    is_taken
}

/// Notes whose the ports were. An exception that comes before this waits: its server is started,
/// and finds no port before ours.
fn keep(before: &Ports, wanted: u32, ours: mach_port_t) {
    for kept in KEPT.iter().filter(|kept| wanted & bit(kept.kind) != 0) {
        let groups = before.masks.iter().zip(&before.ports).zip(before.behaviors.iter().zip(&before.flavors));
        let mut group = groups.take(before.count as usize).filter(|((mask, _), _)| **mask & bit(kept.kind) != 0);
        let (port, behavior, flavor) = match group.next() {
            // It was ours, and who was before us is known.
            Some(((_, port), _)) if *port == ours => continue,
            Some(((_, port), (behavior, flavor))) => (*port, *behavior, *flavor),
            None => (mach::PORT_NULL, 0, 0),
        };
        // The right to the port is kept for as long as the process lives.
        kept.behavior.store(behavior as u32, Ordering::Release);
        kept.flavor.store(flavor as u32, Ordering::Release);
        kept.port.store(port, Ordering::Release);
    }
}

/// Whether somebody had the port of a kind before us.
pub(crate) fn has_previous(kind: i32) -> bool {
    KEPT.iter().any(|kept| kept.kind == kind && kept.port.load(Ordering::Acquire) != mach::PORT_NULL)
}

/// Gives the port of a kind back to who had it before, for an exception that is to come again.
pub(crate) fn hand_over(kind: i32) -> bool {
    GIVEN.store(sys::clock(sys::BOOT_TIME), Ordering::Release);
    KEPT.iter().find(|kept| kept.kind == kind).is_some_and(Kept::give_back)
}

/// Gives all ports back, whoever has come on top: our server has crashed.
pub(crate) fn abandon() {
    for kept in &KEPT {
        kept.give_back();
    }
}

/// Whether the process has survived an exception for which a port was given back.
pub(crate) fn are_due() -> bool {
    let given = GIVEN.load(Ordering::Acquire);
    given != 0 && sys::clock(sys::BOOT_TIME).wrapping_sub(given) > SURVIVED
}

/// Takes the ports again that were given back for an exception.
pub(crate) fn renew(port: mach_port_t) {
    GIVEN.store(0, Ordering::Release);
    take(port);
}

/// Gives back the ports that are still ours. Where another has come on top, ours stays, and refuses
/// what it is asked.
pub(crate) fn uninstall(ours: mach_port_t) {
    for kept in KEPT.iter().filter(|kept| TAKEN.load(Ordering::Acquire) & bit(kept.kind) != 0) {
        let mut now = Ports { count: mach::KINDS as u32, ..Ports::default() };
        // SAFETY: each array has as many places as `count` says.
        let answer = unsafe {
            mach::task_get_exception_ports(
                mach::task(),
                bit(kept.kind),
                now.masks.as_mut_ptr(),
                &raw mut now.count,
                now.ports.as_mut_ptr(),
                now.behaviors.as_mut_ptr(),
                now.flavors.as_mut_ptr(),
            )
        };
        if answer != KERN_SUCCESS {
            continue;
        }
        let is_ours = now.ports.iter().take(now.count as usize).any(|port| *port == ours);
        for port in now.ports.iter().take(now.count as usize) {
            threads::give_back(*port);
        }
        if is_ours {
            kept.give_back();
        }
    }
}

/// Lets exceptions of a thread go to a port of its own.
pub(crate) fn watch(thread: mach_port_t, port: mach_port_t) -> bool {
    // SAFETY: the kernel checks all numbers.
    protected_or_old(|behavior| unsafe { mach::thread_set_exception_ports(thread, MASK, port, behavior, NO_STATE) })
}
