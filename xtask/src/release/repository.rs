//! A Maven repository in a folder, as a registry takes it: each file with its checksums, and for
//! each artifact the list of its versions.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::release::files::{date, epoch};
use crate::release::pom::{About, GROUP};
use crate::steps::output;

/// The checksums of a file: the names of their files, which are also Gradle's, and the programs.
const SUMS: [(&str, &str); 4] =
    [("md5", "md5sum"), ("sha1", "sha1sum"), ("sha256", "sha256sum"), ("sha512", "sha512sum")];

/// The files of an artifact. A BOM has none.
#[derive(Default)]
pub(super) struct Files {
    /// What an app gets.
    pub(super) main: Option<PathBuf>,
    pub(super) sources: Option<PathBuf>,
    pub(super) javadoc: Option<PathBuf>,
}

/// The folder of a repository.
pub(super) struct Repository(PathBuf);

impl Repository {
    pub(super) fn new(root: &Path) -> Self {
        Self(root.join(GROUP.replace('.', "/")))
    }

    /// The artifacts whose names begin with a text, and that have a version.
    pub(super) fn artifacts(&self, prefix: &str, version: &str) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.0).into_iter().flatten() {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(prefix) && entry.path().join(version).is_dir() {
                found.push(name);
            }
        }
        found.sort();
        Ok(found)
    }

    /// Writes an artifact in place of one of the same version.
    pub(super) fn publish(&self, about: &About, files: &Files) -> Result<()> {
        let About { artifact, version, packaging, .. } = about;
        let folder = self.0.join(artifact).join(version);
        let _ = std::fs::remove_dir_all(&folder);
        // What was written without its native libraries must not be published beside it.
        let _ = std::fs::remove_dir_all(self.0.join(artifact).join(format!("{version}-nonative")));
        std::fs::create_dir_all(&folder)?;
        let path = |classifier: &str, ending: &str| folder.join(format!("{artifact}-{version}{classifier}.{ending}"));
        let copy = |from: &Option<PathBuf>, to: &Path| -> Result<Option<Value>> {
            let Some(from) = from else { return Ok(None) };
            std::fs::copy(from, to).with_context(|| format!("{} is missing", from.display()))?;
            described(to).map(Some)
        };
        let main = copy(&files.main, &path("", packaging.ending()))?;
        let sources = copy(&files.sources, &path("-sources", "jar"))?;
        copy(&files.javadoc, &path("-javadoc", "jar"))?;
        for (ending, text) in [("pom", about.pom()), ("module", about.module(main.as_ref(), sources.as_ref())?)] {
            let file = path("", ending);
            std::fs::write(&file, text)?;
            described(&file)?;
        }
        self.list(artifact, version)
    }

    /// Writes the list of an artifact's versions.
    fn list(&self, artifact: &str, latest: &str) -> Result<()> {
        let folder = self.0.join(artifact);
        let mut versions = Vec::new();
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                versions.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        versions.sort();
        let versions: String = versions.iter().map(|version| format!("      <version>{version}</version>\n")).collect();
        let dated = date(epoch()?, "%Y%m%d%H%M%S")?;
        let text = format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<metadata>
  <groupId>{GROUP}</groupId>
  <artifactId>{artifact}</artifactId>
  <versioning>
    <latest>{latest}</latest>
    <release>{latest}</release>
    <versions>
{versions}    </versions>
    <lastUpdated>{dated}</lastUpdated>
  </versioning>
</metadata>
"#
        );
        let file = folder.join("maven-metadata.xml");
        std::fs::write(&file, text)?;
        described(&file).map(|_| ())
    }
}

/// Writes the checksums of a file beside it, and describes it as Gradle's metadata do.
fn described(file: &Path) -> Result<Value> {
    let name = file.file_name().context("a file without a name")?.to_string_lossy().into_owned();
    let size = std::fs::metadata(file)?.len();
    let mut about = Map::from_iter([
        ("name".to_owned(), json!(name)),
        ("url".to_owned(), json!(name)),
        ("size".to_owned(), json!(size)),
    ]);
    for (ending, program) in SUMS {
        let printed = output(Command::new(program).arg(file))?;
        let sum = printed.split_whitespace().next().context("a checksum is missing")?;
        std::fs::write(file.with_file_name(format!("{name}.{ending}")), sum)?;
        about.insert(ending.to_owned(), json!(sum));
    }
    Ok(Value::Object(about))
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests")]
mod tests {
    use serde_json::Value;

    use super::{Files, Repository};
    use crate::release::pom::{About, Packaging};

    #[test]
    fn a_file_that_was_changed_on_its_way_is_noticed_and_an_older_version_stays() -> anyhow::Result<()> {
        let root = std::env::temp_dir().join(format!("throughline-repository-{}", std::process::id()));
        std::fs::create_dir_all(&root)?;
        let jar = root.join("a.jar");
        std::fs::write(&jar, "abc")?;
        let repository = Repository::new(&root);
        for version in ["1", "2"] {
            let about = About {
                artifact: "throughline-a".into(),
                version: version.into(),
                name: "A".into(),
                description: "An artifact.".into(),
                packaging: Packaging::Jar,
                dependencies: Vec::new(),
                release: Vec::new(),
            };
            repository.publish(&about, &Files { main: Some(jar.clone()), ..Files::default() })?;
        }
        let folder = root.join("dev/throughline/throughline-a");
        let read = |name: &str| std::fs::read_to_string(folder.join(name));
        // The published vectors of `abc`.
        assert_eq!(read("2/throughline-a-2.jar.md5")?, "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(read("2/throughline-a-2.jar.sha1")?, "a9993e364706816aba3e25717850c26c9cd0d89d");
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(read("2/throughline-a-2.jar.sha256")?, sha256);
        let module: Value = serde_json::from_str(&read("2/throughline-a-2.module")?)?;
        let file = &module["variants"][0]["files"][0];
        assert_eq!((file["size"].as_u64(), file["sha256"].as_str()), (Some(3), Some(sha256)));
        let list = read("maven-metadata.xml")?;
        assert!(list.contains("<version>1</version>") && list.contains("<release>2</release>"), "{list}");
        for file in ["2/throughline-a-2.pom", "2/throughline-a-2.module", "maven-metadata.xml"] {
            assert!(read(&format!("{file}.sha512"))?.len() == 128, "{file}");
        }
        assert_eq!(repository.artifacts("throughline-", "1")?, ["throughline-a"]);
        assert!(repository.artifacts("throughline-", "3")?.is_empty());
        std::fs::remove_dir_all(root)?;
        Ok(())
    }
}
