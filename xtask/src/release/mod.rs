//! `cargo xtask release`: writes what is published, as it is published.

mod check;
pub(crate) mod swift;
mod xcframework;

pub(crate) use check::check;

use anyhow::Result;
use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Release {
    /// The Swift package: the XCFramework, the manifest that downloads it, and the pods. On a Mac
    /// for every system of Apple's that Rust is built for, elsewhere for iOS devices alone.
    Swift(swift::Options),
}

/// Writes one language's release.
pub(crate) fn release(release: &Release) -> Result<()> {
    match release {
        Release::Swift(options) => swift::swift(options),
    }
}
