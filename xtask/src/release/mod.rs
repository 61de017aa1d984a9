//! `cargo xtask release`: packages as a registry takes them.

mod all;
mod check;
mod consumers;
mod elf;
mod files;
mod kotlin;
mod parts;
mod pom;
mod repository;
mod sbom;
pub(crate) mod swift;
mod versions;
mod xcframework;

pub(crate) use all::same_twice;
pub(crate) use check::check;
pub(crate) use consumers::Outside;
pub(crate) use elf::{LINK_ARGUMENTS, is_fit_for_android};

pub(crate) use files::jar;
pub(crate) use kotlin::{MODULES, VERSION};

use anyhow::Result;
use clap::{Args, Subcommand};

/// Everything, or what is published of one language.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(flatten)]
    all: all::Everything,
    #[command(subcommand)]
    one: Option<Release>,
}

#[derive(Subcommand)]
pub(crate) enum Release {
    /// The Swift package: the XCFramework, the manifest that downloads it, and the pods. On a Mac
    /// for every system of Apple's that Rust is built for, elsewhere for iOS devices alone.
    Swift(swift::Options),
    /// The Maven artifacts for Android and the JVM, with POMs, Gradle metadata and checksums.
    Kotlin(kotlin::Options),
}

/// Writes the release of everything, or one language's.
pub(crate) fn release(options: &Options) -> Result<()> {
    match &options.one {
        None => all::all(&options.all),
        Some(Release::Swift(options)) => swift::swift(options),
        Some(Release::Kotlin(options)) => kotlin::kotlin(options),
    }
}

/// Follows the guide for Kotlin, which publishes the artifacts, and builds apps that have these
/// alone. All of it happens in a home of its own, outside the checkout.
pub(crate) fn kotlin_adopters() -> Result<()> {
    let outside = consumers::Outside::new()?;
    crate::guide::kotlin_guide(&outside)?;
    consumers::consumers(&outside)
}
