//! Runs Swift for the Swift facade.
//!
//! A `swift` on the path is used as it is. Without one, on Linux, a Debian system with Swift is
//! made in the cache directory, and entered with `chroot`, which needs root.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::archive::localize;
use crate::libraries::{ARCHIVE, Build, libraries, target};
use crate::steps::step;
use crate::tools::{quoted, swift_root, works};

/// Runs `swift` with arguments in a package of the repository, as a step.
pub(crate) fn swift(build: Build, package: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let name = format!("swift {package} {}", arguments.join(" "));
    step(&name, &mut command(build, package, arguments, environment)?)
}

/// `swift` with arguments in a package of the repository. The libraries are built first.
pub(crate) fn command(
    build: Build,
    package: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<Command> {
    let libraries = libraries(build)?;
    // A folder with the static library alone: the linker would prefer a shared library beside it.
    let linked = linked()?;
    std::fs::create_dir_all(&linked)?;
    let (built, shipped) = (libraries.join(ARCHIVE), linked.join(ARCHIVE));
    if cfg!(target_os = "macos") {
        std::fs::copy(built, shipped)?;
    } else {
        localize(&built, &shipped)?;
    }
    // A killed test may have left an inspector running. Its file cannot be written, but replaced.
    let inspector = linked.join("throughline");
    let _ = std::fs::remove_file(&inspector);
    std::fs::copy(target()?.join("debug/throughline"), inspector)?;
    // SwiftPM does not notice that the library has changed, but links again without its product.
    for folder in std::fs::read_dir(linked.join(scratch(package))).into_iter().flatten().flatten() {
        for product in std::fs::read_dir(folder.path().join("release")).into_iter().flatten().flatten() {
            if product.path().extension().is_some_and(|extension| extension == "xctest") {
                std::fs::remove_file(product.path())?;
            }
        }
    }
    let (command, rest) = arguments.split_first().context("no command for swift")?;
    let place = format!("\"$THROUGHLINE_LIBRARY_DIR/{}\"", scratch(package));
    let script = format!("exec swift {command} --scratch-path {place} \"$@\"");
    let mut swift = shell(package, &script, environment)?;
    swift.args(rest);
    Ok(swift)
}

/// Compiles the files that are for Apple's systems only against declarations of Apple's types.
/// Needs what [`swift`] built for the package.
pub(crate) fn declarations() -> Result<()> {
    if cfg!(target_os = "macos") {
        return Ok(());
    }
    let package = "bindings/swift";
    let modules = format!("\"$THROUGHLINE_LIBRARY_DIR/{}/release/Modules\"", scratch(package));
    let script = format!("exec sh Declarations/check.sh {modules} \"$THROUGHLINE_LIBRARY_DIR/declarations\"");
    step("swift for UIKit and SwiftUI", &mut shell(package, &script, &[])?)
}

/// The folder that Swift packages are linked from and built in.
fn linked() -> Result<PathBuf> {
    Ok(target()?.join("swift"))
}

/// The folder below [`linked`] in which a package is built.
fn scratch(package: &str) -> String {
    format!("build-{}", package.replace('/', "-"))
}

/// A shell script where Swift is, in a folder of the repository. `$THROUGHLINE_LIBRARY_DIR` is the
/// folder that [`linked`] names.
fn shell(folder: &str, script: &str, environment: &[(&str, &str)]) -> Result<Command> {
    let linked = linked()?;
    if works("swift") {
        let mut shell = Command::new("sh");
        shell.current_dir(folder).args(["-c", script, "swift"]);
        shell.env("THROUGHLINE_LIBRARY_DIR", &linked).env("THROUGHLINE_CLI", linked.join("throughline"));
        shell.envs(environment.iter().copied());
        return Ok(shell);
    }
    let root = swift_root()?;
    let checkout = std::env::current_dir()?;
    // The mounts are in a namespace of their own: they end with the script, however it ends.
    let mount = format!(
        "set -e
         root={root} checkout={checkout} linked={linked}
         mkdir -p $root/checkout $root/linked
         mount -t proc proc $root/proc
         mount --rbind /dev $root/dev
         mount --bind $checkout $root/checkout
         mount --bind $linked $root/linked
         exec chroot $root env -i HOME=/root PATH=/usr/bin:/bin THROUGHLINE_LIBRARY_DIR=/linked \
             THROUGHLINE_CLI=/linked/throughline {environment} sh -c 'cd /checkout/{folder} && {script}' swift \"$@\"",
        root = quoted(&root)?,
        checkout = quoted(&checkout)?,
        linked = quoted(&linked)?,
        environment = environment.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "),
    );
    let mut inside = Command::new("unshare");
    inside.args(["--mount", "sh", "-c", &mount, "swift"]);
    Ok(inside)
}
