//! Everything that must hold, in the order in which it fails soonest.

use anyhow::Result;

use crate::archive::archive;
use crate::backends::backends;
use crate::bindings::{self, bindings};
use crate::cli::{Language, Test};
use crate::connect::{PEERS, connect_node, telemetry_service};
use crate::example::{After, example};
use crate::guide::{rust_guide, swift_guide};
use crate::kotlin::kotlin;
use crate::libraries::{Build, target};
use crate::lint::{FEATURES, lint};
use crate::proof::proof;
use crate::release::{self, kotlin_adopters};
use crate::steps::{cargo, report, run, step};
use crate::swift::{PACKAGE, declarations, documentation, guides, swift};
use crate::tools::relay;
use crate::typescript::typescript;
use crate::xcode::xcode;

/// The seed of the property tests and of the short tortures.
const SEED: &str = "20260101";

/// `cargo xtask test`.
pub(crate) fn test(options: &Test) -> Result<()> {
    let result = languages(options);
    // Also after a failure: the table then shows how far it came.
    report(options.json.as_deref())?;
    result
}

fn languages(options: &Test) -> Result<()> {
    let wants = |language| options.only.is_none_or(|only| only == language);
    if wants(Language::Rust) {
        rust()?;
    }
    if wants(Language::Backends) {
        backends()?;
    }
    if wants(Language::Kotlin) {
        kotlin(Build::Testing, &["test", &format!("-Dthroughline.kills={}", options.kills)])?;
        example(Language::Kotlin, After::End)?;
        kotlin_adopters()?;
    }
    if wants(Language::Swift) {
        for package in [PACKAGE, "examples/swift/profile"] {
            let tests = ["test", "-c", "release", "-Xswiftc", "-enable-testing"];
            swift(Build::Testing, package, &tests, &[("THROUGHLINE_KILLS", &options.kills.to_string())])?;
        }
        declarations()?;
        xcode()?;
        guides()?;
        documentation()?;
        release::check()?;
        swift_guide()?;
        example(Language::Swift, After::End)?;
    }
    if wants(Language::ReactNative) {
        typescript(options.kills)?;
        example(Language::ReactNative, After::End)?;
    }
    Ok(())
}

fn rust() -> Result<()> {
    lint()?;
    connect_node()?;
    let tests = ["test", "--workspace", "--features", FEATURES];
    run("building the tests", &[&tests[..], &["--no-run"]].concat())?;
    let mut all = cargo(&tests);
    all.env("PROPTEST_RNG_SEED", SEED).env("THROUGHLINE_RELAY", relay()?).env(PEERS, "1");
    step(&format!("tests (seed {SEED})"), &mut all)?;
    rust_guide()?;
    run("quickstart", &["run", "--quiet", "--example", "quickstart"])?;
    run("own backend", &["run", "--quiet", "--example", "own_backend"])?;
    telemetry_service()?;
    run("demo", &["demo", "--once"])?;
    emit()?;
    bindings(bindings::Mode::Check)?;
    archive()?;
    proof(&target()?)?;
    // Always the same cases, so that a failure can be repeated. The long tortures choose new ones.
    torture(&["kill", "-n", "200", "--seed", SEED])?;
    torture(&["corrupt", "-n", "60", "--seed", SEED])?;
    torture(&["disk-full", "-n", "3", "--seed", SEED])?;
    torture(&["crash"])?;
    release::same_twice()
}

/// Calls the command line as the README does.
fn emit() -> Result<()> {
    let dir = std::env::temp_dir().join(format!("throughline-emit-{}", std::process::id()));
    let arguments =
        ["run", "--quiet", "-p", "throughline-cli", "--", "emit", "--backend", "otlp-proto", "--record-only"];
    let emitted = step("emit", cargo(&arguments).args(["--endpoint", "http://127.0.0.1:9", "--data-dir"]).arg(&dir));
    let _ = std::fs::remove_dir_all(&dir);
    emitted
}

/// `cargo xtask torture`.
pub(crate) fn torture(arguments: &[&str]) -> Result<()> {
    if arguments.first() == Some(&"crash") {
        run("the process that crashes", &["build", "--quiet", "--package", "throughline-crashme"])?;
    }
    let mut all = vec!["run", "--quiet", "--package", "throughline-torture", "--"];
    all.extend(arguments);
    run(&format!("torture {}", arguments.join(" ")), &all)
}
