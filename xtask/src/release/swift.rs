//! The release of the Swift package.
//!
//! SwiftPM reads the manifest of the tag that it checks out, and downloads the archive that the
//! manifest names, with this checksum. CocoaPods downloads one archive with the sources as well.
//! Nothing is uploaded here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::xcframework::{self, NAME, SLICES, Slice};
use crate::archive::{for_this_machine, prefix};
use crate::ios;
use crate::libraries::{ARCHIVE, Build, shipped, target};
use crate::steps::{cargo, output, step};
use crate::tools::ensure_program;

/// Where a checkout's manifest finds the native library.
const LIBRARY: &str = "bindings/swift/Library";

/// The line of the manifest that a release replaces.
const NOT_RELEASED: &str = "let released: (url: String, checksum: String)? = nil";

/// The line of the pods that a release replaces.
const NO_SOURCE: &str = "  s.source = { :http => s.homepage }";

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
    #[arg(long, default_value = concat!("https://throughline.dev/swift/", env!("CARGO_PKG_VERSION")))]
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
    let framework = framework()?;
    std::fs::create_dir_all(&options.out)?;
    publish(&framework, Path::new("."), &options.out, &options.url)?;
    println!("── {}: upload it to {}, and tag a commit that has its Package.swift", options.out.display(), options.url);
    Ok(())
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

/// Writes an archive that is the same whenever it is made of the same files: a checksum is
/// published for it.
fn zip(archive: &Path, folder: &Path, roots: &[&Path]) -> Result<()> {
    ensure_program("zip", &["zip"])?;
    let mut files = BTreeSet::new();
    for root in roots {
        list(folder, root, &mut files)?;
    }
    // The first moment that the format can express, whatever the time zone.
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(315_532_800);
    for file in &files {
        std::fs::File::options().append(true).open(folder.join(file))?.set_modified(time)?;
    }
    let archive = std::path::absolute(archive)?;
    let _ = std::fs::remove_file(&archive);
    let mut zip = Command::new("zip");
    zip.current_dir(folder).env("TZ", "UTC").args(["-q", "-X", "-D"]).arg(&archive).args(&files);
    step(&format!("{}", archive.display()), &mut zip)
}

/// The files below a path of a folder.
fn list(folder: &Path, path: &Path, files: &mut BTreeSet<PathBuf>) -> Result<()> {
    if !folder.join(path).is_dir() {
        files.insert(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(folder.join(path))? {
        list(folder, &path.join(entry?.file_name()), files)?;
    }
    Ok(())
}

/// The SHA-256 of a file, which is SwiftPM's checksum.
fn sha256(file: &Path) -> Result<String> {
    let mut sum = if cfg!(target_os = "macos") { Command::new("shasum") } else { Command::new("sha256sum") };
    if cfg!(target_os = "macos") {
        sum.args(["-a", "256"]);
    }
    let printed = output(sum.arg(file))?;
    let checksum = printed.split_whitespace().next().context("no checksum")?;
    ensure!(checksum.len() == 64, "`{checksum}` is no SHA-256");
    Ok(checksum.to_owned())
}
