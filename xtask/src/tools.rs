//! Tools that the repository needs and a machine may lack: where they are found, and how they are
//! installed.
//!
//! What is installed goes to the user's cache directory, where every checkout finds it, or comes
//! from Debian's packages, which needs root.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::libraries::WORKSPACE;
use crate::steps::{cargo, run, step};

/// The version of cargo-deny that is installed when there is none.
const CARGO_DENY: &str = "0.20.2";

/// The Debian release that has Swift 6.0, and the version that it has.
const SWIFT_ROOT: &str = "swift-root-trixie-6.0.3";

/// The release of Zig whose copy of Apple's C headers is used.
const ZIG: &str = "0.17.1";

/// The crate that carries the source of Hermes 1.0, and its version.
const HERMES: (&str, &str) = ("hermes-engine", "0.0.1");

/// The npm package that carries the source of React Native's generator, and its version, which
/// `package-lock.json` has too.
const REACT_NATIVE_GENERATOR: (&str, &str) = ("uniffi-bindgen-react-native", "0.31.0-5");

/// The PyPI package that has the code of Relay, Sentry's receiver, and its version.
const RELAY: (&str, &str) = ("sentry-relay", "0.10.1");

/// The PyPI package that has the schemas of CycloneDX, and its version.
const CYCLONEDX: (&str, &str) = ("cyclonedx-python-lib", "11.12.0");

/// The directory that keeps tools across checkouts.
pub(crate) fn cache() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"));
    Ok(base.or_else(home).context("neither XDG_CACHE_HOME nor HOME is set")?.join("throughline"))
}

/// Whether a program is on the path and works.
pub(crate) fn works(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// cargo-deny from the path or from the cache, if it is on the machine.
pub(crate) fn cargo_deny() -> Result<Option<PathBuf>> {
    if works("cargo-deny") {
        return Ok(Some("cargo-deny".into()));
    }
    let cached = cache()?.join(format!("cargo-deny-{CARGO_DENY}/bin/cargo-deny"));
    Ok(cached.exists().then_some(cached))
}

/// cargo-deny, compiled if it is not on the machine. That takes 5 to 15 minutes.
pub(crate) fn installed_cargo_deny() -> Result<PathBuf> {
    if let Some(found) = cargo_deny()? {
        return Ok(found);
    }
    let root = cache()?.join(format!("cargo-deny-{CARGO_DENY}"));
    let text = root.to_str().context("the cache directory's path is not UTF-8")?;
    run("installing cargo-deny", &["install", "cargo-deny", "--locked", "--version", CARGO_DENY, "--root", text])?;
    Ok(root.join("bin/cargo-deny"))
}

/// The root of a Debian system with Swift, which is made on first use.
pub(crate) fn swift_root() -> Result<PathBuf> {
    let root = cache()?.join(SWIFT_ROOT);
    // A symbolic link whose target exists only inside the root.
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

/// The folder with the source and the build of Hermes, which is built on first use. That takes 20
/// minutes of a processor.
pub(crate) fn hermes() -> Result<PathBuf> {
    let (krate, version) = HERMES;
    let root = cache()?.join(format!("hermes-{version}"));
    if root.exists() {
        return Ok(root);
    }
    ensure_program("cmake", &["cmake"])?;
    ensure_program("ninja", &["ninja-build"])?;
    ensure_program("c++", &["g++"])?;
    ensure_library("libicuuc.so", &["libicu-dev"])?;
    let unfinished = cache()?.join(format!("hermes-{version}.unfinished"));
    let _ = std::fs::remove_dir_all(&unfinished);
    std::fs::create_dir_all(unfinished.join("src"))?;
    let manifest = format!(
        "[package]\nname = \"source\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n\
         [dependencies]\n{krate} = \"={version}\"\n\n[workspace]\n"
    );
    std::fs::write(unfinished.join("Cargo.toml"), manifest)?;
    std::fs::write(unfinished.join("src/lib.rs"), "")?;
    step("source of Hermes", cargo(&["vendor", "--quiet", "vendor"]).current_dir(&unfinished))?;
    std::fs::rename(unfinished.join("vendor").join(krate).join("hermes-vendor"), unfinished.join("source"))?;
    std::fs::remove_dir_all(unfinished.join("vendor"))?;
    let options = [
        "-DCMAKE_BUILD_TYPE=Release",
        "-DHERMES_ENABLE_DEBUGGER=OFF",
        "-DHERMES_ENABLE_INTL=OFF",
        "-DHERMES_BUILD_SHARED_JSI=OFF",
        "-DHERMES_ENABLE_TEST_SUITE=OFF",
    ];
    let mut configure = Command::new("cmake");
    configure.current_dir(&unfinished).args(["-S", "source", "-B", "build", "-G", "Ninja", "-Wno-dev"]).args(options);
    step("configuring Hermes", &mut configure)?;
    let mut build = Command::new("ninja");
    build.current_dir(&unfinished).args(["-C", "build", "hermesvm_a", "jsi", "hermesapi", "boost_context", "hermesc"]);
    step("building Hermes, once (10 to 20 minutes)", &mut build)?;
    std::fs::rename(&unfinished, &root)?;
    Ok(root)
}

/// The program that generates the bindings of React Native, which is compiled on first use from the
/// installed npm packages. That takes 3 minutes.
pub(crate) fn react_native_generator() -> Result<PathBuf> {
    let (package, version) = REACT_NATIVE_GENERATOR;
    let root = cache()?.join(format!("{package}-{version}"));
    let program = root.join("bin").join(package);
    if program.exists() {
        return Ok(program);
    }
    let source = Path::new(WORKSPACE).join("node_modules").join(package);
    let manifest = std::fs::read_to_string(source.join("package.json")).context("the npm packages are missing")?;
    ensure!(manifest.contains(&format!("\"version\": \"{version}\"")), "{package} is not version {version}");
    let mut install = cargo(&["install", "--quiet", "--debug", "--root"]);
    install.arg(&root).arg("--path").arg(source.join("crates/ubrn_cli"));
    step("generator for React Native, once (3 minutes)", &mut install)?;
    Ok(program)
}

/// The Python that has Relay's library, which is installed on first use.
pub(crate) fn relay() -> Result<PathBuf> {
    python("Relay", RELAY, "")
}

/// The Python that has CycloneDX' own library with its schemas, which is installed on first use.
pub(crate) fn cyclonedx() -> Result<PathBuf> {
    python("CycloneDX", CYCLONEDX, "[json-validation]")
}

/// A Python that has a package with its `extras`.
fn python(name: &str, (package, version): (&str, &str), extras: &str) -> Result<PathBuf> {
    let root = cache()?.join(format!("{package}-{version}"));
    let (python, complete) = (root.join("bin/python"), root.join("complete"));
    if complete.exists() {
        return Ok(python);
    }
    ensure_program("python3", &["python3", "python3-venv"])?;
    // The programs of such an environment hold its path, so it is made where it stays, and a file
    // tells whether it is complete.
    let _ = std::fs::remove_dir_all(&root);
    std::fs::create_dir_all(cache()?)?;
    step(&format!("Python for {name}"), Command::new("python3").args(["-m", "venv"]).arg(&root))?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", &format!("{package}{extras}=={version}")]);
    step(&format!("library of {name}"), &mut install)?;
    std::fs::write(complete, "")?;
    Ok(python)
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

/// A tool of LLVM. Debian's names have the version. On a Mac it is the one that cargo-binutils
/// calls: Apple's tools of these names lack options that we need.
pub(crate) fn llvm(name: &str) -> Command {
    if cfg!(target_os = "macos") {
        Command::new(name.replace("llvm-", "rust-"))
    } else {
        Command::new(format!("{name}-19"))
    }
}

/// Installs Debian packages if a program is missing.
pub(crate) fn ensure_program(program: &str, packages: &[&str]) -> Result<()> {
    if Command::new(program).arg("--version").output().is_ok() {
        return Ok(());
    }
    install(program, packages)
}

/// Installs Debian packages if a shared library is missing.
pub(crate) fn ensure_library(library: &str, packages: &[&str]) -> Result<()> {
    let known = Command::new("/sbin/ldconfig").arg("-p").output();
    if !cfg!(target_os = "linux") || known.is_ok_and(|known| String::from_utf8_lossy(&known.stdout).contains(library)) {
        return Ok(());
    }
    install(library, packages)
}

pub(crate) fn install(missing: &str, packages: &[&str]) -> Result<()> {
    // A new machine has no package lists, and an old one has old lists. Without a network the
    // installation itself says what is wrong.
    let _ = step("package lists", Command::new("apt-get").arg("update"));
    let mut install = Command::new("apt-get");
    install.args(["install", "-y", "--no-install-recommends"]).args(packages);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    step(&format!("installing {missing}"), &mut install)
        .with_context(|| format!("`{missing}` is missing and could not be installed: install {}", packages.join(", ")))
}

/// A path between quotation marks, for a shell script.
pub(crate) fn quoted(path: &Path) -> Result<String> {
    let text = path.to_str().context("a path is not UTF-8")?;
    ensure!(!text.contains('\''), "a path contains a quotation mark: {text}");
    Ok(format!("'{text}'"))
}
