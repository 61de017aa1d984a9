//! `cargo xtask release`: packages as a registry takes them.

mod check;
mod consumers;
mod elf;
mod guide;
mod kotlin;
mod pom;
mod repository;
pub(crate) mod swift;
mod xcframework;

pub(crate) use check::check;
pub(crate) use elf::{LINK_ARGUMENTS, is_fit_for_android};

use anyhow::Result;
use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Release {
    /// The Swift package: the XCFramework, the manifest that downloads it, and the pods. On a Mac
    /// for every system of Apple's that Rust is built for, elsewhere for iOS devices alone.
    Swift(swift::Options),
    /// The Maven artifacts for Android and the JVM, with POMs, Gradle metadata and checksums.
    Kotlin(kotlin::Options),
}

/// Writes one language's release.
pub(crate) fn release(release: &Release) -> Result<()> {
    match release {
        Release::Swift(options) => swift::swift(options),
        Release::Kotlin(options) => kotlin::kotlin(options),
    }
}

/// Follows the guide for Kotlin, which publishes the artifacts, and builds apps that have these
/// alone. All of it happens in a home of its own, outside the checkout.
pub(crate) fn kotlin_adopters() -> Result<()> {
    let outside = consumers::Outside::new()?;
    guide::guide(&outside)?;
    consumers::consumers(&outside)
}
