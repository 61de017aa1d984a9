//! The release of the Swift package.
//!
//! SwiftPM reads the manifest of the tag that it checks out, and downloads the archive that the
//! manifest names, with this checksum. CocoaPods downloads one archive with the sources as well.
//! Nothing is uploaded here.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::files::{sha256, zip};
use super::xcframework::{self, NAME, SLICES, Slice};
use crate::archive::{for_this_machine, prefix};
use crate::ios;
use crate::libraries::{ARCHIVE, Build, shipped, target};
use crate::steps::{cargo, output, step};

/// Where a checkout's manifest finds the native library.
const LIBRARY: &str = "bindings/swift/Library";

/// The line of the manifest that a release replaces.
const NOT_RELEASED: &str = "let released: (url: String, checksum: String)? = nil";

/// The line of the pods that a release replaces.
const NO_SOURCE: &str = "  s.source = { :http => s.homepage }";

/// The folder that a release is downloaded from, unless another one is named.
pub(super) const URL: &str = concat!("https://throughline.dev/swift/", env!("CARGO_PKG_VERSION"));

/// The pods. Each is one module: CocoaPods knows no packages.
const PODS: [&str; 4] = ["ThroughlineFFI", "ThroughlineFFIGenerated", "Throughline", "ThroughlineUI"];

/// The lowest systems that the package supports, for the compilers of Rust and of C.
const LOWEST: [(&str, &str); 4] = [
    ("IPHONEOS_DEPLOYMENT_TARGET", "15.0"),
    ("MACOSX_DEPLOYMENT_TARGET", "12.0"),
    ("TVOS_DEPLOYMENT_TARGET", "15.0"),
    ("XROS_DEPLOYMENT_TARGET", "1.0"),
];

#[derive(Args)]
pub(crate) struct Options {
    /// The folder that the release is written to.
    #[arg(long, default_value = "target/swift-release")]
    out: PathBuf,
    /// The address of the folder that the release will be downloaded from.
    #[arg(long, default_value = URL)]
    url: String,
    /// Build the library for this machine alone, into the checkout, whose package then needs
    /// nothing else.
    #[arg(long, conflicts_with_all = ["out", "url"])]
    host: bool,
}

/// `cargo xtask release swift`.
pub(crate) fn swift(options: &Options) -> Result<()> {
    if options.host {
        return host();
    }
    release(&options.out, &options.url)?;
    println!("── {}: upload it to {}, and tag a commit that has its Package.swift", options.out.display(), options.url);
    Ok(())
}

/// Builds the XCFramework, and writes what is published of it into a folder.
pub(super) fn release(out: &Path, url: &str) -> Result<()> {
    let framework = framework()?;
    std::fs::create_dir_all(out)?;
    publish(&framework, Path::new("."), out, url)
}

/// Builds the library for this machine, where the checkout's manifest finds it.
fn host() -> Result<()> {
    std::fs::create_dir_all(LIBRARY)?;
    let built = shipped(Build::Shipped)?.join(ARCHIVE);
    let out = Path::new(LIBRARY).join(ARCHIVE);
    for_this_machine(&built, &out)?;
    println!("── {}: the Swift package of this checkout links it", out.display());
    Ok(())
}

/// Builds the XCFramework, where the checkout's manifest finds it.
pub(crate) fn framework() -> Result<PathBuf> {
    std::fs::create_dir_all(LIBRARY)?;
    let framework = Path::new(LIBRARY).join(NAME);
    // Apple's linker and SDKs are on a Mac alone.
    let slices = if cfg!(target_os = "macos") { &SLICES[..] } else { SLICES.split_at(1).0 };
    for left_out in SLICES.iter().filter(|slice| !slices.contains(slice)) {
        println!("── left out, for want of a Mac: {}", left_out.identifier());
    }
    xcframework::write(&framework, slices, library)?;
    Ok(framework)
}

/// Writes the library of a slice, with the architectures of all its targets.
fn library(slice: &Slice, out: &Path) -> Result<()> {
    if !cfg!(target_os = "macos") {
        std::fs::copy(ios::library(&[])?, out)?;
        return Ok(());
    }
    let folder = target()?.join("apple");
    let mut join = Command::new("lipo");
    join.arg("-create");
    for triple in slice.targets {
        let mut build = cargo(&["rustc", "--profile", "shipped", "--package", "throughline-ffi", "--lib"]);
        build.args(["--crate-type", "staticlib", "--target", triple, "--target-dir"]).arg(&folder);
        step(triple, build.envs(LOWEST))?;
        let shipped = folder.join(triple).join(ARCHIVE);
        prefix(&folder.join(triple).join("shipped").join(ARCHIVE), &shipped)?;
        join.arg(shipped);
    }
    step(&slice.identifier(), join.arg("-output").arg(out))
}

/// Writes the archives, the manifest and the pods of a release into a folder. `root` is the
/// checkout.
pub(crate) fn publish(framework: &Path, root: &Path, out: &Path, url: &str) -> Result<()> {
    ensure!(url.starts_with("https://"), "SwiftPM downloads by https:// alone, and not from {url}");
    let parent = framework.parent().context("the XCFramework has no parent folder")?;
    let archive = out.join(format!("{NAME}.zip"));
    zip(&archive, parent, &[Path::new(NAME)])?;
    let checksum = sha256(&archive)?;
    let released =
        format!("let released: (url: String, checksum: String)? = (\n    \"{url}/{NAME}.zip\",\n    \"{checksum}\"\n)");
    rewrite(&root.join("Package.swift"), NOT_RELEASED, &released, out)?;

    // The pods' archive is laid out as the checkout, so that the same files serve both.
    let staged = out.join("pods");
    let _ = std::fs::remove_dir_all(&staged);
    std::fs::create_dir_all(staged.join(LIBRARY))?;
    let copy = |from: &Path, to: &Path| output(Command::new("cp").arg("-R").arg(from).arg(to)).map(|_| ());
    copy(&root.join("bindings/swift/Sources"), &staged.join("bindings/swift/Sources"))?;
    copy(framework, &staged.join(LIBRARY).join(NAME))?;
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        copy(&root.join(licence), &staged.join(licence))?;
    }
    let pods = format!("Throughline-{}.zip", env!("CARGO_PKG_VERSION"));
    zip(&out.join(&pods), &staged, &["bindings", "LICENSE-APACHE", "LICENSE-MIT"].map(Path::new))?;
    std::fs::remove_dir_all(&staged)?;
    let source = format!("  s.source = {{ :http => \"{url}/{pods}\", :sha256 => \"{}\" }}", sha256(&out.join(&pods))?);
    for pod in PODS {
        rewrite(&root.join(format!("{pod}.podspec")), NO_SOURCE, &source, out)?;
    }
    Ok(())
}

/// Copies a file into a folder with one of its lines replaced.
fn rewrite(file: &Path, line: &str, by: &str, out: &Path) -> Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
    let [before, after] = text.split(&format!("{line}\n")).collect::<Vec<_>>()[..] else {
        anyhow::bail!("{} does not have the line `{line}` once", file.display());
    };
    let name = file.file_name().context("a file without a name")?;
    Ok(std::fs::write(out.join(name), format!("{before}{by}\n{after}"))?)
}
