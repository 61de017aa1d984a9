//! The Maven artifacts. Maven itself says what they bring, and has its files and POMs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Component, Licences};
use crate::libraries::target;
use crate::release::files::sha256;
use crate::release::kotlin::{MODULES, VERSION};
use crate::release::pom::{Dependency, GROUP, dependencies, element, properties};
use crate::steps::step;
use crate::tools::ensure_program;

/// Maven's own plugin for dependencies.
const PLUGIN: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1";

/// The artifacts, and everything that an app gets with them. `native` is what the library in them
/// consists of.
pub(super) fn components(native: &[String]) -> Result<Vec<Component>> {
    let versions = properties(&std::fs::read_to_string("bindings/kotlin/pom.xml")?);
    let mut components = Vec::new();
    let mut direct: Vec<Dependency> = Vec::new();
    for (folder, _) in MODULES {
        let pom = std::fs::read_to_string(Path::new("bindings/kotlin").join(folder).join("pom.xml"))?;
        let needed = dependencies(&pom, &versions, VERSION)?;
        let mut needs: Vec<String> = needed.iter().map(|one| purl(&one.group, &one.artifact, &one.version)).collect();
        needs.extend(native.iter().cloned());
        let name = format!("throughline-{folder}");
        let mut ours = Component::ours(&format!("pkg:maven/{GROUP}/{name}"), &name, needs);
        ours.group = Some(GROUP.to_owned());
        components.push(ours);
        direct.extend(needed.into_iter().filter(|one| one.group != GROUP));
    }
    direct.sort_by(|one, other| (&one.group, &one.artifact).cmp(&(&other.group, &other.artifact)));
    direct.dedup();
    let folder = target()?.join("sbom");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let tree = tree(&std::path::absolute(folder)?, &direct)?;
    let mut stack: Vec<&Value> = list(&tree, "children").iter().collect();
    while let Some(node) = stack.pop() {
        stack.extend(list(node, "children"));
        components.push(component(node)?);
    }
    Ok(components)
}

/// Maven's tree of what an app gets that needs all of our artifacts. The files lie beside it.
fn tree(folder: &Path, direct: &[Dependency]) -> Result<Value> {
    ensure_program("mvn", &["maven", "default-jdk-headless"])?;
    let one = |Dependency { group, artifact, version }: &Dependency| {
        format!(
            "    <dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
             <version>{version}</version></dependency>\n"
        )
    };
    let pom = format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n  <modelVersion>4.0.0</modelVersion>\n  \
         <groupId>{GROUP}</groupId>\n  <artifactId>everything</artifactId>\n  <version>{VERSION}</version>\n  \
         <dependencies>\n{}  </dependencies>\n</project>\n",
        direct.iter().map(one).collect::<String>()
    );
    std::fs::write(folder.join("pom.xml"), pom)?;
    let mut maven = Command::new("mvn");
    maven.current_dir(folder).args(["--batch-mode", "--quiet"]);
    maven.args([format!("{PLUGIN}:tree"), format!("{PLUGIN}:copy-dependencies")]);
    maven.args([
        "-DoutputType=json",
        "-DoutputFile=tree.json",
        "-DoutputDirectory=repository",
        "-DincludeScope=runtime",
    ]);
    maven.args([
        "-Dscope=runtime",
        "-Dmdep.useRepositoryLayout=true",
        "-Dmdep.copyPom=true",
        "-Dmdep.addParentPoms=true",
    ]);
    step("what an app gets from Maven", &mut maven)?;
    let tree: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("tree.json"))?)?;
    ensure!(list(&tree, "children").len() >= direct.len(), "Maven has found too little: {tree}");
    Ok(tree)
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn purl(group: &str, artifact: &str, version: &str) -> String {
    format!("pkg:maven/{group}/{artifact}@{version}")
}

fn address(node: &Value) -> Result<[&str; 3]> {
    let text = |key| node.get(key).and_then(Value::as_str).with_context(|| format!("an artifact without a {key}"));
    Ok([text("groupId")?, text("artifactId")?, text("version")?])
}

fn component(node: &Value) -> Result<Component> {
    let [group, artifact, version] = address(node)?;
    let file = |ending| path(group, artifact, version, ending);
    let needs = list(node, "children").iter().map(|child| {
        let [group, artifact, version] = address(child)?;
        Ok(purl(group, artifact, version))
    });
    Ok(Component {
        purl: purl(group, artifact, version),
        group: Some(group.to_owned()),
        name: artifact.to_owned(),
        version: version.to_owned(),
        licences: Licences::Names(licences(group, artifact, version)?),
        hash: Some(("SHA-256", sha256(&file("jar")?)?)),
        only_builds: false,
        needs: needs.collect::<Result<_>>()?,
    })
}

/// The file of an artifact.
fn path(group: &str, artifact: &str, version: &str, ending: &str) -> Result<PathBuf> {
    let folder = target()?.join("sbom/repository").join(group.replace('.', "/")).join(artifact).join(version);
    Ok(folder.join(format!("{artifact}-{version}.{ending}")))
}

/// The names of the licences in a POM, or in the nearest one above it that has any.
fn licences(group: &str, artifact: &str, version: &str) -> Result<Vec<String>> {
    let file = path(group, artifact, version, "pom")?;
    let pom = std::fs::read_to_string(&file).with_context(|| format!("{}", file.display()))?;
    if let Some(all) = element(&pom, "licenses") {
        let names = all.split("<license>").skip(1).filter_map(|one| element(one, "name"));
        return Ok(names.map(str::to_owned).collect());
    }
    let parent = element(&pom, "parent").with_context(|| format!("{artifact} {version} names no licence"))?;
    let part = |name| element(parent, name).with_context(|| format!("a parent without a {name}"));
    licences(part("groupId")?, part("artifactId")?, part("version")?)
}
