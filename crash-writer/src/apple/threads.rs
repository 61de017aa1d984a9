//! The threads of the process, as Mach knows them.

use libc::{mach_msg_type_number_t, mach_port_t};

use super::mach::{self, KERN_SUCCESS};
use super::message::{Request, Thread};

/// Gives a right back to the kernel.
pub(crate) fn give_back(port: mach_port_t) {
    if port != mach::PORT_NULL {
        // SAFETY: the kernel checks the name; the caller does not use its right again.
        unsafe { mach::mach_port_deallocate(mach::task(), port) };
    }
}

/// The number of a thread.
pub(crate) fn number(thread: mach_port_t) -> Option<u64> {
    // SAFETY: zero is valid for every field.
    let mut facts: libc::thread_identifier_info = unsafe { core::mem::zeroed() };
    let mut count = libc::THREAD_IDENTIFIER_INFO_COUNT;
    // SAFETY: the kernel writes at most `count` words, which `facts` has.
    let answer = unsafe {
        libc::thread_info(thread, libc::THREAD_IDENTIFIER_INFO as u32, (&raw mut facts).cast(), &raw mut count)
    };
    (answer == KERN_SUCCESS).then_some(facts.thread_id)
}

/// The name of a thread, filled up with zeros.
pub(crate) fn name(thread: mach_port_t) -> [u64; 2] {
    // SAFETY: zero is valid for every field.
    let mut facts: libc::thread_extended_info = unsafe { core::mem::zeroed() };
    let mut count = libc::THREAD_EXTENDED_INFO_COUNT;
    // SAFETY: the kernel writes at most `count` words, which `facts` has.
    let answer = unsafe {
        libc::thread_info(thread, libc::THREAD_EXTENDED_INFO as u32, (&raw mut facts).cast(), &raw mut count)
    };
    let mut name = [0u64; 2];
    if answer == KERN_SUCCESS {
        // SAFETY: the name has 64 bytes, of which these are the first. They need not be aligned.
        name = unsafe { (&raw const facts.pth_name).cast::<[u64; 2]>().read_unaligned() };
        // A name that is cut off ends with a zero, as it does elsewhere.
        let [_, last] = &mut name;
        *last &= u64::MAX >> 8;
    }
    name
}

/// The registers of a thread that is stopped.
pub(crate) fn state(thread: mach_port_t) -> Option<mach::State> {
    // SAFETY: zero is valid for every field.
    let mut state: mach::State = unsafe { core::mem::zeroed() };
    let mut count = mach::STATE_COUNT;
    // SAFETY: the kernel writes at most `count` words, which `state` has.
    let answer = unsafe { mach::thread_get_state(thread, mach::STATE, (&raw mut state).cast(), &raw mut count) };
    (answer == KERN_SUCCESS).then_some(state)
}

/// A right to the thread that a message names, if it is one of this process: a forked child sends
/// its exceptions to its parent's port. The caller gives the right back.
pub(crate) fn find(request: &Request) -> Option<mach_port_t> {
    let wanted = match request.thread {
        Thread::Port(port) if request.task == mach::task() => return Some(port),
        Thread::Port(port) => {
            give_back(port);
            return None;
        }
        Thread::Number(number) => number,
    };
    let mut list = core::ptr::null_mut();
    let mut count: mach_msg_type_number_t = 0;
    // SAFETY: both are the kernel's to write. It maps a list, which is unmapped below.
    if unsafe { libc::task_threads(mach::task(), &raw mut list, &raw mut count) } != KERN_SUCCESS {
        return None;
    }
    let mut found = None;
    let mut index = 0usize;
    while index < count as usize {
        // SAFETY: the list has `count` entries.
        let thread = unsafe { list.wrapping_add(index).read() };
        if found.is_none() && number(thread) == Some(wanted) {
            found = Some(thread);
        } else {
            give_back(thread);
        }
        index = index.wrapping_add(1);
    }
    let len = (count as usize).wrapping_mul(size_of::<mach_port_t>());
    // SAFETY: the kernel has mapped this list for us, and nobody uses it any more.
    unsafe { mach::mach_vm_deallocate(mach::task(), list as usize as u64, len as u64) };
    found
}
