//! An alternate stack for signal handlers. Without one, a thread whose stack has overflowed dies
//! without a report, because there is no room for the handler.

use core::ffi::c_void;

/// Bytes of the stack. A handler of ours takes less than 8 KiB; that of somebody else, which is
/// asked on the same stack, may need more.
const BYTES: usize = 64 * 1024;

/// The alternate stack of the thread that has made it. Dropping the value takes it away again.
#[derive(Debug)]
pub struct AlternateStack {
    base: *mut c_void,
    page: usize,
}

impl AlternateStack {
    /// Gives this thread an alternate stack. `None` if it has one, which is never replaced, or if
    /// the system refuses the memory.
    pub fn give() -> Option<Self> {
        // SAFETY: each call gets what its manual page asks for; the mapping is ours, and its first
        // page is a guard that nobody may touch.
        unsafe {
            let mut now: libc::stack_t = core::mem::zeroed();
            if libc::sigaltstack(core::ptr::null(), &raw mut now) != 0 || now.ss_flags & libc::SS_DISABLE == 0 {
                return None;
            }
            let page = usize::try_from(libc::sysconf(libc::_SC_PAGESIZE)).ok().filter(|page| *page > 0)?;
            let base = libc::mmap(
                core::ptr::null_mut(),
                BYTES.checked_add(page)?,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANON,
                -1,
                0,
            );
            if base == libc::MAP_FAILED {
                return None;
            }
            let given = Self { base, page };
            let stack = libc::stack_t { ss_sp: given.start(), ss_flags: 0, ss_size: BYTES };
            if libc::mprotect(base, page, libc::PROT_NONE) != 0
                || libc::sigaltstack(&raw const stack, core::ptr::null_mut()) != 0
            {
                return None;
            }
            Some(given)
        }
    }

    fn start(&self) -> *mut c_void {
        self.base.wrapping_byte_add(self.page)
    }
}

impl Drop for AlternateStack {
    fn drop(&mut self) {
        // SAFETY: the thread's stack is taken away before its memory is, and only if it is ours.
        unsafe {
            let mut now: libc::stack_t = core::mem::zeroed();
            let is_known = libc::sigaltstack(core::ptr::null(), &raw mut now) == 0;
            if is_known && now.ss_sp == self.start() && now.ss_flags & libc::SS_DISABLE == 0 {
                let mut none: libc::stack_t = core::mem::zeroed();
                none.ss_flags = libc::SS_DISABLE;
                if libc::sigaltstack(&raw const none, core::ptr::null_mut()) != 0 {
                    return;
                }
            }
            libc::munmap(self.base, BYTES.wrapping_add(self.page));
        }
    }
}
