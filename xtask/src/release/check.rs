//! Checks the release of the Swift package as far as Linux can: SwiftPM reads the manifest and the
//! archive, and builds an app with them that has another Rust library and another SQLite.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::swift::publish;
use super::xcframework::{self, NAME, SLICES};
use crate::archive::other;
use crate::libraries::{Build, target};
use crate::steps::{output, step};
use crate::swift::{linked, shell, swift};
use crate::tools::ensure_program;

/// Where the check pretends that the release lies.
const URL: &str = "https://releases.invalid/swift";

/// Checks everything. Needs a Swift that [`swift`] finds.
pub(crate) fn check() -> Result<()> {
    let out = linked()?.join("release");
    let _ = std::fs::remove_dir_all(&out);
    std::fs::create_dir_all(&out)?;
    let framework = stand_in(&out)?;
    let root = std::env::current_dir()?;
    publish(&framework, &root, &out, URL)?;
    let first = std::fs::read_to_string(out.join("Package.swift"))?;
    has_no_headers(&out.join(format!("{NAME}.zip")))?;
    // A second run, as on another day, must not change the checksum.
    let framework = stand_in(&out)?;
    let list = std::fs::File::options().append(true).open(framework.join("Info.plist"))?;
    list.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000))?;
    publish(&framework, &root, &out, URL)?;
    ensure!(first == std::fs::read_to_string(out.join("Package.swift"))?, "the checksum depends on the time");
    pods(&out)?;
    manifest()?;
    property_list(&out)?;
    fresh(&root, &out)?;
    neighbours(&root, &out)
}

/// An XCFramework with every slice, but without code.
fn stand_in(out: &Path) -> Result<PathBuf> {
    let framework = out.join(NAME);
    xcframework::write(&framework, &SLICES, |_, archive| Ok(std::fs::write(archive, "!<arch>\n")?))?;
    Ok(framework)
}

/// Checks that Xcode finds nothing that it would copy into the folder of all XCFrameworks' headers.
fn has_no_headers(archive: &Path) -> Result<()> {
    ensure_program("unzip", &["unzip"])?;
    let names = output(Command::new("unzip").arg("-Z1").arg(archive))?;
    ensure!(names.lines().count() == SLICES.len() + 1, "the archive holds something else:\n{names}");
    let expected = |name: &str| name.ends_with("/Info.plist") || name.ends_with(".a");
    ensure!(names.lines().all(expected), "the archive holds headers or a module map:\n{names}");
    Ok(())
}

/// Checks the pods, those of the checkout and those of the release.
fn pods(out: &Path) -> Result<()> {
    ensure_program("ruby", &["ruby"])?;
    for folder in [Path::new("."), out] {
        step("podspecs", Command::new("ruby").arg("bindings/swift/podspecs.rb").arg(folder))?;
    }
    Ok(())
}

/// Checks what SwiftPM makes of the manifest and of the archive.
fn manifest() -> Result<()> {
    let script =
        "cd \"$THROUGHLINE_LIBRARY_DIR/release\" && unset THROUGHLINE_LIBRARY_DIR && exec swift package \"$@\"";
    let package = |arguments: &[&str]| output(shell(".", script, &[])?.args(arguments));
    let archive = format!("{NAME}.zip");
    let checksum = package(&["compute-checksum", &archive])?;
    let described: Value = serde_json::from_str(&package(&["dump-package"])?)?;
    let targets = described.get("targets").and_then(Value::as_array).context("no targets")?;
    let text = |target: &Value, key: &str| target.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let core = targets.iter().find(|target| text(target, "type") == "binary").context("no binary target")?;
    ensure!(text(core, "url") == format!("{URL}/{archive}"), "the manifest downloads {}", text(core, "url"));
    ensure!(text(core, "checksum") == checksum.trim(), "the checksum is not SwiftPM's");
    // What only the repository needs would be a build error in an app: SwiftPM allows no unsafe
    // flags in a package that has a version.
    let names: Vec<String> = targets.iter().map(|target| text(target, "name")).collect();
    ensure!(names.len() == 5, "an app sees {names:?}");
    ensure!(!described.to_string().contains("unsafeFlags"), "an app cannot build with unsafe flags");
    Ok(())
}

/// Checks that SwiftPM understands the XCFramework: on Linux it reads the property list, and links
/// nothing of it.
fn property_list(out: &Path) -> Result<()> {
    let manifest = format!(
        "// swift-tools-version: 5.9\nimport PackageDescription\n\nlet package = Package(\n    name: \"reading\",\n    \
         targets: [\n        .binaryTarget(name: \"ThroughlineCore\", path: \"{NAME}\"),\n        \
         .target(name: \"Reading\", dependencies: [\"ThroughlineCore\"]),\n    ]\n)\n"
    );
    let sources = out.join("Sources/Reading");
    std::fs::create_dir_all(&sources)?;
    std::fs::write(sources.join("Reading.swift"), "")?;
    let released = out.join("Package.swift");
    let kept = std::fs::read_to_string(&released)?;
    std::fs::write(&released, manifest)?;
    let script = "cd \"$THROUGHLINE_LIBRARY_DIR/release\" && exec swift build --target Reading";
    let read = step("the XCFramework, read by SwiftPM", &mut shell(".", script, &[])?);
    std::fs::write(&released, kept)?;
    read
}

/// Checks that a checkout without the library says what is to be done.
fn fresh(root: &Path, out: &Path) -> Result<()> {
    let fresh = out.join("fresh");
    copy_sources(root, &fresh)?;
    std::fs::copy(root.join("Package.swift"), fresh.join("Package.swift"))?;
    let script = "cd \"$THROUGHLINE_LIBRARY_DIR/release/fresh\" && unset THROUGHLINE_LIBRARY_DIR && \
                  exec swift build --target ThroughlineFFI";
    let built = shell(".", script, &[])?.output()?;
    ensure!(!built.status.success(), "a package without its library was built");
    let said = String::from_utf8_lossy(&built.stdout).into_owned();
    ensure!(said.contains("run `cargo xtask release swift --host` in it"), "it does not say what to do:\n{said}");
    Ok(())
}

fn copy_sources(root: &Path, out: &Path) -> Result<()> {
    let sources = Path::new("bindings/swift/Sources");
    std::fs::create_dir_all(out.join("bindings/swift"))?;
    output(Command::new("cp").arg("-R").arg(root.join(sources)).arg(out.join(sources))).map(|_| ())
}

/// Builds an app with the release's manifest and another static library, and runs it.
fn neighbours(root: &Path, out: &Path) -> Result<()> {
    let library = other(&target()?.join("archive/other"))?;
    std::fs::copy(library, linked()?.join("libother.a"))?;
    copy_sources(root, out)?;
    swift(Build::Testing, "tests/linking/swift", &["run", "-c", "release", "app"], &[])
}
