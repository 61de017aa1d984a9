//! The list of everything that a release consists of (SBOM), as CycloneDX 1.6 has it in JSON.
//!
//! What is ours is found in the manifests, and what it needs in the lock files and by Maven.

mod cargo;
mod maven;
mod npm;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::release::files::{date, epoch, sha256};
use crate::release::kotlin::VERSION;
use crate::steps::step;
use crate::tools::cyclonedx;

/// The name of the release among the components.
const ALL: &str = "throughline";

/// The licence of what is ours.
const OURS: &str = "MIT OR Apache-2.0";

/// Something that is in the release, or that only builds it.
#[derive(Debug, Clone, PartialEq)]
struct Component {
    /// The address of the package, which tells it from every other one.
    purl: String,
    group: Option<String>,
    name: String,
    version: String,
    licences: Licences,
    /// The algorithm and the sum in hexadecimal digits, of the file in the registry.
    hash: Option<(&'static str, String)>,
    /// Whether it builds something, and is in nothing that is shipped.
    only_builds: bool,
    /// The addresses of what it needs.
    needs: Vec<String>,
}

/// What a package says about its licences.
#[derive(Debug, Clone, PartialEq)]
enum Licences {
    /// An expression of SPDX.
    Expression(String),
    /// Names as the package writes them, of which each applies or may be chosen.
    Names(Vec<String>),
}

impl Component {
    /// Something of ours, by its address without the version.
    fn ours(address: &str, name: &str, needs: Vec<String>) -> Self {
        Self {
            purl: format!("{address}@{VERSION}"),
            group: None,
            name: name.to_owned(),
            version: VERSION.to_owned(),
            licences: Licences::Expression(OURS.to_owned()),
            hash: None,
            only_builds: false,
            needs,
        }
    }

    fn json(&self) -> Value {
        let licences = match &self.licences {
            Licences::Expression(expression) => json!([{ "expression": expression }]),
            Licences::Names(names) => names.iter().map(|name| licence(name)).collect(),
        };
        let mut json = json!({
            "type": "library",
            "bom-ref": self.purl,
            "name": self.name,
            "version": self.version,
            "scope": if self.only_builds { "excluded" } else { "required" },
            "licenses": licences,
            "purl": self.purl,
        });
        if let Some(fields) = json.as_object_mut() {
            if let Some(group) = &self.group {
                fields.insert("group".to_owned(), json!(group));
            }
            if let Some((algorithm, sum)) = &self.hash {
                fields.insert("hashes".to_owned(), json!([{ "alg": algorithm, "content": sum }]));
            }
        }
        json
    }
}

/// A licence by its name. Some names of POMs are those of SPDX, written otherwise.
fn licence(name: &str) -> Value {
    let id = match name {
        _ if name.contains("Apache") && name.contains("2.0") => "Apache-2.0",
        "MIT License" | "The MIT License" | "MIT" => "MIT",
        "LGPL-2.1-or-later" => name,
        _ => return json!({ "license": { "name": name } }),
    };
    json!({ "license": { "id": id } })
}

/// Writes the list into a file.
pub(super) fn write(file: &Path) -> Result<()> {
    let mut components = cargo::components()?;
    let library = "pkg:cargo/throughline-ffi";
    let native = vec![format!("{library}@{VERSION}")];
    components.extend(npm::components(Path::new("bindings/typescript/package-lock.json"))?);
    components.extend(maven::components(&native)?);
    for pod in ["Throughline", "ThroughlineFFI", "ThroughlineFFIGenerated", "ThroughlineUI"] {
        components.push(Component::ours(&format!("pkg:cocoapods/{pod}"), pod, native.clone()));
    }
    // What everybody knows to be in it. A list without them would be a list of something else.
    for name in ["libsqlite3-sys", "rustls", "jna", "kotlin-stdlib", "uniffi-bindgen-react-native"] {
        ensure!(components.iter().any(|component| component.name == name), "{name} is not listed");
    }
    let text = document(components, &date(epoch()?, "%Y-%m-%dT%H:%M:%SZ")?, |unnamed| {
        std::fs::write(file, unnamed)?;
        sha256(file)
    })?;
    std::fs::write(file, text).with_context(|| format!("{}", file.display()))
}

/// The document. Its serial number follows from what it says, as `sum` makes it of the rest.
fn document(components: Vec<Component>, time: &str, sum: impl FnOnce(&str) -> Result<String>) -> Result<String> {
    let mut known: BTreeMap<String, Component> = BTreeMap::new();
    for component in components {
        known.insert(component.purl.clone(), component);
    }
    for component in known.values() {
        for needed in &component.needs {
            ensure!(known.contains_key(needed), "{} needs {needed}, which is not listed", component.purl);
        }
    }
    // What is ours comes from no registry.
    let is_ours = |component: &&Component| component.hash.is_none() && component.version == VERSION;
    let ours: Vec<&String> = known.values().filter(is_ours).map(|component| &component.purl).collect();
    let mut dependencies = vec![json!({ "ref": ALL, "dependsOn": ours })];
    dependencies.extend(
        known.values().map(|component| json!({ "ref": component.purl, "dependsOn": sorted(&component.needs) })),
    );
    let mut all = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": time,
            "component": {
                "type": "framework",
                "bom-ref": ALL,
                "name": ALL,
                "version": VERSION,
                "licenses": [{ "expression": OURS }],
            },
        },
        "components": known.values().map(Component::json).collect::<Vec<_>>(),
        "dependencies": dependencies,
    });
    let sum = sum(&all.to_string())?;
    let part = |from: usize, to: usize| sum.get(from..to).context("a checksum is too short");
    // A UUID of version 8: its bits are whoever's who makes it.
    let serial =
        [part(0, 8)?, part(8, 12)?, &format!("8{}", part(13, 16)?), &format!("a{}", part(17, 20)?), part(20, 32)?];
    if let Some(fields) = all.as_object_mut() {
        fields.insert("serialNumber".to_owned(), json!(format!("urn:uuid:{}", serial.join("-"))));
    }
    Ok(format!("{all:#}\n"))
}

fn sorted(needs: &[String]) -> Vec<&String> {
    let mut needs: Vec<&String> = needs.iter().collect();
    needs.sort();
    needs.dedup();
    needs
}

/// Checks a list against the schema that CycloneDX publishes, in the strict form.
pub(super) fn validate(file: &Path) -> Result<()> {
    const SCRIPT: &str = "\
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read())
sys.exit(found and str(found))
";
    let mut python = std::process::Command::new(cyclonedx()?);
    step("the schema of CycloneDX", python.args(["-c", SCRIPT]).arg(file))
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests")]
mod tests {
    use serde_json::{Value, json};

    use super::{Component, Licences, document, licence};

    fn made(components: Vec<Component>) -> anyhow::Result<Value> {
        let text = document(components, "2026-01-01T00:00:00Z", |_| Ok("0123456789abcdef".repeat(4)))?;
        Ok(serde_json::from_str(&text)?)
    }

    #[test]
    fn a_component_with_a_vulnerability_is_found_by_its_address_and_its_checksum() -> anyhow::Result<()> {
        let ours = Component::ours("pkg:cargo/throughline-ffi", "throughline-ffi", vec!["pkg:cargo/a@1".to_owned()]);
        let other = Component {
            purl: "pkg:cargo/a@1".to_owned(),
            name: "a".to_owned(),
            version: "1".to_owned(),
            hash: Some(("SHA-256", "ab".repeat(32))),
            licences: Licences::Names(vec!["The Apache Software License, Version 2.0".to_owned()]),
            needs: Vec::new(),
            ..ours.clone()
        };
        let all = made(vec![ours.clone(), other])?;
        assert_eq!(all["serialNumber"], "urn:uuid:01234567-89ab-8def-a123-456789abcdef");
        assert_eq!(all["components"][0]["purl"], "pkg:cargo/a@1");
        assert_eq!(all["components"][0]["hashes"][0]["content"], "ab".repeat(32));
        assert_eq!(all["components"][0]["licenses"][0]["license"]["id"], "Apache-2.0");
        let of_all = json!({ "ref": "throughline", "dependsOn": [ours.purl] });
        assert_eq!(all["dependencies"][0], of_all);
        // A need that nobody lists would be a hole.
        assert!(made(vec![ours]).is_err());
        Ok(())
    }

    #[test]
    fn a_licence_without_an_identifier_is_named_as_the_package_does() {
        assert_eq!(licence("Bouncy Castle Licence"), json!({ "license": { "name": "Bouncy Castle Licence" } }));
    }
}
