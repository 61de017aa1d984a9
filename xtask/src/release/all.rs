//! `cargo xtask release`: everything that is published, of one version, in one folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};

use super::versions::{agree, dated};
use super::{files, kotlin, parts, sbom, swift};
use crate::android::{Native, ndk};
use crate::libraries::target;
use crate::release::kotlin::VERSION;
use crate::steps::{cargo, output};

/// A part of the release.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Part {
    /// The XCFramework, the manifest for SwiftPM, and the pods.
    Swift,
    /// The Maven repository.
    Maven,
    /// The tarballs for npm.
    Npm,
    /// The crates.
    Crates,
    /// The command line for this machine.
    Cli,
    /// The list of what is in all of them (SBOM).
    Sbom,
}

#[derive(Args)]
pub(crate) struct Everything {
    /// The folder that the release is written to. Default: `target/throughline-VERSION`. What other
    /// machines have built of the same version, of the command line and of Maven's repository,
    /// stays there.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Leave out what needs a Mac or Android's NDK, and say so. What is written is then no release.
    #[arg(long)]
    host_only: bool,
    /// Try the release before the changelog has a date for the version.
    #[arg(long)]
    dry_run: bool,
    /// Compile and pack everything a second time, and fail if a checksum is another one. It takes
    /// twice as long.
    #[arg(long)]
    twice: bool,
    /// Write these parts alone.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// The address of the folder that the Swift package will be downloaded from.
    #[arg(long, default_value = swift::URL)]
    url: String,
}

/// `cargo xtask release`.
pub(super) fn all(options: &Everything) -> Result<()> {
    let wants = |part| options.only.is_empty() || options.only.contains(&part);
    agree()?;
    match dated(&std::fs::read_to_string("CHANGELOG.md")?, VERSION) {
        Ok(date) => println!("── version {VERSION} of {date}"),
        Err(why) if options.dry_run => println!("── version {VERSION}, which is not to be published: {why}"),
        Err(why) => bail!(why),
    }
    let changed = output(Command::new("git").args(["status", "--porcelain"]))?;
    let is_committed = changed.trim().is_empty();
    ensure!(is_committed || options.dry_run, "commit first, because the files are dated by the commit:\n{changed}");
    let missing = missing(wants(Part::Swift), wants(Part::Maven));
    for what in &missing {
        println!("── {what}");
    }
    ensure!(
        missing.is_empty() || options.host_only,
        "this machine cannot build all of the release; `--host-only` leaves this out:\n{}",
        missing.join("\n")
    );
    let out = match &options.out {
        Some(out) => out.clone(),
        None => target()?.join(format!("throughline-{VERSION}")),
    };
    std::fs::create_dir_all(&out)?;
    let out = std::path::absolute(out)?;
    let sums = write(options, &out)?;
    if options.twice {
        forget()?;
        differs_not(&sums, &write(options, &out)?)?;
    }
    println!("── {}: {} files of version {VERSION}, with SHA256SUMS", out.display(), sums.lines().count());
    Ok(())
}

/// What this machine cannot build, and why.
fn missing(swift: bool, maven: bool) -> Vec<String> {
    let mut missing = Vec::new();
    if swift && !cfg!(target_os = "macos") {
        missing.push("the XCFramework, except its part for iOS devices: Apple's SDKs are on a Mac alone".to_owned());
    }
    if let (true, Err(why)) = (maven, ndk()) {
        missing.push(format!("the native libraries for Android: {why}"));
    }
    missing
}

/// Writes the parts, and the checksums of all files.
fn write(options: &Everything, out: &Path) -> Result<String> {
    let wants = |part| options.only.is_empty() || options.only.contains(&part);
    if wants(Part::Swift) {
        swift::release(&out.join("swift"), &options.url)?;
    }
    if wants(Part::Maven) {
        let native = if options.host_only { Native::None } else { Native::All };
        kotlin::release(Some(&out.join("maven")), native)?;
    }
    if wants(Part::Npm) {
        parts::npm(&out.join("npm"))?;
    }
    if wants(Part::Crates) {
        parts::crates(&out.join("crates"), options.dry_run)?;
    }
    if wants(Part::Cli) {
        parts::cli(&out.join("cli"))?;
    }
    if wants(Part::Sbom) {
        let file = out.join(format!("throughline-{VERSION}.cdx.json"));
        sbom::write(&file)?;
        sbom::validate(&file)?;
    }
    files::sums(out)
}

/// Removes what Cargo has compiled of this repository, so that it is compiled again. What it has
/// compiled of others stays.
fn forget() -> Result<()> {
    for (folder, profiles) in [(target()?, &["shipped", "release"][..]), (target()?.join("ios"), &["shipped"])] {
        for profile in profiles {
            let mut clean = cargo(&["clean", "--quiet", "--profile", profile, "--target-dir"]);
            clean.arg(&folder);
            for package in ["throughline", "throughline-crash-writer", "throughline-ffi", "throughline-cli"] {
                clean.args(["--package", package]);
            }
            crate::steps::step(&format!("forgetting what was compiled ({profile})"), &mut clean)?;
        }
    }
    Ok(())
}

/// Fails if a file has another checksum, or is not there.
fn differs_not(first: &str, second: &str) -> Result<()> {
    let has = |sums: &str, line: &str| sums.lines().any(|other| other == line);
    let name = |line: &str| line.split_once("  ").map(|(_, name)| name.to_owned());
    let other: Vec<String> = first.lines().filter(|line| !has(second, line)).filter_map(name).collect();
    let more: Vec<String> = second.lines().filter(|line| !has(first, line)).filter_map(name).collect();
    ensure!(other.is_empty() && more.is_empty(), "a second run has written other files: {other:?}, {more:?}");
    println!("── a second run has written the same {} files", first.lines().count());
    Ok(())
}

/// Packs what needs no build twice, and fails if a checksum is another one.
pub(crate) fn same_twice() -> Result<()> {
    let out = target()?.join("release-twice");
    let _ = std::fs::remove_dir_all(&out);
    let write = |name: &str| {
        let options = Everything {
            out: None,
            host_only: true,
            dry_run: true,
            twice: false,
            only: vec![Part::Crates, Part::Sbom],
            url: swift::URL.to_owned(),
        };
        agree()?;
        let folder = out.join(name);
        std::fs::create_dir_all(&folder)?;
        write(&options, &std::path::absolute(folder)?)
    };
    differs_not(&write("first")?, &write("second")?).context("the release is not reproducible")
}

#[cfg(test)]
mod tests {
    use super::differs_not;

    #[test]
    fn a_release_that_is_another_one_on_another_day_is_noticed() {
        let first = "aa  crates/a.crate\nbb  npm/b.tgz\n";
        assert!(differs_not(first, first).is_ok());
        for second in ["aa  crates/a.crate\ncc  npm/b.tgz\n", "aa  crates/a.crate\n", &format!("{first}dd  d\n")] {
            let said = differs_not(first, second).map_err(|error| error.to_string());
            assert!(said.is_err_and(|said| said.contains("npm/b.tgz") || said.contains("\"d\"")), "{second}");
        }
    }
}
