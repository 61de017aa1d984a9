//! `cargo xtask`: one place for every command of the repository.
#![allow(clippy::print_stdout, reason = "a command line tool prints")]

mod ios;
mod languages;
mod package;

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand, ValueEnum};
use languages::Build;

/// The version that `lint` installs beside the checkout when it is absent.
const CARGO_DENY: &str = "0.20.2";

#[derive(Parser)]
#[command(name = "cargo xtask", about)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything that must hold: lints, tests in Rust, Kotlin and Swift, the README's commands, and the short tortures.
    Test {
        /// One language alone.
        #[arg(long, value_enum)]
        only: Option<Language>,
        /// Times that a recording process is killed in Kotlin and in Swift.
        #[arg(long, default_value_t = 5)]
        kills: u32,
    },
    /// Writes the generated Swift and Kotlin code.
    Bindings {
        /// Writes nothing; fails where the committed code differs.
        #[arg(long)]
        check: bool,
    },
    /// Formatting, clippy, documentation, licences and sources of dependencies.
    Lint,
    /// Measures the engine beside its peers, and prints one table.
    Bench {
        /// Also write the rows as JSON.
        #[arg(long)]
        json: Option<PathBuf>,
        /// Seconds of the paced recording; the figure is stated for 60.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Leave the peers out.
        #[arg(long)]
        no_peers: bool,
        /// Kotlin's and Swift's rows alone.
        #[arg(long)]
        languages: bool,
    },
    /// Runs a sample app against the inspector and a sample backend, and serves the page of its session.
    Example {
        /// Which.
        #[arg(value_enum)]
        language: Language,
        /// Ends after the app.
        #[arg(long)]
        once: bool,
    },
    /// Assembles the Android archive (AAR); with an NDK it has the native libraries.
    Android,
    /// Builds the arm64 static library for iOS; on a Mac also the XCFramework.
    Ios,
    /// Checks the shipped static library: only our symbols, and another SQLite beside it.
    Archive,
    /// Prints the size of the shipped libraries.
    Size,
    /// Runs a torture: `cargo xtask torture kill -n 2000`.
    Torture {
        /// Its name and options.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        arguments: Vec<String>,
    },
    /// Fuzzes one target for a while: `draft`, `frame`, `headers`, `journal`, `response` or `row`. Needs a nightly toolchain and cargo-fuzz.
    Fuzz {
        /// The target.
        target: String,
        /// Seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Language {
    Rust,
    Kotlin,
    Swift,
}

fn main() -> Result<()> {
    match Cli::parse().task {
        Task::Test { only, kills } => test(only, kills),
        Task::Bindings { check } => languages::bindings(check),
        Task::Lint => lint(),
        Task::Bench { languages: true, .. } => languages::bench(),
        Task::Bench { json, seconds, no_peers, .. } => {
            bench(json, seconds, no_peers)?;
            languages::bench()
        }
        Task::Example { language, once } => languages::example(language, once),
        Task::Android => package::android().map(drop),
        Task::Ios => ios::ios(),
        Task::Archive => package::archive(),
        Task::Size => package::size(),
        Task::Torture { arguments } => torture(&arguments.iter().map(String::as_str).collect::<Vec<_>>()),
        Task::Fuzz { target, seconds } => {
            let limit = format!("-max_total_time={seconds}");
            run("fuzz", &["+nightly", "fuzz", "run", &target, "--", &limit])
        }
    }
}

fn test(only: Option<Language>, kills: u32) -> Result<()> {
    let wants = |language| only.is_none_or(|only| only == language);
    if wants(Language::Rust) {
        rust()?;
    }
    if wants(Language::Kotlin) {
        languages::kotlin(Build::Testing, &["test", &format!("-Dthroughline.kills={kills}")])?;
        languages::example(Language::Kotlin, true)?;
        package::android()?;
    }
    if wants(Language::Swift) {
        for package in ["bindings/swift", "examples/swift/profile"] {
            let tests = ["test", "-c", "release", "-Xswiftc", "-enable-testing"];
            languages::swift(Build::Testing, package, &tests, &[("THROUGHLINE_KILLS", &kills.to_string())])?;
        }
        languages::declarations()?;
        languages::example(Language::Swift, true)?;
    }
    Ok(())
}

fn rust() -> Result<()> {
    lint()?;
    let features = "throughline/testing,throughline/tracing,throughline-ffi/testing";
    run("tests", &["test", "--workspace", "--features", features])?;
    run("quickstart", &["run", "--quiet", "--example", "quickstart"])?;
    run("demo", &["demo", "--once"])?;
    emit()?;
    languages::bindings(true)?;
    package::archive()?;
    torture(&["kill", "-n", "200"])?;
    torture(&["corrupt", "-n", "60"])?;
    torture(&["disk-full", "-n", "3"])
}

/// The README's way to call the command line.
fn emit() -> Result<()> {
    let dir = std::env::temp_dir().join(format!("throughline-emit-{}", std::process::id()));
    let arguments =
        ["run", "--quiet", "-p", "throughline-cli", "--", "emit", "--backend", "otlp-proto", "--record-only"];
    let emitted = step("emit", cargo(&arguments).args(["--endpoint", "http://127.0.0.1:9", "--data-dir"]).arg(&dir));
    let _ = std::fs::remove_dir_all(&dir);
    emitted
}

fn lint() -> Result<()> {
    run("formatting", &["fmt", "--all", "--check"])?;
    let clippy = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--features",
        "throughline/testing,throughline/tracing,throughline-ffi/testing",
        "--",
        "-D",
        "warnings",
    ];
    run("clippy", &clippy)?;
    // Without the HTTP client, as an app links it that brings its own transport.
    run(
        "clippy without http",
        &[
            "clippy",
            "--package",
            "throughline",
            "--package",
            "throughline-ffi",
            "--no-default-features",
            "--",
            "-D",
            "warnings",
        ],
    )?;
    step("documentation", cargo(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    let deny = cargo_deny()?;
    // Advisories need a database from the network; licences, bans and sources do not.
    step("dependencies", Command::new(deny).args(["--log-level", "error", "check", "bans", "licenses", "sources"]))
}

/// cargo-deny, from the path or installed once under the user's cache directory.
fn cargo_deny() -> Result<PathBuf> {
    if Command::new("cargo-deny").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Ok("cargo-deny".into());
    }
    let root = cache()?.join(format!("cargo-deny-{CARGO_DENY}"));
    let binary = root.join("bin/cargo-deny");
    if !binary.exists() {
        let root = root.to_str().context("the cache directory's path is not UTF-8")?;
        run("installing cargo-deny", &["install", "cargo-deny", "--locked", "--version", CARGO_DENY, "--root", root])?;
    }
    Ok(binary)
}

fn cache() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"));
    Ok(base.or_else(home).context("neither XDG_CACHE_HOME nor HOME is set")?.join("throughline"))
}

fn torture(arguments: &[&str]) -> Result<()> {
    let mut all = vec!["run", "--quiet", "--package", "throughline-torture", "--"];
    all.extend(arguments);
    run(&format!("torture {}", arguments.join(" ")), &all)
}

fn bench(json: Option<PathBuf>, seconds: u64, no_peers: bool) -> Result<()> {
    let seconds = seconds.to_string();
    let mut arguments =
        vec!["run", "--quiet", "--release", "--manifest-path", "benches/peers/Cargo.toml", "--", "--seconds", &seconds];
    if no_peers {
        arguments.push("--no-peers");
    }
    let path = json.map(|path| path.to_string_lossy().into_owned());
    if let Some(path) = &path {
        arguments.extend(["--json", path]);
    }
    run("bench", &arguments)
}

fn run(name: &str, arguments: &[&str]) -> Result<()> {
    step(name, &mut cargo(arguments))
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = match arguments.first() {
        // A toolchain is chosen by rustup's proxy.
        Some(first) if first.starts_with('+') => Command::new("cargo"),
        _ => Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
    };
    command.args(arguments);
    command
}

fn step(name: &str, command: &mut Command) -> Result<()> {
    println!("── {name}");
    let started = Instant::now();
    let status = command.status().with_context(|| format!("{name}: cannot run {command:?}"))?;
    ensure!(status.success(), "{name} failed: {command:?}");
    println!("── {name}: ok, {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}
