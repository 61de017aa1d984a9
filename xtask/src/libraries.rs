//! Builds the native libraries that the facades link, and says where they lie.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::proof::is_bound_at_load;
use crate::steps::run;

/// The name of the static library.
pub(crate) const ARCHIVE: &str = "libthroughline_ffi.a";

/// The name of the shared library.
pub(crate) const SHARED: &str =
    if cfg!(target_os = "macos") { "libthroughline_ffi.dylib" } else { "libthroughline_ffi.so" };

/// The npm workspace of the TypeScript packages.
pub(crate) const WORKSPACE: &str = "bindings/typescript";

/// With which features the libraries are built.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Build {
    /// As they are shipped.
    Shipped,
    /// With panics on demand, for the facades' tests.
    Testing,
}

/// What is shipped: with the built-in HTTP client, and without it for apps that bring a transport.
pub(crate) const VARIANTS: [(&str, &[&str]); 2] =
    [("with `http`", &[]), ("without `http`", &["--no-default-features"])];

/// Cargo's target directory.
pub(crate) fn target() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has no parent folder")?;
    Ok(std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from))
}

/// Builds the libraries in the shipped profile, and the inspector. Returns the libraries' folder.
pub(crate) fn libraries(build: Build) -> Result<PathBuf> {
    let folder = shipped(build)?;
    inspector()?;
    Ok(folder)
}

/// Builds the libraries in the shipped profile. Returns their folder.
pub(crate) fn shipped(build: Build) -> Result<PathBuf> {
    let mut arguments = vec!["build", "--quiet", "--profile", "shipped", "--package", "throughline-ffi"];
    if build == Build::Testing {
        arguments.extend(["--features", "testing"]);
    }
    run("libraries for Swift and Kotlin", &arguments)?;
    let folder = target()?.join("shipped");
    if cfg!(target_os = "linux") {
        is_bound_at_load(&folder.join(SHARED))?;
    }
    Ok(folder)
}

/// Builds the command line, whose `inspect` the facades' tests and the examples send to.
pub(crate) fn inspector() -> Result<PathBuf> {
    run("inspector", &["build", "--quiet", "--package", "throughline-cli"])?;
    Ok(target()?.join("debug/throughline"))
}
