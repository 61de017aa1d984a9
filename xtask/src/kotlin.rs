//! Runs Maven for the Kotlin facade.

use std::process::Command;

use anyhow::Result;

use crate::libraries::{Build, SHARED, libraries, target};
use crate::steps::step;
use crate::tools::{ensure_library, ensure_program};

/// Maven in `bindings/kotlin` with arguments: `test`, or a goal with options. The libraries are
/// built first.
pub(crate) fn maven(build: Build, arguments: &[&str]) -> Result<Command> {
    ensure_program("mvn", &["maven", "default-jdk-headless"])?;
    // Compose draws with it, without a display.
    ensure_library("libGL.so.1", &["libgl1", "libfontconfig1"])?;
    let library = libraries(build)?.join(SHARED);
    // The compiler does not delete classes whose source is gone: a package would ship them, and
    // tests that have moved would still run.
    for module in ["core", "okhttp", "androidx", "android", "work", "compose", "consumer"] {
        for classes in ["classes", "test-classes"] {
            let _ = std::fs::remove_dir_all(format!("bindings/kotlin/{module}/target/{classes}"));
        }
    }
    let mut maven = Command::new("mvn");
    maven.current_dir("bindings/kotlin").args(["--batch-mode", "--quiet"]).args(arguments);
    maven.arg(format!("-Dthroughline.library={}", library.display()));
    maven.arg(format!("-Dthroughline.cli={}", target()?.join("debug/throughline").display()));
    Ok(maven)
}

/// Runs Maven as a step.
pub(crate) fn kotlin(build: Build, arguments: &[&str]) -> Result<()> {
    step(&format!("kotlin {}", arguments.join(" ")), &mut maven(build, arguments)?)
}
