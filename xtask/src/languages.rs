//! Swift and Kotlin: generated code, and tests in their own runtimes.
//!
//! What is not on the machine is installed: Maven by the system's package manager, Swift as a Debian root under the user's
//! cache directory, which is entered by `chroot` (needs root). A `swift` on the path is used as it is.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::package::localized;
use crate::{Language, cache, cargo, run, step};

/// The Debian release that has Swift 6.0 and the version that it has.
const SWIFT_ROOT: &str = "swift-root-trixie-6.0.3";

/// The release of Zig whose copy of Apple's C headers is used.
const ZIG: &str = "0.17.1";

/// A generated file: what the generator calls it, and where it lies.
const GENERATED: [(&str, &str, &str); 3] = [
    (
        "kotlin",
        "dev/throughline/internal/ffi/throughline.kt",
        "bindings/kotlin/core/src/main/kotlin/dev/throughline/internal/ffi/throughline.kt",
    ),
    (
        "swift",
        "ThroughlineFFIGenerated.swift",
        "bindings/swift/Sources/ThroughlineFFIGenerated/ThroughlineFFIGenerated.swift",
    ),
    ("swift", "ThroughlineFFI.h", "bindings/swift/Sources/ThroughlineFFI/include/ThroughlineFFI.h"),
];

/// Writes the generated code, or with `check` fails where it differs.
pub(crate) fn bindings(check: bool) -> Result<()> {
    run("library for the generator", &["build", "--quiet", "--package", "throughline-ffi"])?;
    let out = target()?.join("generated");
    for language in ["swift", "kotlin"] {
        let library = target()?.join("debug").join(if cfg!(target_os = "macos") {
            "libthroughline_ffi.dylib"
        } else {
            "libthroughline_ffi.so"
        });
        let mut generator = cargo(&["run", "--quiet", "--package", "throughline-ffi", "--features", "bindgen", "--"]);
        generator.args(["generate", "--no-format", "--language", language, "--config", "uniffi/uniffi.toml"]);
        generator.arg("--library").arg(library).arg("--out-dir").arg(out.join(language));
        step(&format!("{language} bindings"), &mut generator)?;
    }
    for (language, file, place) in GENERATED {
        let fresh = std::fs::read_to_string(out.join(language).join(file))?;
        if !check {
            std::fs::write(place, fresh)?;
        } else {
            let known = std::fs::read_to_string(place).with_context(|| format!("{place} is missing"))?;
            ensure!(known == fresh, "{place} is old: run `cargo xtask bindings` and commit it");
        }
    }
    // On Android a check at every first call would cost 5 to 10 ms.
    let kotlin = std::fs::read_to_string(GENERATED[0].2)?;
    ensure!(!kotlin.contains("uniffi_throughline_checksum_method"), "the Kotlin code checks checksums");
    Ok(())
}

pub(crate) fn target() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?;
    Ok(std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from))
}

/// How the libraries are built.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Build {
    /// As they are shipped.
    Shipped,
    /// With panics on demand.
    Testing,
}

/// The libraries in the shipped profile, and the inspector.
pub(crate) fn libraries(build: Build) -> Result<PathBuf> {
    let mut arguments = vec!["build", "--quiet", "--profile", "shipped", "--package", "throughline-ffi"];
    if build == Build::Testing {
        arguments.extend(["--features", "testing"]);
    }
    run("libraries for Swift and Kotlin", &arguments)?;
    run("inspector", &["build", "--quiet", "--package", "throughline-cli"])?;
    Ok(target()?.join("shipped"))
}

/// Runs Maven in `bindings/kotlin`: `test`, or a goal with options.
pub(crate) fn kotlin(build: Build, arguments: &[&str]) -> Result<()> {
    ensure_program("mvn", &["maven", "default-jdk-headless"])?;
    // Compose draws with it, without a display.
    ensure_library("libGL.so.1", &["libgl1", "libfontconfig1"])?;
    let library = libraries(build)?.join(if cfg!(target_os = "macos") {
        "libthroughline_ffi.dylib"
    } else {
        "libthroughline_ffi.so"
    });
    // The compiler leaves classes behind whose source is gone, and a package would ship them.
    for module in ["core", "androidx", "android", "compose"] {
        let _ = std::fs::remove_dir_all(format!("bindings/kotlin/{module}/target/classes"));
    }
    let mut maven = Command::new("mvn");
    maven.current_dir("bindings/kotlin").args(["--batch-mode", "--quiet"]).args(arguments);
    maven.arg(format!("-Dthroughline.library={}", library.display()));
    maven.arg(format!("-Dthroughline.cli={}", target()?.join("debug/throughline").display()));
    step(&format!("kotlin {}", arguments.join(" ")), &mut maven)
}

/// Runs `swift` with arguments in a package of the repository.
pub(crate) fn swift(build: Build, package: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let libraries = libraries(build)?;
    // A folder with the static library alone: beside a shared one the linker would take that.
    let linked = linked()?;
    std::fs::create_dir_all(&linked)?;
    let (built, shipped) = (libraries.join("libthroughline_ffi.a"), linked.join("libthroughline_ffi.a"));
    if cfg!(target_os = "macos") {
        std::fs::copy(built, shipped)?;
    } else {
        localized(&built, &shipped)?;
    }
    // One that still runs, left behind by a killed test, cannot be written over; it can be replaced.
    let inspector = linked.join("throughline");
    let _ = std::fs::remove_file(&inspector);
    std::fs::copy(target()?.join("debug/throughline"), inspector)?;
    // SwiftPM does not see that the library has changed: without its product it links again.
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
    let name = format!("swift {package} {}", arguments.join(" "));
    step(&name, with_swift(package, &script, environment)?.args(rest))
}

/// Compiles what is for Apple's systems alone against declarations of theirs; after `swift` has built the package.
pub(crate) fn declarations() -> Result<()> {
    if cfg!(target_os = "macos") {
        return Ok(());
    }
    let package = "bindings/swift";
    let modules = format!("\"$THROUGHLINE_LIBRARY_DIR/{}/release/Modules\"", scratch(package));
    let script = format!("exec sh Declarations/check.sh {modules} \"$THROUGHLINE_LIBRARY_DIR/declarations\"");
    step("swift for UIKit and SwiftUI", &mut with_swift(package, &script, &[])?)
}

/// The folder that Swift's packages are linked from and built in.
fn linked() -> Result<PathBuf> {
    Ok(target()?.join("swift"))
}

/// Where a package is built.
fn scratch(package: &str) -> String {
    format!("build-{}", package.replace('/', "-"))
}

/// A shell script where Swift is, in a folder of the repository; `$THROUGHLINE_LIBRARY_DIR` is the folder of [`linked`].
fn with_swift(folder: &str, script: &str, environment: &[(&str, &str)]) -> Result<Command> {
    let linked = linked()?;
    if Command::new("swift").arg("--version").output().is_ok_and(|output| output.status.success()) {
        let mut shell = Command::new("sh");
        shell.current_dir(folder).args(["-c", script, "swift"]);
        shell.env("THROUGHLINE_LIBRARY_DIR", &linked).env("THROUGHLINE_CLI", linked.join("throughline"));
        shell.envs(environment.iter().copied());
        return Ok(shell);
    }
    let root = swift_root()?;
    let checkout = std::env::current_dir()?;
    // Mounts in a namespace of their own: nothing is left behind, whatever happens.
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

fn quoted(path: &Path) -> Result<String> {
    let text = path.to_str().context("a path is not UTF-8")?;
    ensure!(!text.contains('\''), "a path has a quotation mark: {text}");
    Ok(format!("'{text}'"))
}

/// A Debian with Swift, made once.
fn swift_root() -> Result<PathBuf> {
    let root = cache()?.join(SWIFT_ROOT);
    // A link that leads nowhere from outside.
    if root.join("usr/bin/swift").is_symlink() {
        return Ok(root);
    }
    if !cfg!(target_os = "linux") {
        bail!("Swift is missing: install Xcode");
    }
    ensure_program("debootstrap", &["debootstrap"])?;
    let unfinished = cache()?.join(format!("{SWIFT_ROOT}.unfinished"));
    let _ = std::fs::remove_dir_all(&unfinished);
    std::fs::create_dir_all(cache()?)?;
    step("Debian for Swift", Command::new("debootstrap").args(["--variant=minbase", "trixie"]).arg(&unfinished))?;
    let script = format!(
        "set -e
         root={}
         mount -t proc proc $root/proc
         mount --rbind /dev $root/dev
         cp /etc/resolv.conf $root/etc/resolv.conf || true
         chroot $root apt-get install -y --no-install-recommends swiftlang libc6-dev libstdc++-14-dev g++ ca-certificates
         chroot $root apt-get clean",
        quoted(&unfinished)?
    );
    step("Swift 6.0", Command::new("unshare").args(["--mount", "sh", "-c", &script]))?;
    std::fs::rename(&unfinished, &root)?;
    Ok(root)
}

/// Installs Debian packages when a program is missing.
fn ensure_program(program: &str, packages: &[&str]) -> Result<()> {
    if Command::new(program).arg("--version").output().is_ok() {
        return Ok(());
    }
    install(program, packages)
}

/// Installs Debian packages when a shared library is missing.
fn ensure_library(library: &str, packages: &[&str]) -> Result<()> {
    let known = Command::new("/sbin/ldconfig").arg("-p").output();
    if !cfg!(target_os = "linux") || known.is_ok_and(|known| String::from_utf8_lossy(&known.stdout).contains(library)) {
        return Ok(());
    }
    install(library, packages)
}

fn install(missing: &str, packages: &[&str]) -> Result<()> {
    // A new machine has no lists of packages yet, or old ones.
    let _ = step("package lists", Command::new("apt-get").arg("update"));
    let mut install = Command::new("apt-get");
    install.args(["install", "-y", "--no-install-recommends"]).args(packages);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    step(&format!("installing {missing}"), &mut install)
        .with_context(|| format!("`{missing}` is missing and could not be installed: install {}", packages.join(", ")))
}

/// Runs a sample app against the inspector and the sample backend. Both stay until Ctrl-C, unless it is for `once`.
pub(crate) fn example(language: Language, once: bool) -> Result<()> {
    let port = if once { "0" } else { "4318" };
    run("inspector", &["build", "--quiet", "--package", "throughline-cli"])?;
    let mut inspector = Inspector(
        Command::new(target()?.join("debug/throughline"))
            .args(["inspect", "--json", "--sample-backend", "--port", port])
            .stdout(Stdio::piped())
            .spawn()
            .context("the inspector")?,
    );
    let mut line = String::new();
    BufReader::new(inspector.0.stdout.take().context("the inspector says nothing")?).read_line(&mut line)?;
    let said: serde_json::Value = serde_json::from_str(&line).context("the inspector did not start")?;
    let address = |key: &str| said.get(key).and_then(|value| value.as_str()).context("the inspector says no address");
    let (collector, backend) = (address("url")?, address("backend")?);
    match language {
        Language::Rust => run("quickstart", &["run", "--quiet", "--example", "quickstart"])?,
        Language::Kotlin => kotlin(
            Build::Testing,
            &[
                "--projects",
                "core,../../examples/kotlin",
                "--activate-profiles",
                "run",
                "process-classes",
                &format!("-Dexec.args={collector} {backend}"),
            ],
        )?,
        Language::Swift => {
            let app = ["run", "-c", "release", "-Xswiftc", "-enable-testing", "profile-app", collector, backend];
            swift(Build::Testing, "examples/swift/profile", &app, &[])?;
        }
    }
    if !once {
        println!("── {collector}/ has the session and its traces; Ctrl-C ends");
        inspector.0.wait()?;
    }
    Ok(())
}

/// A running inspector; it goes with us.
struct Inspector(Child);

impl Drop for Inspector {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Prints Kotlin's and Swift's rows of the bench.
pub(crate) fn bench() -> Result<()> {
    let main = ["test-compile", "exec:java", "-Dexec.mainClass=dev.throughline.BenchKt", "-Dexec.classpathScope=test"];
    kotlin(Build::Shipped, &[&["--projects", "core"][..], &main].concat())?;
    let tests = ["test", "-c", "release", "-Xswiftc", "-enable-testing", "--filter", "BenchTests"];
    swift(Build::Shipped, "bindings/swift", &tests, &[("THROUGHLINE_BENCH", "1")])
}

/// Apple's C headers and a stand-in for `xcrun`, laid out as an SDK.
pub(crate) fn ios_sdk() -> Result<PathBuf> {
    ensure_program("ld64.lld-19", &["rustc-web", "cargo-web", "rust-web-src", "clang-19", "llvm-19", "lld-19"])?;
    let sdk = cache()?.join(format!("ios-sdk-zig-{ZIG}"));
    if sdk.join("bin/xcrun").exists() {
        return Ok(sdk);
    }
    let wheel = cache()?.join("ziglang");
    let mut fetch = Command::new("pip");
    fetch.args(["install", "--quiet", "--no-deps", &format!("ziglang=={ZIG}"), "--target"]).arg(&wheel);
    step("Apple's C headers", &mut fetch)?;
    let zig = wheel.join("ziglang/lib/libc");
    std::fs::create_dir_all(sdk.join("usr/lib"))?;
    std::fs::create_dir_all(sdk.join("bin"))?;
    let mut copy = Command::new("cp");
    step("headers", copy.arg("-r").arg(zig.join("include/any-darwin-any")).arg(sdk.join("usr/include")))?;
    std::fs::copy(zig.join("darwin/libSystem.tbd"), sdk.join("usr/lib/libSystem.tbd"))?;
    std::fs::copy(zig.join("darwin/SDKSettings.json"), sdk.join("SDKSettings.json"))?;
    let xcrun =
        format!("#!/bin/sh\ncase \"$*\" in *--show-sdk-version*) echo 17.0 ;; *) echo {} ;; esac\n", quoted(&sdk)?);
    std::fs::write(sdk.join("bin/xcrun"), xcrun)?;
    step("xcrun", Command::new("chmod").arg("+x").arg(sdk.join("bin/xcrun")))?;
    Ok(sdk)
}
