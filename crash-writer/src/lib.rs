//! Writes down how a process died, while it dies.
//!
//! A [`RunFile`] is a mapped file of one run of the process. Two things go into it:
//!
//! - what the run was doing, whenever that changes: [`RunFile::write_state`], [`RunFile::beat`],
//!   [`RunFile::set_phase`]. It is there after every kind of death, also if no handler ever ran.
//! - what a signal handler finds when the process crashes: the signal, the registers, the frames
//!   that frame pointers lead to, and 64 KiB of the stack, from which the next launch unwinds.
//!
//! [`layout`] says what lies where; the reader is elsewhere, and takes every byte for hostile.
//!
//! The crate has no `std` and no allocator. What runs in the handler takes no lock, cannot panic,
//! and calls no function of a library: on 64-bit Linux and Android its system calls are
//! instructions. That is checked mechanically on the compiled code, see `proof/`.
//!
//! On iOS and macOS [`install`] installs nothing and returns false, unless the feature `apple` is
//! on. What that adds is written and type-checked, and **nobody has ever run it**: see `apple/`.
#![no_std]

/// Declares what there is only on systems for which a handler is written.
macro_rules! where_a_handler_is_written {
    ($($item:item)*) => {
        $(#[cfg(any(
            target_os = "linux",
            target_os = "android",
            all(feature = "apple", any(target_os = "ios", target_os = "macos"))
        ))]
        $item)*
    };
}

/// Declares what stands in its place on all others.
macro_rules! elsewhere {
    ($($item:item)*) => {
        $(#[cfg(not(any(
            target_os = "linux",
            target_os = "android",
            all(feature = "apple", any(target_os = "ios", target_os = "macos"))
        )))]
        $item)*
    };
}

where_a_handler_is_written! {
    mod actions;
    mod entered;
    mod entry;
    mod handler;
    mod recovered;
    mod registers;
    mod signal;
    mod write;
    #[cfg(feature = "testing")]
    pub mod faults;
    pub use handler::handler;
}

elsewhere! {
    mod elsewhere;
    use elsewhere::{actions, actions as installation, handler, modules, sys};
}

#[cfg(any(test, all(feature = "apple", any(target_os = "ios", target_os = "macos"))))]
mod apple;
mod architecture;
mod crc;
pub mod layout;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod maps;
mod memory;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod modules;
mod run_file;
mod stack;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod sys;
mod words;

#[cfg(any(target_os = "linux", target_os = "android"))]
use actions as installation;
#[cfg(all(feature = "apple", any(target_os = "ios", target_os = "macos")))]
use apple::{installation, modules, sys};

pub use actions::SIGNALS;
pub use architecture::ARCHITECTURE;
pub use handler::Repair;
pub use run_file::{RunFile, checksum, install, set_repair, uninstall};
pub use stack::AlternateStack;
pub use words::{Beat, Phase, Stage, Verdict, flags, word};
