//! The library for iOS.
//!
//! On a Mac with its own SDK, as an XCFramework. Elsewhere (Debian) with a Rust that rebuilds its standard library and Apple's C
//! headers as the Zig project carries them: enough for a static library and for linking a program to see that it links and how
//! large it is, not for running one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::languages::{self, target};
use crate::package::{MINIMAL, OURS, VARIANTS};
use crate::{run, step};

const TARGET: &str = "aarch64-apple-ios";
const ARCHIVE: &str = "libthroughline_ffi.a";

/// What the symbols of others are called in our archive.
const PREFIX: &str = "_throughline_private";

/// `cargo xtask ios`.
pub(crate) fn ios() -> Result<()> {
    if cfg!(target_os = "macos") {
        return framework();
    }
    let archive = library(&[])?;
    check_beside_others(&archive)?;
    let sources = Path::new("bindings/swift/Sources");
    for (folder, file) in [("ThroughlineFFI", "door"), ("ThroughlineProcess", "process")] {
        let object = target()?.join("ios").join(file).with_extension("o");
        compile(&sources.join(folder).join(file).with_extension("c"), &object)?;
    }
    println!("── {}: {} KiB", archive.display(), std::fs::metadata(&archive)?.len() / 1_024);
    Ok(())
}

/// The XCFramework for devices and simulators. Needs a Mac.
fn framework() -> Result<()> {
    let out = target()?.join("ios");
    let folder = out.to_string_lossy();
    let mut make = Command::new("xcodebuild");
    make.arg("-create-xcframework");
    for triple in [TARGET, "aarch64-apple-ios-sim"] {
        let build = ["build", "--profile", "shipped", "--package", "throughline-ffi", "--lib", "--target", triple];
        run(triple, &[&build[..], &["--target-dir", &folder]].concat())?;
        let shipped = out.join(triple).join(ARCHIVE);
        prefixed(&out.join(triple).join("shipped").join(ARCHIVE), &shipped)?;
        make.arg("-library").arg(shipped).args(["-headers", "bindings/swift/Sources/ThroughlineFFI/include"]);
    }
    let framework = out.join("ThroughlineFFI.xcframework");
    let _ = std::fs::remove_dir_all(&framework);
    step("XCFramework", make.arg("-output").arg(framework))
}

/// Prints how much of a minimal program is ours.
pub(crate) fn sizes() -> Result<()> {
    for (name, features) in VARIANTS {
        let archive = library(features)?;
        let dir = target()?.join("ios");
        let source = dir.join("minimal.c");
        std::fs::write(&source, MINIMAL)?;
        let program = dir.join("minimal");
        link(&source, &[&archive], &program)?;
        let text = said(tool("llvm-size").arg("-m").arg(&program))?;
        // A line per segment, indented; page zero has none.
        let totals = text.lines().filter_map(|line| line.strip_prefix("\ttotal ")?.parse::<u64>().ok());
        println!("| arm64 iOS, minimal program {name} | {} |", totals.sum::<u64>() / 1_024);
    }
    Ok(())
}

/// Builds the archive as it is shipped, with a Rust of Debian's.
fn library(features: &[&str]) -> Result<PathBuf> {
    let out = target()?.join("ios");
    let mut build = cargo(&["rustc", "--profile", "shipped"])?;
    build.args(["--package", "throughline-ffi", "--lib", "--crate-type", "staticlib", "--target-dir"]).arg(&out);
    step("iOS library", build.args(features))?;
    let shipped = out.join(ARCHIVE);
    prefixed(&out.join(TARGET).join("shipped").join(ARCHIVE), &shipped)?;
    let foreign: Vec<String> = globals(&shipped)?.into_iter().filter(|name| !is_ours(name)).collect();
    ensure!(foreign.is_empty(), "{} symbols are not ours: {foreign:?}", foreign.len());
    Ok(shipped)
}

/// Cargo for iOS without a Mac.
fn cargo(arguments: &[&str]) -> Result<Command> {
    let sdk = languages::ios_sdk()?;
    let mut build = Command::new("/usr/bin/cargo");
    build.args(arguments).args(["--quiet", "-Zbuild-std=std,panic_unwind", "--target", TARGET]);
    build.env("PATH", format!("{}:/usr/bin:/bin", sdk.join("bin").display())).env("SDKROOT", &sdk);
    build.env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1").env("IPHONEOS_DEPLOYMENT_TARGET", "15.0");
    build.env("CC_aarch64_apple_ios", "clang-19").env("AR_aarch64_apple_ios", "llvm-ar-19");
    build.env("CFLAGS_aarch64_apple_ios", format!("-isysroot {}", sdk.display()));
    build.env_remove("RUSTUP_TOOLCHAIN");
    Ok(build)
}

/// Makes an archive whose global symbols are ours: those of SQLite, ring and the Rust runtime get a prefix, for Mach-O objects
/// cannot be joined here to make them local.
fn prefixed(archive: &Path, out: &Path) -> Result<()> {
    let folder = out.with_extension("objects");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let members = said(tool("llvm-ar").arg("t").arg(archive))?;
    let names: BTreeSet<&str> = members.lines().collect();
    ensure!(names.len() == members.lines().count(), "two objects have one name");
    step("objects", tool("llvm-ar").arg("x").arg(archive).current_dir(&folder))?;
    let renamed = |name: &String| format!("{name} {PREFIX}{name}\n");
    let map: String = globals(archive)?.iter().filter(|name| !is_ours(name)).map(renamed).collect();
    std::fs::write(folder.join("symbols"), map)?;
    let mut join = tool("llvm-ar");
    join.arg("rcsD").arg(out).current_dir(&folder);
    for name in names {
        let mut rename = if cfg!(target_os = "macos") { Command::new("rust-objcopy") } else { tool("llvm-objcopy") };
        rename
            .current_dir(&folder)
            .args(["--strip-debug", "--redefine-syms=symbols", "--remove-section=__LLVM,__bitcode"])
            .arg(name);
        ensure!(rename.status().context("objcopy")?.success(), "{name} could not be renamed");
        join.arg(name);
    }
    let _ = std::fs::remove_file(out);
    step("private symbols", &mut join)?;
    std::fs::remove_dir_all(folder).context("removing the objects")
}

/// Names of the global symbols that an archive defines.
fn globals(archive: &Path) -> Result<BTreeSet<String>> {
    let text =
        said(tool("llvm-nm").args(["--defined-only", "--extern-only", "--format=posix", "--no-llvm-bc"]).arg(archive))?;
    let names: BTreeSet<String> = text
        .lines()
        .filter(|line| !line.ends_with(':'))
        .filter_map(|line| Some(line.split(' ').next()?.to_owned()))
        .collect();
    ensure!(names.contains("_throughline_record"), "the archive lacks the door");
    Ok(names.into_iter().filter(|name| !name.is_empty()).collect())
}

fn is_ours(name: &str) -> bool {
    name.starts_with(PREFIX)
        || OURS.iter().any(|prefix| name.strip_prefix('_').is_some_and(|name| name.starts_with(prefix)))
}

/// An app with another SQLite and another Rust library beside ours links.
fn check_beside_others(archive: &Path) -> Result<()> {
    let out = target()?.join("ios");
    let mut build = cargo(&["build", "--release", "--manifest-path", "tests/linking/other/Cargo.toml"])?;
    step("another Rust library", build.arg("--target-dir").arg(out.join("other")))?;
    let other = out.join("other").join(TARGET).join("release/libother.a");
    link(Path::new("tests/linking/main.c"), &[archive, &other], &out.join("app"))
}

/// Links a program. What the system's libraries have stays open.
fn link(source: &Path, archives: &[&Path], program: &Path) -> Result<()> {
    let object = program.with_extension("o");
    compile(source, &object)?;
    let mut link = tool("ld64.lld");
    link.args(["-arch", "arm64", "-platform_version", "ios", "15.0", "17.0", "-undefined", "dynamic_lookup"]);
    link.args(["-dead_strip", "-x"]).arg(object).args(archives).arg("-o").arg(program);
    step("linked", &mut link)
}

/// Compiles C against Apple's headers; it may have headers of its own beside it.
fn compile(source: &Path, object: &Path) -> Result<()> {
    let mut compile = tool("clang");
    compile.args(["-target", "arm64-apple-ios15.0", "-Wall", "-isysroot"]).arg(languages::ios_sdk()?);
    compile.arg("-I").arg(source.with_file_name("include")).arg("-c").arg(source);
    step(&source.display().to_string(), compile.arg("-o").arg(object))
}

/// A tool of LLVM.
fn tool(name: &str) -> Command {
    if cfg!(target_os = "macos") {
        Command::new(name.trim_start_matches("llvm-"))
    } else {
        Command::new(format!("{name}-19"))
    }
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
