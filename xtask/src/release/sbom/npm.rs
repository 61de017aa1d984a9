//! The npm packages, from npm's lock file.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Component, Licences};

/// The workspaces that are published.
const PUBLISHED: [&str; 2] = ["core", "react-native"];

/// The package whose headers are copied into the tarball when it is packed. The manifest has it for
/// development alone.
const HEADERS: &str = "uniffi-bindgen-react-native";

pub(super) fn components(lock: &Path) -> Result<Vec<Component>> {
    from(&serde_json::from_str(&std::fs::read_to_string(lock)?)?)
}

fn from(lock: &Value) -> Result<Vec<Component>> {
    let packages = lock.get("packages").and_then(Value::as_object).context("a lock file without packages")?;
    let needs = |entry: &Value| -> Vec<String> {
        let needed = entry.get("dependencies").and_then(Value::as_object);
        needed.map(|needed| needed.keys().cloned().collect()).unwrap_or_default()
    };
    // Where npm has put a package: a link leads to a workspace.
    let place = |name: &str| -> Result<(String, &Value)> {
        let link = packages.get(&format!("node_modules/{name}")).with_context(|| format!("{name} is not locked"))?;
        match link.get("resolved").and_then(Value::as_str).filter(|_| link.get("link").is_some()) {
            Some(folder) => Ok((folder.to_owned(), packages.get(folder).context("a link leads nowhere")?)),
            None => Ok((format!("node_modules/{name}"), link)),
        }
    };
    let mut components = Vec::new();
    let mut waiting: Vec<String> = PUBLISHED.iter().map(|name| format!("@throughline/{name}")).collect();
    waiting.push(HEADERS.to_owned());
    let mut seen = Vec::new();
    while let Some(name) = waiting.pop() {
        if seen.contains(&name) {
            continue;
        }
        let (folder, entry) = place(&name)?;
        // Of the generator only headers are used, without anything that it needs itself.
        let mut needed = if name == HEADERS { Vec::new() } else { needs(entry) };
        waiting.extend(needed.iter().cloned());
        if folder == "react-native" {
            needed.push(HEADERS.to_owned());
        }
        let needed = needed.iter().map(|name| Ok(purl(name, place(name)?.1))).collect::<Result<Vec<_>>>()?;
        components.push(component(&name, entry, needed)?);
        seen.push(name);
    }
    Ok(components)
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn purl(name: &str, entry: &Value) -> String {
    format!("pkg:npm/{}@{}", name.replace('@', "%40"), text(entry, "version"))
}

fn component(name: &str, entry: &Value, needs: Vec<String>) -> Result<Component> {
    let (group, short) = match name.split_once('/') {
        Some((group, short)) => (Some(group.to_owned()), short),
        None => (None, name),
    };
    let licence = text(entry, "license");
    ensure!(!licence.is_empty(), "npm's lock file has no licence of {name}");
    let hash = text(entry, "integrity").strip_prefix("sha512-").map(hexadecimal).transpose()?;
    Ok(Component {
        purl: purl(name, entry),
        group,
        name: short.to_owned(),
        version: text(entry, "version"),
        licences: Licences::Expression(licence),
        hash: hash.map(|sum| ("SHA-512", sum)),
        only_builds: false,
        needs,
    })
}

/// What is written in base 64, in hexadecimal digits.
fn hexadecimal(base64: &str) -> Result<String> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut held, mut text) = (0_u32, 0, String::new());
    for digit in base64.trim_end_matches('=').chars() {
        let value = DIGITS.find(digit).with_context(|| format!("`{digit}` is no digit in base 64"))?;
        bits = (bits << 6) | u32::try_from(value)?;
        held += 6;
        if held >= 8 {
            held -= 8;
            text += &format!("{:02x}", (bits >> held) & 0xff);
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{from, hexadecimal};

    #[test]
    fn the_headers_that_are_copied_into_the_package_are_listed_with_their_licence() -> anyhow::Result<()> {
        let lock = json!({ "packages": {
            "node_modules/@throughline/core": { "resolved": "core", "link": true },
            "node_modules/@throughline/react-native": { "resolved": "react-native", "link": true },
            "core": { "version": "1.0.0", "license": "MIT" },
            "react-native": { "version": "1.0.0", "license": "MIT", "dependencies": { "@throughline/core": "1.0.0" } },
            "node_modules/uniffi-bindgen-react-native": {
                "version": "2.0.0", "license": "MPL-2.0", "integrity": "sha512-AAH/", "dependencies": { "x": "1" }
            },
        } });
        let found = from(&lock)?;
        let headers = found.iter().find(|one| one.name == "uniffi-bindgen-react-native");
        assert_eq!(headers.and_then(|one| one.hash.clone()), Some(("SHA-512", "0001ff".to_owned())));
        let ours = found.iter().find(|one| one.name == "react-native").map(|one| one.needs.join(" "));
        let needed = "pkg:npm/%40throughline/core@1.0.0 pkg:npm/uniffi-bindgen-react-native@2.0.0";
        assert_eq!(ours.as_deref(), Some(needed));
        assert_eq!(found.len(), 3);
        assert!(hexadecimal("?").is_err());
        Ok(())
    }
}
