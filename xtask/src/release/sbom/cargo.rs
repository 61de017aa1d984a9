//! The crates, from Cargo's own metadata and the checksums in `Cargo.lock`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Component, Licences};
use crate::steps::{cargo, output};

/// What is shipped: the library of the facades, the crate, and the command line.
const ROOTS: [&str; 4] = ["throughline", "throughline-attach", "throughline-cli", "throughline-ffi"];

/// The systems that something is shipped for. What only others need is in nothing.
const SYSTEMS: [&str; 12] = [
    "aarch64-apple-darwin",
    "aarch64-apple-ios",
    "aarch64-apple-tvos",
    "aarch64-apple-visionos",
    "aarch64-linux-android",
    "aarch64-unknown-linux-gnu",
    "armv7-linux-androideabi",
    "i686-linux-android",
    "x86_64-apple-darwin",
    "x86_64-linux-android",
    "x86_64-pc-windows-msvc",
    "x86_64-unknown-linux-gnu",
];

pub(super) fn components() -> Result<Vec<Component>> {
    let mut metadata = cargo(&["metadata", "--format-version", "1", "--locked"]);
    for system in SYSTEMS {
        metadata.args(["--filter-platform", system]);
    }
    from(&output(&mut metadata)?, &std::fs::read_to_string("Cargo.lock")?)
}

/// The components of Cargo's metadata, with the checksums of a lock file.
fn from(metadata: &str, lock: &str) -> Result<Vec<Component>> {
    let metadata: Value = serde_json::from_str(metadata)?;
    let sums = checksums(lock);
    let list = |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let packages: BTreeMap<String, Value> =
        list(&metadata, "packages").into_iter().map(|package| (text(&package, "id"), package)).collect();
    let resolve = metadata.get("resolve").context("Cargo has resolved nothing")?;
    let nodes: BTreeMap<String, Value> =
        list(resolve, "nodes").into_iter().map(|node| (text(&node, "id"), node)).collect();

    let is_root = |package: &Value| ROOTS.contains(&text(package, "name").as_str());
    let roots: Vec<&String> = packages.iter().filter(|(_, package)| is_root(package)).map(|(id, _)| id).collect();
    ensure!(!roots.is_empty(), "none of what is shipped is in Cargo's metadata");
    // What is shipped is reached by normal dependencies, except those of macros of the compiler.
    let is_macro = |id: &String| {
        let kinds = packages.get(id).map(|package| list(package, "targets")).unwrap_or_default();
        kinds.iter().flat_map(|target| list(target, "kind")).any(|kind| kind == "proc-macro")
    };
    let mut shipped = BTreeSet::new();
    let mut built = BTreeSet::new();
    let mut waiting: Vec<(String, bool)> = roots.into_iter().map(|id| (id.clone(), true)).collect();
    while let Some((id, ships)) = waiting.pop() {
        let ships = ships && !is_macro(&id);
        if !(if ships { &mut shipped } else { &mut built }).insert(id.clone()) {
            continue;
        }
        for (needed, normal) in needs(nodes.get(&id)) {
            waiting.push((needed, ships && normal));
        }
    }
    let address = |id: &String| packages.get(id).map(purl);
    let mut components = Vec::new();
    for id in shipped.union(&built) {
        let package = packages.get(id).with_context(|| format!("no package {id}"))?;
        let (name, version) = (text(package, "name"), text(package, "version"));
        components.push(Component {
            purl: purl(package),
            group: None,
            licences: licences(package),
            hash: sums.get(&(name.clone(), version.clone())).map(|sum| ("SHA-256", sum.clone())),
            only_builds: !shipped.contains(id),
            needs: needs(nodes.get(id)).iter().filter_map(|(needed, _)| address(needed)).collect(),
            name,
            version,
        });
    }
    Ok(components)
}

/// What a crate needs that is not for its own tests, and whether that is more than a build script.
fn needs(node: Option<&Value>) -> Vec<(String, bool)> {
    let list = |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut needs = Vec::new();
    for dependency in node.map(|node| list(node, "deps")).unwrap_or_default() {
        let kinds: Vec<String> = list(&dependency, "dep_kinds").iter().map(|kind| text(kind, "kind")).collect();
        if kinds.iter().any(|kind| kind != "dev") {
            needs.push((text(&dependency, "pkg"), kinds.iter().any(String::is_empty)));
        }
    }
    needs
}

fn purl(package: &Value) -> String {
    format!("pkg:cargo/{}@{}", text(package, "name"), text(package, "version").replace('+', "%2B"))
}

fn licences(package: &Value) -> Licences {
    // The slash is older than SPDX' expressions.
    let written = text(package, "license").replace(" / ", " OR ").replace('/', " OR ");
    if written.is_empty() {
        Licences::Names(vec![text(package, "license_file")])
    } else {
        Licences::Expression(written)
    }
}

/// A text of an object; empty if there is none.
fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The checksum of each name and version in a lock file.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let value = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.strip_prefix(" = \"")?.strip_suffix('"')?.to_owned())
    };
    let blocks = lock.split("[[package]]").skip(1);
    blocks
        .filter_map(|block| Some(((value(block, "name")?, value(block, "version")?), value(block, "checksum")?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::from;

    #[test]
    fn what_only_builds_or_tests_is_not_taken_for_what_is_shipped() -> anyhow::Result<()> {
        let package = |name: &str, kind: &str| {
            let (id, targets) = (format!("{name} 1.0.0+a"), json!([{ "kind": [kind] }]));
            json!({ "id": id, "name": name, "version": "1.0.0+a", "license": "MIT/Apache-2.0", "targets": targets })
        };
        let need = |name: &str, kind: Option<&str>| json!({ "pkg": format!("{name} 1.0.0+a"), "dep_kinds": [{ "kind": kind }] });
        let node =
            |name: &str, deps| json!({ "id": format!("{name} 1.0.0+a"), "deps": serde_json::Value::Array(deps) });
        let metadata = json!({
            "packages": [package("throughline-ffi", "lib"), package("sqlite", "lib"), package("cc", "lib"),
                         package("derive", "proc-macro"), package("syn", "lib"), package("proptest", "lib")],
            "resolve": { "nodes": [
                node("throughline-ffi", vec![need("sqlite", None), need("derive", None), need("proptest", Some("dev"))]),
                node("sqlite", vec![need("cc", Some("build"))]),
                node("derive", vec![need("syn", None)]),
            ] },
        });
        let lock = format!(
            "version = 4\n\n[[package]]\nname = \"sqlite\"\nversion = \"1.0.0+a\"\nchecksum = \"{}\"\n",
            "cd".repeat(32)
        );
        let found = from(&metadata.to_string(), &lock)?;
        let scopes: Vec<(&str, bool)> = found.iter().map(|one| (one.name.as_str(), one.only_builds)).collect();
        let expected = [("cc", true), ("derive", true), ("sqlite", false), ("syn", true), ("throughline-ffi", false)];
        assert_eq!(scopes, expected);
        let sqlite = found.iter().find(|one| one.name == "sqlite").map(|one| (one.purl.as_str(), one.hash.clone()));
        assert_eq!(sqlite, Some(("pkg:cargo/sqlite@1.0.0%2Ba", Some(("SHA-256", "cd".repeat(32))))));
        Ok(())
    }
}
