//! The parts of a release that are no language's own: npm packages, crates, and the command line.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::libraries::{WORKSPACE, target};
use crate::release::files::zip;
use crate::release::kotlin::VERSION;
use crate::steps::{cargo, output, run, step};
use crate::typescript;

/// The npm packages.
const PACKAGES: [&str; 2] = ["core", "react-native"];

/// The crates, in the order in which a registry takes them.
const CRATES: [&str; 2] = ["throughline-crash-writer", "throughline"];

/// Writes the tarballs that npm would publish.
pub(super) fn npm(out: &Path) -> Result<()> {
    empty(out)?;
    typescript::build()?;
    let mut pack = Command::new("npm");
    pack.current_dir(WORKSPACE).args(["pack", "--silent"]);
    for package in PACKAGES {
        pack.args(["--workspace", package]);
    }
    step("npm pack", pack.arg("--pack-destination").arg(std::path::absolute(out)?))?;
    for package in PACKAGES {
        let file = out.join(format!("throughline-{package}-{VERSION}.tgz"));
        ensure!(file.exists(), "npm has not written {}", file.display());
    }
    Ok(())
}

/// Writes the crates as a registry takes them. Unless it is a trial, nothing may be uncommitted,
/// and they are compiled as they are written.
pub(super) fn crates(out: &Path, is_trial: bool) -> Result<()> {
    empty(out)?;
    let folder = target()?;
    let mut package = cargo(&["package", "--quiet", "--locked", "--offline"]);
    for name in CRATES {
        package.args(["--package", name]);
    }
    if is_trial {
        package.args(["--no-verify", "--allow-dirty"]);
    }
    step("crates", package.arg("--target-dir").arg(&folder))?;
    for name in CRATES {
        let file = format!("{name}-{VERSION}.crate");
        std::fs::copy(folder.join("package").join(&file), out.join(&file)).with_context(|| format!("no {file}"))?;
    }
    Ok(())
}

/// Writes the command line for this machine. Those of other machines stay.
pub(super) fn cli(out: &Path) -> Result<()> {
    run("command line", &["build", "--quiet", "--release", "--locked", "--package", "throughline-cli"])?;
    let rustc = output(Command::new("rustc").arg("-vV"))?;
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    let name = format!("throughline-{VERSION}-{host}");
    let staged = target()?.join("release-parts");
    let folder = staged.join(&name);
    empty(&folder)?;
    let program = format!("throughline{}", std::env::consts::EXE_SUFFIX);
    std::fs::copy(target()?.join("release").join(&program), folder.join(&program))?;
    step("strip", Command::new("strip").arg(folder.join(&program)))?;
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        std::fs::copy(licence, folder.join(licence))?;
    }
    std::fs::create_dir_all(out)?;
    zip(&out.join(format!("{name}.zip")), &staged, &[Path::new(&name)])
}

/// Makes a folder that has nothing in it.
fn empty(folder: &Path) -> Result<()> {
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))
}
