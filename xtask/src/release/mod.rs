//! `cargo xtask release`: packages as a registry takes them.

mod consumers;
mod elf;
mod guide;
pub(crate) mod kotlin;
mod pom;
mod repository;

pub(crate) use consumers::consumers;
pub(crate) use elf::is_fit_for_android;
pub(crate) use guide::guide;
