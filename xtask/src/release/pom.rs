//! The POM of an artifact, and Gradle's metadata beside it.
//!
//! Both are written from the POM that Maven builds the module with, without its parent, its plugins
//! and what only its tests need.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

/// The group of every artifact.
pub(super) const GROUP: &str = "dev.throughline";
/// Calls native code. Its jar is for desktops, its archive (AAR) for Android.
const JNA: &str = "jna";

/// What an artifact needs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Dependency {
    pub(super) group: String,
    pub(super) artifact: String,
    pub(super) version: String,
}

impl Dependency {
    /// One of our own artifacts.
    pub(super) fn ours(artifact: &str, version: &str) -> Self {
        Self { group: GROUP.to_owned(), artifact: artifact.to_owned(), version: version.to_owned() }
    }

    /// Whether no app compiles against it.
    fn is_hidden(&self) -> bool {
        self.artifact == JNA || self.artifact.starts_with("throughline-native-")
    }
}

/// The text of the first element of a name.
pub(super) fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0.trim())
}

/// The properties of the parent POM.
pub(super) fn properties(parent: &str) -> BTreeMap<String, String> {
    let lines = element(parent, "properties").unwrap_or_default().lines();
    lines
        .filter_map(|line| line.trim().strip_prefix('<')?.split_once('>'))
        .filter_map(|(name, rest)| Some((name.to_owned(), rest.split_once("</")?.0.to_owned())))
        .collect()
}

/// What a module says about itself: its name and its description.
pub(super) fn about(pom: &str) -> Result<(String, String)> {
    let (_, own) = pom.split_once("</parent>").context("a POM without a parent")?;
    let text = |name| element(own, name).map(str::to_owned).with_context(|| format!("a POM without a {name}"));
    Ok((text("name")?, text("description")?))
}

/// What an app needs beside the module: dependencies that are not of a narrower scope.
pub(super) fn dependencies(pom: &str, properties: &BTreeMap<String, String>, version: &str) -> Result<Vec<Dependency>> {
    let own = element(pom, "dependencies").unwrap_or_default();
    let written = own.split("<dependency>").skip(1).filter(|text| element(text, "scope").is_none());
    written
        .map(|text| {
            let part = |name| element(text, name).with_context(|| format!("a dependency without a {name}"));
            let written = part("version")?;
            let version = match written.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
                Some("project.version") => version.to_owned(),
                Some(name) => properties.get(name).with_context(|| format!("no property {name}"))?.clone(),
                None => written.to_owned(),
            };
            Ok(Dependency { group: part("groupId")?.to_owned(), artifact: part("artifactId")?.to_owned(), version })
        })
        .collect()
}

/// What kind of file an artifact is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Packaging {
    /// Classes or a library for desktops.
    Jar,
    /// An archive for Android.
    Aar,
    /// Nothing but versions that fit together.
    Bom,
}

impl Packaging {
    /// The ending of the file, as Maven's `packaging`.
    pub(super) fn ending(self) -> &'static str {
        match self {
            Self::Jar => "jar",
            Self::Aar => "aar",
            Self::Bom => "pom",
        }
    }
}

/// An artifact, as its metadata describe it.
pub(super) struct About {
    pub(super) artifact: String,
    pub(super) version: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) packaging: Packaging,
    pub(super) dependencies: Vec<Dependency>,
    /// All artifacts of the release, which must not be mixed with those of another one.
    pub(super) release: Vec<Dependency>,
}

impl About {
    /// The POM. Gradle reads the metadata beside it because of the comment in it.
    pub(super) fn pom(&self) -> String {
        let Self { artifact, version, name, description, packaging, .. } = self;
        let list = |all: &[Dependency], indent: &str| -> String {
            let one = |dependency| self.pom_dependency(dependency).replace('\n', &format!("\n{indent}"));
            let texts: String = all.iter().map(one).collect();
            format!("{indent}<dependencies>{texts}\n{indent}</dependencies>\n")
        };
        let dependencies = match packaging {
            Packaging::Bom => {
                format!("  <dependencyManagement>\n{}  </dependencyManagement>\n", list(&self.release, "    "))
            }
            _ if self.dependencies.is_empty() => String::new(),
            _ => list(&self.dependencies, "  "),
        };
        format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <!-- do_not_remove: published-with-gradle-metadata -->
  <modelVersion>4.0.0</modelVersion>
  <groupId>{GROUP}</groupId>
  <artifactId>{artifact}</artifactId>
  <version>{version}</version>
  <packaging>{}</packaging>
  <name>{name}</name>
  <description>{description}</description>
  <licenses>
    <license><name>MIT OR Apache-2.0</name></license>
  </licenses>
{dependencies}</project>
"#,
            packaging.ending()
        )
    }

    fn pom_dependency(&self, dependency: &Dependency) -> String {
        let Dependency { group, artifact, version } = dependency;
        let mut more = String::new();
        if self.packaging == Packaging::Bom {
            if artifact == "throughline-android" {
                more.push_str("\n    <type>aar</type>");
            }
        } else if self.packaging == Packaging::Aar && artifact == JNA {
            more.push_str("\n    <type>aar</type>\n    <scope>runtime</scope>");
        } else if dependency.is_hidden() {
            more.push_str("\n    <scope>runtime</scope>");
        } else if self.packaging == Packaging::Aar && group == GROUP {
            // The core brings JNA's jar, which has the same classes as the archive.
            more.push_str("\n    <exclusions>\n      <exclusion><groupId>net.java.dev.jna</groupId>");
            more.push_str("<artifactId>jna</artifactId></exclusion>\n    </exclusions>");
        }
        format!(
            "\n  <dependency>\n    <groupId>{group}</groupId>\n    <artifactId>{artifact}</artifactId>\n    \
             <version>{version}</version>{more}\n  </dependency>"
        )
    }

    /// Gradle's metadata. `files` are the artifact's and its sources', with what identifies them.
    pub(super) fn module(&self, file: Option<&Value>, sources: Option<&Value>) -> Result<String> {
        let mut variants = Vec::new();
        for usage in ["java-api", "java-runtime"] {
            for environment in self.environments().iter().copied() {
                variants.push(self.variant(usage, environment, file));
            }
        }
        if let Some(sources) = sources {
            variants.push(json!({
                "name": "sources",
                "attributes": {
                    "org.gradle.category": "documentation",
                    "org.gradle.dependency.bundling": "external",
                    "org.gradle.docstype": "sources",
                    "org.gradle.usage": "java-runtime",
                },
                "files": [sources],
            }));
        }
        let all = json!({
            "formatVersion": "1.1",
            "component": {
                "group": GROUP,
                "module": self.artifact,
                "version": self.version,
                "attributes": { "org.gradle.status": "release" },
            },
            "createdBy": { "throughline": { "version": env!("CARGO_PKG_VERSION") } },
            "variants": variants,
        });
        Ok(serde_json::to_string_pretty(&all)? + "\n")
    }

    /// The environments that need something different. What has JNA needs its jar on a desktop and
    /// its archive on Android: with both, an app would have each class twice.
    fn environments(&self) -> &'static [Option<&'static str>] {
        let has_jna = self.dependencies.iter().any(|dependency| dependency.artifact == JNA);
        if self.packaging == Packaging::Jar && has_jna { &[Some("standard-jvm"), Some("android")] } else { &[None] }
    }

    fn variant(&self, usage: &str, environment: Option<&str>, file: Option<&Value>) -> Value {
        let mut attributes = Map::new();
        let mut attribute = |name: &str, value: &str| attributes.insert(name.to_owned(), json!(value));
        attribute("org.gradle.category", if self.packaging == Packaging::Bom { "platform" } else { "library" });
        attribute("org.gradle.usage", usage);
        if self.packaging != Packaging::Bom {
            attribute("org.gradle.dependency.bundling", "external");
            attribute("org.gradle.libraryelements", self.packaging.ending());
        }
        if let Some(environment) = environment {
            attribute("org.gradle.jvm.environment", environment);
        }
        let short = usage.trim_start_matches("java-");
        let name = environment.map_or_else(|| short.to_owned(), |environment| format!("{environment}-{short}"));
        let is_android = self.packaging == Packaging::Aar || environment == Some("android");
        let needed = self.dependencies.iter().filter(|dependency| usage == "java-runtime" || !dependency.is_hidden());
        let dependencies: Vec<Value> = needed.map(|dependency| module_dependency(dependency, is_android)).collect();
        // Parts of two releases in one app would call what is not there.
        let others = self.release.iter().filter(|other| other.artifact != self.artifact);
        let constraints: Vec<Value> = others.map(|other| module_dependency(other, false)).collect();
        let files: Vec<&Value> = file.into_iter().collect();
        json!({
            "name": name,
            "attributes": attributes,
            "dependencies": dependencies,
            "dependencyConstraints": constraints,
            "files": files,
        })
    }
}

fn module_dependency(dependency: &Dependency, is_android: bool) -> Value {
    let Dependency { group, artifact, version } = dependency;
    if is_android && artifact == JNA {
        let selector = json!({ "artifactSelector": { "name": JNA, "type": "aar", "extension": "aar" } });
        return json!({
            "group": group,
            "module": artifact,
            "version": { "requires": version },
            "thirdPartyCompatibility": selector,
        });
    }
    json!({ "group": group, "module": artifact, "version": { "requires": version } })
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests")]
mod tests {
    use serde_json::Value;

    use super::{About, Dependency, Packaging, dependencies, properties};

    fn about(packaging: Packaging) -> About {
        let jna = Dependency { group: "net.java.dev.jna".into(), artifact: "jna".into(), version: "5".into() };
        About {
            artifact: "throughline-a".into(),
            version: "1".into(),
            name: "A".into(),
            description: "An artifact.".into(),
            packaging,
            dependencies: vec![Dependency::ours("throughline-core", "1"), jna],
            release: vec![Dependency::ours("throughline-a", "1"), Dependency::ours("throughline-android", "1")],
        }
    }

    #[test]
    fn what_only_tests_and_compilers_need_does_not_reach_an_app() -> anyhow::Result<()> {
        let parent = "<properties>\n<a.version>2</a.version>\n<!-- a comment -->\n<b>3</b>\n</properties>";
        let one = |artifact: &str, version: &str, more: &str| {
            format!(
                "<dependency><groupId>g</groupId><artifactId>{artifact}</artifactId><version>{version}</version>{more}</dependency>"
            )
        };
        let written = [
            one("a", "${a.version}", ""),
            one("b", "1", "<scope>test</scope>"),
            one("c", "${project.version}", ""),
            one("d", "1", "<scope>provided</scope>"),
        ];
        let pom = format!("<dependencies>{}</dependencies><build><dependencies/></build>", written.concat());
        let found = dependencies(&pom, &properties(parent), "9")?;
        let found: Vec<_> = found.iter().map(|found| (&*found.artifact, &*found.version)).collect();
        assert_eq!(found, [("a", "2"), ("c", "9")]);
        Ok(())
    }

    #[test]
    fn an_android_app_gets_the_classes_of_jna_once() -> anyhow::Result<()> {
        let pom = about(Packaging::Aar).pom();
        let core = pom.split("</dependency>").next().unwrap_or_default();
        assert!(core.contains("throughline-core") && core.contains("<exclusion>"), "{pom}");
        assert!(
            pom.contains("<artifactId>jna</artifactId>\n      <version>5</version>\n      <type>aar</type>"),
            "{pom}"
        );
        for packaging in [Packaging::Jar, Packaging::Aar] {
            let module: Value = serde_json::from_str(&about(packaging).module(None, None)?)?;
            for variant in module["variants"].as_array().into_iter().flatten() {
                let is_android =
                    packaging == Packaging::Aar || variant["attributes"]["org.gradle.jvm.environment"] == "android";
                let all = variant["dependencies"].as_array().into_iter().flatten();
                for jna in all.filter(|one| one["module"] == "jna") {
                    let selected = jna["thirdPartyCompatibility"]["artifactSelector"]["type"] == "aar";
                    assert_eq!(selected, is_android, "{variant:#}");
                }
            }
        }
        Ok(())
    }

    #[test]
    fn an_app_compiles_against_nothing_that_is_hidden_and_gets_parts_of_one_release() -> anyhow::Result<()> {
        let module: Value = serde_json::from_str(&about(Packaging::Jar).module(None, None)?)?;
        let variants = module["variants"].as_array().cloned().unwrap_or_default();
        assert_eq!(variants.len(), 4);
        for variant in variants {
            let names: Vec<_> =
                variant["dependencies"].as_array().into_iter().flatten().map(|one| &one["module"]).collect();
            let is_run = variant["attributes"]["org.gradle.usage"] == "java-runtime";
            assert_eq!(names.len(), if is_run { 2 } else { 1 }, "{names:?}");
            assert_eq!(variant["dependencyConstraints"][0]["module"], "throughline-android");
        }
        let bom = about(Packaging::Bom).pom();
        assert!(bom.contains("<dependencyManagement>") && bom.contains("<type>aar</type>"), "{bom}");
        Ok(())
    }
}
