//! Archives and checksums that are the same whenever they are made of the same files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};

use crate::steps::{output, step};
use crate::tools::ensure_program;

/// Writes an archive that is the same whenever it is made of the same files: a checksum is
/// published for it.
pub(super) fn zip(archive: &Path, folder: &Path, roots: &[&Path]) -> Result<()> {
    ensure_program("zip", &["zip"])?;
    let mut files = BTreeSet::new();
    for root in roots {
        list(folder, root, &mut files)?;
    }
    files.retain(|file| folder.join(file).is_file());
    // The first moment that the format can express, whatever the time zone.
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(315_532_800);
    for file in &files {
        std::fs::File::options().append(true).open(folder.join(file))?.set_modified(time)?;
    }
    let archive = std::path::absolute(archive)?;
    let _ = std::fs::remove_file(&archive);
    let mut zip = Command::new("zip");
    zip.current_dir(folder).env("TZ", "UTC").args(["-q", "-X", "-D"]).arg(&archive).args(&files);
    step(&format!("{}", archive.display()), &mut zip)
}

/// The files below a path of a folder, and the folders without files.
fn list(folder: &Path, path: &Path, files: &mut BTreeSet<PathBuf>) -> Result<()> {
    if !folder.join(path).is_dir() {
        files.insert(path.to_owned());
        return Ok(());
    }
    let mut is_empty = true;
    for entry in std::fs::read_dir(folder.join(path))? {
        list(folder, &path.join(entry?.file_name()), files)?;
        is_empty = false;
    }
    if is_empty {
        files.insert(if path == Path::new("") { PathBuf::from(".") } else { path.to_owned() });
    }
    Ok(())
}

/// The SHA-256 of a file, which is SwiftPM's checksum.
pub(super) fn sha256(file: &Path) -> Result<String> {
    let mut sum = if cfg!(target_os = "macos") { Command::new("shasum") } else { Command::new("sha256sum") };
    if cfg!(target_os = "macos") {
        sum.args(["-a", "256"]);
    }
    let printed = output(sum.arg(file))?;
    let checksum = printed.split_whitespace().next().context("no checksum")?;
    ensure!(checksum.len() == 64, "`{checksum}` is no SHA-256");
    Ok(checksum.to_owned())
}

/// Writes a jar of the files of a folder: in the order of their names, and with one time for all of
/// them.
pub(crate) fn jar(file: &Path, folder: &Path, has_manifest: bool) -> Result<()> {
    let mut files = BTreeSet::new();
    list(folder, Path::new(""), &mut files)?;
    // Paths on a command line could be too long for it.
    let names: String = files.iter().map(|name| format!("\"{}\"\n", name.display())).collect();
    let listed = file.with_extension("files");
    std::fs::write(&listed, names)?;
    let _ = std::fs::remove_file(file);
    let mut jar = Command::new("jar");
    jar.current_dir(folder).args(["--create", "--date", "1980-02-01T00:00:00Z"]);
    if !has_manifest {
        jar.arg("--no-manifest");
    }
    jar.arg("--file").arg(std::path::absolute(file)?);
    output(jar.arg(format!("@{}", std::path::absolute(&listed)?.display())))?;
    std::fs::remove_file(listed).context("the list of a jar's files")
}

/// The second that a release is dated with: `SOURCE_DATE_EPOCH`, otherwise the time of the commit.
pub(crate) fn epoch() -> Result<u64> {
    let text = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text,
        Err(_) => output(Command::new("git").args(["log", "-1", "--format=%ct"]))?,
    };
    text.trim().parse().with_context(|| format!("`{}` is no number of seconds", text.trim()))
}

/// A second as `date` writes it.
pub(super) fn date(epoch: u64, format: &str) -> Result<String> {
    let mut date = Command::new("date");
    if cfg!(target_os = "macos") {
        date.args(["-u", "-r", &epoch.to_string()]);
    } else {
        date.args(["-u", "-d", &format!("@{epoch}")]);
    }
    Ok(output(date.arg(format!("+{format}")))?.trim().to_owned())
}

/// Writes the checksums of all files below a folder into its file `SHA256SUMS`, which `sha256sum
/// --check` reads. Returns the text.
pub(super) fn sums(folder: &Path) -> Result<String> {
    const NAME: &str = "SHA256SUMS";
    let mut files = BTreeSet::new();
    list(folder, Path::new(""), &mut files)?;
    files.retain(|file| folder.join(file).is_file() && file != Path::new(NAME));
    let mut text = String::new();
    for file in files {
        text += &format!("{}  {}\n", sha256(&folder.join(&file))?, file.display());
    }
    ensure!(!text.is_empty(), "{} has no files", folder.display());
    std::fs::write(folder.join(NAME), &text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    use super::{date, jar, sha256, sums};

    #[test]
    fn a_jar_that_is_made_on_another_day_has_the_same_checksum() -> anyhow::Result<()> {
        let root = std::env::temp_dir().join(format!("throughline-jar-{}", std::process::id()));
        let file = root.join("a.jar");
        let mut found = Vec::new();
        // The folder lists its files in the order in which they were written, on some file systems.
        for (order, second) in [(["b/c", "a", "A d"], 1_000_000_000), (["A d", "a", "b/c"], 1_700_000_000)] {
            let folder = root.join("parts");
            std::fs::create_dir_all(folder.join("b"))?;
            for name in order {
                std::fs::write(folder.join(name), name)?;
                let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
                std::fs::File::options().append(true).open(folder.join(name))?.set_modified(time)?;
            }
            jar(&file, &folder, true)?;
            found.push(sha256(&file)?);
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::remove_dir_all(root)?;
        assert_eq!(found.first(), found.last());
        Ok(())
    }

    #[test]
    fn a_file_that_was_exchanged_is_found_by_its_checksum() -> anyhow::Result<()> {
        let root = std::env::temp_dir().join(format!("throughline-sums-{}", std::process::id()));
        std::fs::create_dir_all(root.join("maven"))?;
        std::fs::write(root.join("maven/a.jar"), "abc")?;
        let first = sums(&root)?;
        let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(first, format!("{sum}  maven/a.jar\n"));
        // Its own file is not among them.
        assert_eq!(sums(&root)?, first);
        std::fs::write(root.join("maven/a.jar"), "abd")?;
        assert_ne!(sums(&root)?, first);
        std::fs::remove_dir_all(root)?;
        assert!(sums(Path::new("/nonexistent")).is_err());
        Ok(())
    }

    #[test]
    fn a_date_is_that_of_the_commit_and_in_universal_time() -> anyhow::Result<()> {
        assert_eq!(date(1_767_225_600, "%Y-%m-%dT%H:%M:%SZ")?, "2026-01-01T00:00:00Z");
        Ok(())
    }
}
