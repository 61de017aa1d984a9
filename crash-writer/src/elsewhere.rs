//! Systems on which no handler is installed: Apple's need Mach exceptions, whose handler was never
//! run and stands behind the feature `apple`. What a run writes down about itself is there all the
//! same.

/// No handler is installed.
pub(crate) mod actions {
    use core::ffi::c_int;

    /// The signals that are handled: none.
    pub const SIGNALS: [c_int; 0] = [];

    pub(crate) fn install() -> bool {
        false
    }

    pub(crate) fn uninstall() {}
}

/// Nobody writes a crash.
pub(crate) mod handler {
    /// Makes an address valid again that lies in a mapping of the host's and has lost its page.
    pub type Repair = fn(address: usize) -> bool;

    pub(crate) fn set_file(_: *mut u8) {}

    pub(crate) fn file() -> *mut u8 {
        core::ptr::null_mut()
    }

    pub(crate) fn is_running() -> bool {
        false
    }

    pub(crate) fn set_repair(_: Repair) {}

    pub(crate) fn now() -> u64 {
        0
    }

    pub(crate) fn expire(_: crate::memory::Memory, _: u64) {}
}

/// No table of modules is kept.
pub(crate) mod modules {
    use crate::memory::Memory;

    pub(crate) fn take() -> bool {
        false
    }

    pub(crate) fn give_back() {}

    pub(crate) fn forget() {}

    pub(crate) fn refresh(_: Memory) -> bool {
        false
    }
}

pub(crate) mod sys {
    pub(crate) fn nap() {}
}
