//! Checks that need no run: formatting, clippy, documentation, whether the fuzz targets compile,
//! and the dependencies' licences.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::steps::{cargo, run, skip, step};
use crate::tools::{cargo_deny, installed_cargo_deny};

/// The features with which the whole workspace is checked and tested.
pub(crate) const FEATURES: &str = "throughline/testing,throughline/tracing,throughline-ffi/testing";

/// `cargo xtask lint`.
pub(crate) fn lint() -> Result<()> {
    run("formatting", &["fmt", "--all", "--check"])?;
    // They have lockfiles of their own and are no members of the workspace.
    for manifest in ["benches/peers/Cargo.toml", "examples/telemetry-service/Cargo.toml", "fuzz/Cargo.toml"] {
        run(&format!("formatting of {manifest}"), &["fmt", "--manifest-path", manifest, "--check"])?;
    }
    let strict = ["--", "-D", "warnings"];
    let everything = ["clippy", "--workspace", "--all-targets", "--features", FEATURES];
    run("clippy", &[&everything[..], &strict].concat())?;
    // Without the HTTP client, as an app links it that brings its own transport.
    let bare = ["clippy", "--package", "throughline", "--package", "throughline-ffi", "--no-default-features"];
    run("clippy without http", &[&bare[..], &strict].concat())?;
    step("documentation", cargo(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    // Nobody runs the fuzz targets by the way, so nobody would notice that they do not compile.
    run("fuzz targets", &["check", "--manifest-path", "fuzz/Cargo.toml"])?;
    match cargo_deny()? {
        Some(deny) => check_dependencies(&deny),
        // Compiling it would take longer than everything else.
        None => {
            skip("dependencies", "there is no cargo-deny; `cargo xtask lint --dependencies` compiles it and checks");
            Ok(())
        }
    }
}

/// `cargo xtask lint --dependencies`: compiles cargo-deny if there is none.
pub(crate) fn dependencies() -> Result<()> {
    check_dependencies(&installed_cargo_deny()?)
}

/// Checks bans, licences and sources, as `deny.toml` says. Advisories are left out: they need a
/// database from the network.
fn check_dependencies(deny: &Path) -> Result<()> {
    step("dependencies", Command::new(deny).args(["--log-level", "error", "check", "bans", "licenses", "sources"]))
}
