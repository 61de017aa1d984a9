//! Writes the generated Swift and Kotlin code, or checks that the committed code is up to date.

use anyhow::{Context, Result, ensure};

use crate::calls;
use crate::libraries::{SHARED, target};
use crate::steps::{cargo, run, step};

/// The generated files: the language, the generator's name of the file, and its place.
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

/// What to do with the generated code.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mode {
    /// Write it to its place.
    Write,
    /// Fail if what lies there differs.
    Check,
}

/// `cargo xtask bindings`.
pub(crate) fn bindings(mode: Mode) -> Result<()> {
    run("library for the generator", &["build", "--quiet", "--package", "throughline-ffi"])?;
    let out = target()?.join("generated");
    let library = target()?.join("debug").join(SHARED);
    for language in ["swift", "kotlin"] {
        let mut generator = cargo(&["run", "--quiet", "--package", "throughline-ffi", "--features", "bindgen", "--"]);
        generator.args(["generate", "--no-format", "--language", language, "--config", "uniffi/uniffi.toml"]);
        generator.arg("--library").arg(&library).arg("--out-dir").arg(out.join(language));
        step(&format!("{language} bindings"), &mut generator)?;
    }
    let mut files = calls::files()?;
    for (language, file, place) in GENERATED {
        files.push((place, std::fs::read_to_string(out.join(language).join(file))?));
    }
    for (place, fresh) in files {
        match mode {
            Mode::Write => std::fs::write(place, fresh)?,
            Mode::Check => {
                let committed = std::fs::read_to_string(place).with_context(|| format!("{place} is missing"))?;
                ensure!(committed == fresh, "{place} is out of date: run `cargo xtask bindings` and commit it");
            }
        }
    }
    // On Android, checking checksums at every first call would cost 5 to 10 ms.
    let kotlin = std::fs::read_to_string(GENERATED[0].2)?;
    ensure!(!kotlin.contains("uniffi_throughline_checksum_method"), "the Kotlin code checks checksums");
    Ok(())
}
