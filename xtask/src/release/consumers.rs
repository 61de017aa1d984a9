//! Apps that have Throughline from the published repository alone, outside the checkout.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::inspector::Inspector;
use crate::libraries::target;
use crate::steps::{run, step_with_output};
use crate::tools::ensure_program;

/// The apps. Their sources are copied, so that nothing of the checkout is beside them.
const APPS: &str = "bindings/kotlin/adopter";

/// The versions that fit together. An archive for Android without libraries fits nothing.
const BOM: &str = concat!(
    "throughline-maven/dev/throughline/throughline-bom/",
    env!("CARGO_PKG_VERSION"),
    "/throughline-bom-",
    env!("CARGO_PKG_VERSION"),
    ".pom"
);

/// Builds and runs an app by Maven and one by Gradle, and looks for what they sent.
pub(super) fn consumers(outside: &Outside) -> Result<()> {
    let inspector = Inspector::start(0)?;
    // Where the guide has published the artifacts.
    let repository = format!("file://{}", outside.0.join("throughline-maven").display());
    by_maven(outside, &inspector, &repository)?;
    by_gradle(outside, &inspector, &repository)?;
    let bom = std::fs::read_to_string(outside.0.join(BOM))?;
    ensure!(bom.contains("throughline-okhttp") && !bom.contains("throughline-android"), "an app would get {bom}");
    let sessions = inspector.get("/api/sessions")?;
    for app in ["adopter-maven", "adopter-gradle"] {
        ensure!(sessions.contains(app), "nothing of {app} has arrived");
    }
    Ok(())
}

/// The oldest compiler of Kotlin and the oldest Java, beside another SQLite and another Rust
/// library.
fn by_maven(outside: &Outside, inspector: &Inspector, repository: &str) -> Result<()> {
    let folder = outside.copied("maven")?;
    let other = other_library()?;
    let data = outside.0.join("data");
    let arguments = format!("-Dexec.args={} {} {}", inspector.collector, data.display(), other.display());
    let mut maven = outside.command("mvn");
    maven.current_dir(&folder).args(["--batch-mode", "--quiet", "compile", "exec:java"]);
    maven.arg(format!("-Drepository={repository}")).arg(arguments);
    let said = step_with_output("an app by Maven", &mut maven)?;
    ensure!(said.contains("adopted: complete true"), "the app has not sent everything");
    Ok(())
}

/// Another static Rust library, linked as one that a JVM can load.
fn other_library() -> Result<PathBuf> {
    let manifest = "tests/linking/other/Cargo.toml";
    let folder = target()?.join("archive/other");
    let text = folder.to_str().context("a path is not UTF-8")?;
    let build = ["rustc", "--quiet", "--release", "--crate-type", "cdylib", "--manifest-path", manifest];
    run("another Rust library for the JVM", &[&build[..], &["--target-dir", text]].concat())?;
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    Ok(std::path::absolute(folder.join(format!("release/{prefix}other{suffix}")))?)
}

fn by_gradle(outside: &Outside, inspector: &Inspector, repository: &str) -> Result<()> {
    ensure_program("gradle", &["gradle"])?;
    let folder = outside.copied("gradle")?;
    let mut gradle = outside.command("gradle");
    gradle.current_dir(&folder).args(["--no-daemon", "--quiet", "run", "archiveFiles"]);
    gradle.env("ADOPTER_REPOSITORY", repository).env("ADOPTER_COLLECTOR", &inspector.collector);
    gradle.env("ADOPTER_DATA", outside.0.join("data-gradle"));
    let said = step_with_output("an app by Gradle", &mut gradle)?;
    ensure!(said.contains("adopted: complete true"), "the app has not sent everything");
    let files: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("archive: ")).collect();
    let has = |start: &str, end: &str| files.iter().any(|file| file.starts_with(start) && file.ends_with(end));
    ensure!(has("throughline-android-", ".aar") && has("throughline-core-", ".jar"), "an Android app gets {files:?}");
    ensure!(has("jna-", ".aar") && !has("jna-", ".jar"), "an Android app gets JNA as {files:?}");
    ensure!(!files.iter().any(|file| file.contains("native-")), "an Android app gets a desktop's library: {files:?}");
    Ok(())
}

/// A folder outside the checkout that is the home of whoever works there. It has what Maven has
/// already fetched, except what is ours.
pub(crate) struct Outside(pub(crate) PathBuf);

impl Outside {
    pub(crate) fn new() -> Result<Self> {
        let root = std::env::temp_dir().join(format!("throughline-adopters-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        let outside = Self(root);
        let (from, to) = (home()?.join(".m2"), outside.0.join(".m2"));
        std::fs::create_dir_all(from.join("repository"))?;
        link_all(&from.join("repository"), &to.join("repository"), &["dev"])?;
        link_all(&from.join("repository/dev"), &to.join("repository/dev"), &["throughline"])?;
        if from.join("settings.xml").exists() {
            std::os::unix::fs::symlink(from.join("settings.xml"), to.join("settings.xml"))?;
        }
        Ok(outside)
    }

    /// A copy of the app of a build tool.
    fn copied(&self, tool: &str) -> Result<PathBuf> {
        let to = self.0.join(tool);
        let status = Command::new("cp").arg("-r").arg(Path::new(APPS).join(tool)).arg(&to).status()?;
        ensure!(status.success(), "the app for {tool} could not be copied");
        Ok(to)
    }

    /// A command whose home is this folder, and whose Rust is the one of this machine.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let root = self.0.display();
        command.env("HOME", &self.0);
        command.env("JAVA_TOOL_OPTIONS", format!("-Duser.home={root} -Djava.io.tmpdir={root}"));
        // Cargo adds its own folders, where a library lies that is not the one of the artifacts.
        command.env_remove("LD_LIBRARY_PATH").env_remove("DYLD_FALLBACK_LIBRARY_PATH");
        for (variable, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup"), ("XDG_CACHE_HOME", ".cache")] {
            if let (None, Ok(home)) = (std::env::var_os(variable), home()) {
                command.env(variable, home.join(folder));
            }
        }
        command
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn home() -> Result<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from).context("HOME is not set")
}

/// Links what a folder has from another folder, except some names.
fn link_all(from: &Path, to: &Path, except: &[&str]) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).into_iter().flatten() {
        let entry = entry?;
        if except.iter().all(|name| entry.file_name() != *name) {
            std::os::unix::fs::symlink(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
