//! `cargo xtask release`: packages as a registry takes them.

mod consumers;
mod elf;
mod guide;
pub(crate) mod kotlin;
mod pom;
mod repository;

pub(crate) use elf::{LINK_ARGUMENTS, is_fit_for_android};

use anyhow::Result;

/// Follows the guide for Kotlin, which publishes the artifacts, and builds apps that have these
/// alone. All of it happens in a home of its own, outside the checkout.
pub(crate) fn kotlin_adopters() -> Result<()> {
    let outside = consumers::Outside::new()?;
    guide::guide(&outside)?;
    consumers::consumers(&outside)
}
