//! The writer for iOS and macOS: **written, type-checked, and never run.**
//!
//! Nobody has run it yet, neither on a device nor in a simulator nor on a Mac. It is type-checked
//! for `aarch64-apple-ios`, `aarch64-apple-ios-sim`, `x86_64-apple-ios` and `aarch64-apple-darwin`.
//! It stands behind the feature `apple`, which nothing enables: without it, no handler is installed
//! on these systems. The parts that are pure are tested on Linux.
//!
//! A fault of the processor becomes a Mach exception before it becomes a signal. The thread that
//! has faulted is stopped, and another thread gets a message (`server.rs`). That thread has a stack
//! of its own, so that a stack that has overflowed is no obstacle. It writes the slot of the run
//! file that a signal handler writes elsewhere, with the same code (`record.rs`).
//!
//! - `abort` raises a signal without an exception: it has the signal handler of all other systems.
//! - If somebody had the exception's port before, it is given back to him, and the instruction runs
//!   again: the kernel then sends him the exception in the form that he has asked for. He is served
//!   as if we were not there, and no message of ours is made up. On Intel a breakpoint is not run
//!   again, and nobody but the system is asked.
//! - Else the exception is refused. The kernel goes on to the system's reporter, and to the signal.
//! - The port is asked for with a protected identity where the system knows it: a message then
//!   names the thread by its number and carries no right to control it. Systems that harden apps
//!   end those that ask for more. Older systems refuse it, and get the old form.
//! - A second thread waits for exceptions of the first one.
//! - Nothing is installed while a debugger is attached, whose exceptions these are.
//!
//! In the crashing path there is no lock, no Objective-C and no heap. `task_threads`, which finds a
//! thread by its number, lets the kernel map a page with the list; it is unmapped right after.

#[cfg(all(feature = "apple", any(target_os = "ios", target_os = "macos")))]
pub(crate) mod context;
mod exception;
mod image;
#[cfg(all(feature = "apple", any(target_os = "ios", target_os = "macos")))]
pub(crate) mod installation;
#[cfg(all(feature = "apple", any(target_os = "ios", target_os = "macos")))]
mod mach;
mod message;
#[cfg(all(feature = "apple", any(target_os = "ios", target_os = "macos")))]
pub(crate) mod modules;
mod numbers;
#[cfg(all(feature = "apple", any(target_os = "ios", target_os = "macos")))]
mod ports;
#[cfg(all(feature = "apple", any(target_os = "ios", target_os = "macos")))]
mod record;
#[cfg(all(feature = "apple", any(target_os = "ios", target_os = "macos")))]
mod server;
#[cfg(all(feature = "apple", any(target_os = "ios", target_os = "macos")))]
pub(crate) mod sys;
#[cfg(all(feature = "apple", any(target_os = "ios", target_os = "macos")))]
mod threads;
