//! There is one version, the workspace's in `Cargo.toml`. What else names it must name the same.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::release::kotlin::VERSION;
use crate::steps::output;

/// Where the version is written: the ending of files' paths, and what stands around it. White space
/// is as wide as one space.
const PLACES: [(&str, &str); 23] = [
    ("Cargo.toml", r#"[workspace.package] version = "{}""#),
    ("Cargo.toml", r#"{ path = "crash-writer", version = "{}" }"#),
    ("Throughline.podspec", r#"s.version = "{}""#),
    ("ThroughlineFFI.podspec", r#"s.version = "{}""#),
    ("ThroughlineFFIGenerated.podspec", r#"s.version = "{}""#),
    ("ThroughlineUI.podspec", r#"s.version = "{}""#),
    ("pom.xml", "<artifactId>throughline-parent</artifactId> <version>{}</version>"),
    ("examples/kotlin/pom.xml", "<artifactId>throughline-okhttp</artifactId> <version>{}</version>"),
    ("bindings/kotlin/adopter/maven/pom.xml", "<artifactId>throughline-bom</artifactId> <version>{}</version>"),
    ("bindings/kotlin/adopter/gradle/build.gradle", "throughline-jvm:{}'"),
    ("bindings/kotlin/adopter/gradle/build.gradle", "throughline-android:{}-nonative'"),
    ("bindings/kotlin/consumer/pom.xml", "<throughline.version>{}</throughline.version>"),
    ("bindings/kotlin/core/src/test/kotlin/dev/throughline/LibraryTest.kt", r#""needs version {}""#),
    ("package.json", r#""name": "@throughline/core", "version": "{}""#),
    ("package.json", r#""name": "@throughline/react-native", "version": "{}""#),
    ("package.json", r#""@throughline/core": "{}""#),
    ("bindings/typescript/package-lock.json", r#""name": "@throughline/core", "version": "{}""#),
    ("bindings/typescript/package-lock.json", r#""name": "@throughline/react-native", "version": "{}""#),
    (".envelope", r#""sdk":{"name":"throughline","version":"{}""#),
    ("docs/kotlin.md", "<artifactId>throughline-jvm</artifactId> <version>{}</version>"),
    ("docs/kotlin.md", "throughline-bom:{}\""),
    ("examples/kotlin/android-app/gradle/libs.versions.toml", "throughline = \"{}\""),
    ("docs/react-native.md", "throughline-{core,react-native}-{}.tgz"),
];

/// Fails unless every place names the version of the workspace.
pub(super) fn agree() -> Result<()> {
    let files = tracked()?;
    let mut others = Vec::new();
    for (ending, around) in PLACES {
        let mut found = 0;
        for file in files.iter().filter(|file| is_place(file, ending)) {
            let versions = versions(&std::fs::read_to_string(file)?, around)?;
            found += versions.len();
            let others_here = versions.iter().filter(|version| *version != VERSION);
            others.extend(others_here.map(|version| format!("{}: {version}", file.display())));
        }
        ensure!(found > 0, "no file that ends with {ending} has `{around}`");
    }
    ensure!(others.is_empty(), "Cargo.toml has version {VERSION}, and these have another one:\n{}", others.join("\n"));
    Ok(())
}

/// A name without a folder is that of a file in the root. POMs and manifests of npm are everywhere.
fn is_place(file: &Path, ending: &str) -> bool {
    let is_everywhere = ["pom.xml", "package.json", ".envelope"].contains(&ending);
    if is_everywhere { file.to_string_lossy().ends_with(ending) } else { file == Path::new(ending) }
}

/// The files of the repository.
fn tracked() -> Result<Vec<PathBuf>> {
    Ok(output(Command::new("git").arg("ls-files"))?.lines().map(PathBuf::from).collect())
}

/// The versions that a text has in a place. It stands where the last `{}` of `around` is.
fn versions(text: &str, around: &str) -> Result<Vec<String>> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (before, after) = around.rsplit_once("{}").context("a place without a version")?;
    let found = text.split(before).skip(1).filter_map(|rest| Some(rest.split_once(after)?.0));
    // What follows an unrelated beginning is no version.
    Ok(found.filter(|version| version.len() < 40 && !version.contains(' ')).map(str::to_owned).collect())
}

/// The date of the version in the changelog.
pub(super) fn dated(changelog: &str, version: &str) -> Result<String> {
    let heading = format!("## [{version}]");
    let line = changelog.lines().find(|line| line.starts_with(&heading)).with_context(|| {
        format!(
            "CHANGELOG.md has no `{heading} - YEAR-MONTH-DAY`: what is under \"Unreleased\" belongs to no version. \
             Give it the version and its date, or try the release with `--dry-run`"
        )
    })?;
    let date = line.strip_prefix(&heading).and_then(|rest| rest.strip_prefix(" - ")).unwrap_or_default().trim();
    let parts: Vec<&str> = date.split('-').collect();
    let number = |part: &str, length: usize| (part.len() == length).then(|| part.parse::<u32>().ok()).flatten();
    let is_date = match parts.as_slice() {
        [year, month, day] => {
            number(year, 4).is_some()
                && number(month, 2).is_some_and(|month| (1..=12).contains(&month))
                && number(day, 2).is_some_and(|day| (1..=31).contains(&day))
        }
        _ => false,
    };
    ensure!(is_date, "`{line}` of CHANGELOG.md does not end with ` - YEAR-MONTH-DAY`");
    Ok(date.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{PLACES, agree, dated, is_place, tracked, versions};
    use crate::release::kotlin::VERSION;

    /// Files that have the same digits, of something else.
    const OTHERS: [&str; 15] = [
        "benches/peers/Cargo.toml",
        "bindings/typescript/harness/package.json",
        "bindings/typescript/packaging/app/package.json",
        "bindings/typescript/packaging/app/package-lock.json",
        "bindings/typescript/typedoc/package-lock.json",
        "crash-writer/proof/Cargo.toml",
        "docs/releasing.md",
        "examples/react-native/app/package.json",
        "examples/telemetry-service/Cargo.toml",
        "src/policy/redact/tests.rs",
        "xtask/kafka/pom.xml",
        "xtask/src/android.rs",
        "xtask/src/release/versions.rs",
        "CHANGELOG.md",
        "xtask/src/release/sbom/mod.rs",
    ];

    #[test]
    fn a_file_that_would_keep_the_version_before_is_found() -> anyhow::Result<()> {
        std::env::set_current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))?;
        agree()?;
        let mut unknown = Vec::new();
        for file in tracked()? {
            let is_lock = file.ends_with("Cargo.lock") || file.starts_with("tests/vectors");
            let Ok(text) = std::fs::read_to_string(&file) else { continue };
            let is_known = PLACES.iter().any(|(ending, _)| is_place(&file, ending))
                || OTHERS.iter().any(|other| file == Path::new(other));
            if text.contains(VERSION) && !is_known && !is_lock {
                unknown.push(file);
            }
        }
        assert!(unknown.is_empty(), "nothing checks the version that these have: {unknown:?}");
        Ok(())
    }

    #[test]
    fn a_place_with_another_version_is_read() -> anyhow::Result<()> {
        let pom = "<parent>\n  <artifactId>throughline-parent</artifactId>\n    <version>7.8.9</version>\n";
        let around = "<artifactId>throughline-parent</artifactId> <version>{}</version>";
        assert_eq!(versions(pom, around)?, ["7.8.9"]);
        assert_eq!(versions("a-{b,c}-7.8.9.tgz a-{b,c}-1.tgz", "a-{b,c}-{}.tgz")?, ["7.8.9", "1"]);
        assert!(versions("nothing", around)?.is_empty());
        Ok(())
    }

    #[test]
    fn a_version_without_a_date_is_not_released() -> anyhow::Result<()> {
        let log = |heading: &str| format!("# Changelog\n\n## [Unreleased]\n\n{heading}\n\n- a\n");
        assert_eq!(dated(&log("## [1.2.3] - 2026-11-28"), "1.2.3")?, "2026-11-28");
        let refused = |heading: &str| dated(&log(heading), "1.2.3").map_err(|error| error.to_string());
        for heading in ["", "## [1.2.3]", "## [1.2.3] - soon", "## [1.2.3] - 2026-13-01", "## [1.2.30] - 2026-11-28"] {
            let said = refused(heading).err().unwrap_or_default();
            assert!(said.contains("CHANGELOG.md") && said.contains("YEAR-MONTH-DAY"), "{heading}: {said}");
        }
        assert!(refused("").is_err_and(|said| said.contains("--dry-run")));
        Ok(())
    }
}
