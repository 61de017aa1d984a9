//! The library for iOS.
//!
//! On Debian it is built with a Rust that compiles its own standard library, and with Apple's C
//! headers as the Zig project carries them. On a Mac `release/swift.rs` builds it with Apple's SDK.
//! Debian's is enough for a static library, and for linking a program to see that it links and how
//! large it is. The program cannot be run there.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::archive::prefix;
use crate::libraries::{ARCHIVE, target};
use crate::steps::step;
use crate::tools::{ios_sdk, llvm};

const TARGET: &str = "aarch64-apple-ios";

/// The targets that the crash handlers for Apple are checked for. Nobody has run them, and
/// nothing enables them.
const CRASH_TARGETS: [&str; 4] = [TARGET, "aarch64-apple-ios-sim", "x86_64-apple-ios", "aarch64-apple-darwin"];

/// `cargo xtask ios`.
pub(crate) fn ios() -> Result<()> {
    let archive = library(&[])?;
    check_beside_others(&archive)?;
    check_crash_handlers()?;
    let sources = Path::new("bindings/swift/Sources/ThroughlineFFI");
    for file in ["door", "frames", "process"] {
        let object = target()?.join("ios").join(file).with_extension("o");
        compile(&sources.join(file).with_extension("c"), &object)?;
    }
    println!("── {}: {} KiB", archive.display(), std::fs::metadata(&archive)?.len() / 1_024);
    Ok(())
}

/// Builds the archive as it is shipped, on Debian. Its global symbols are ours.
pub(crate) fn library(features: &[&str]) -> Result<PathBuf> {
    let out = target()?.join("ios");
    let mut build = cargo(&["rustc", "--profile", "shipped"])?;
    build.args(["--package", "throughline-ffi", "--lib", "--crate-type", "staticlib", "--target-dir"]).arg(&out);
    step("iOS library", build.args(features))?;
    let shipped = out.join(ARCHIVE);
    prefix(&out.join(TARGET).join("shipped").join(ARCHIVE), &shipped)?;
    Ok(shipped)
}

/// Debian's Cargo, building for iOS.
fn cargo(arguments: &[&str]) -> Result<Command> {
    let sdk = ios_sdk()?;
    let mut build = debian();
    build.args(arguments).args(["--quiet", "-Zbuild-std=std,panic_unwind", "--target", TARGET]);
    build.env("PATH", format!("{}:/usr/bin:/bin", sdk.join("bin").display())).env("SDKROOT", &sdk);
    build.env("IPHONEOS_DEPLOYMENT_TARGET", "15.0");
    build.env("CC_aarch64_apple_ios", "clang-19").env("AR_aarch64_apple_ios", "llvm-ar-19");
    build.env("CFLAGS_aarch64_apple_ios", format!("-isysroot {}", sdk.display()));
    Ok(build)
}

/// Debian's Cargo, with a Rust that compiles its own standard library.
fn debian() -> Command {
    let mut cargo = Command::new("/usr/bin/cargo");
    cargo.env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1").env_remove("RUSTUP_TOOLCHAIN");
    cargo
}

/// Type-checks the crash handlers, which are off in every build.
fn check_crash_handlers() -> Result<()> {
    let out = target()?.join("ios");
    for triple in CRASH_TARGETS {
        let mut check = debian();
        check.args(["check", "--quiet", "-Zbuild-std=core", "--target", triple, "--target-dir"]).arg(&out);
        check.args(["--package", "throughline-crash-writer", "--features", "apple"]);
        step(&format!("crash handlers for {triple}"), &mut check)?;
    }
    Ok(())
}

/// Links an app that has another SQLite and another Rust library beside ours.
fn check_beside_others(archive: &Path) -> Result<()> {
    let out = target()?.join("ios");
    let mut build = cargo(&["build", "--release", "--manifest-path", "tests/linking/other/Cargo.toml"])?;
    step("another Rust library", build.arg("--target-dir").arg(out.join("other")))?;
    let other = out.join("other").join(TARGET).join("release/libother.a");
    link(Path::new("tests/linking/main.c"), &[archive, &other], &out.join("app"))
}

/// Compiles and links a program. Symbols of the system's libraries stay undefined.
pub(crate) fn link(source: &Path, archives: &[&Path], program: &Path) -> Result<()> {
    let object = program.with_extension("o");
    compile(source, &object)?;
    let mut link = llvm("ld64.lld");
    link.args(["-arch", "arm64", "-platform_version", "ios", "15.0", "17.0", "-undefined", "dynamic_lookup"]);
    link.args(["-dead_strip", "-x"]).arg(object).args(archives).arg("-o").arg(program);
    step("linked", &mut link)
}

/// Compiles C against Apple's headers, and those in the folder `include` beside the source.
fn compile(source: &Path, object: &Path) -> Result<()> {
    let mut compile = llvm("clang");
    compile.args(["-target", "arm64-apple-ios15.0", "-Wall", "-isysroot"]).arg(ios_sdk()?);
    compile.arg("-I").arg(source.with_file_name("include")).arg("-c").arg(source);
    step(&source.display().to_string(), compile.arg("-o").arg(object))
}
