//! Checks the Xcode project of the sample app, which cannot be opened here: its project file can be
//! read, everything that it refers to exists, and every source is compiled by some target.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

/// The folder of the sample app.
const APP: &str = "examples/swift/ios-app";

/// A value of the property lists that Xcode writes its projects in.
#[derive(Debug, PartialEq)]
enum Value {
    Text(String),
    List(Vec<Value>),
    Table(BTreeMap<String, Value>),
}

impl Value {
    fn text(&self, key: &str) -> Option<&str> {
        match self {
            Self::Table(table) => match table.get(key)? {
                Self::Text(text) => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    fn list(&self, key: &str) -> Vec<&str> {
        let Self::Table(table) = self else { return Vec::new() };
        let Some(Self::List(list)) = table.get(key) else { return Vec::new() };
        list.iter().filter_map(|value| if let Self::Text(text) = value { Some(text.as_str()) } else { None }).collect()
    }

    /// Every text in it, keys excepted.
    fn texts(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => vec![text],
            Self::List(list) => list.iter().flat_map(Self::texts).collect(),
            Self::Table(table) => table.values().flat_map(Self::texts).collect(),
        }
    }
}

/// Checks the project.
pub(crate) fn xcode() -> Result<()> {
    let (objects, files) = check_app(Path::new(APP))?;
    println!("── {objects} objects in the project of the sample app, {files} sources");
    Ok(())
}

/// Checks the project in a folder. Returns how many objects and sources it has.
fn check_app(app: &Path) -> Result<(usize, usize)> {
    let project = std::fs::read_to_string(app.join("Shop.xcodeproj/project.pbxproj"))?;
    let root = parse(&project)?;
    let objects = objects(&root)?;
    let used = check(&root, app)?;
    for text in root.texts().into_iter().filter(|text| is_id(text)) {
        ensure!(objects.contains_key(text), "{text} is in the project file, and no object has this id");
    }
    for file in swift_files(app)? {
        ensure!(used.contains(&file), "no target compiles {}", file.display());
    }
    for plist in ["Shop/Info.plist", "ShopNotifications/Info.plist", "Shared/Shop.entitlements"] {
        check_xml(&std::fs::read_to_string(app.join(plist))?).with_context(|| plist.to_owned())?;
    }
    Ok((objects.len(), used.len()))
}

fn objects(root: &Value) -> Result<&BTreeMap<String, Value>> {
    let Value::Table(root) = root else { bail!("the project file is no table") };
    match root.get("objects") {
        Some(Value::Table(objects)) => Ok(objects),
        _ => bail!("the project file has no objects"),
    }
}

/// Checks what the objects refer to outside of the project file. Returns the files that are
/// compiled.
fn check(root: &Value, app: &Path) -> Result<BTreeSet<PathBuf>> {
    let objects = objects(root)?;
    let object = |id: &str| objects.get(id).with_context(|| format!("no object has the id {id}"));
    let project = object(root.text("rootObject").context("there is no root object")?)?;
    let mut paths = BTreeMap::new();
    place(objects, project.text("mainGroup").context("there is no main group")?, app, &mut paths)?;
    let package = project.list("packageReferences");
    let package = object(package.first().context("there is no package")?)?;
    let package = app.join(package.text("relativePath").context("the package has no path")?).join("Package.swift");
    let manifest = std::fs::read_to_string(&package).with_context(|| package.display().to_string())?;
    let mut used = BTreeSet::new();
    for target in project.list("targets") {
        let target = object(target)?;
        for product in target.list("packageProductDependencies") {
            let name = object(product)?.text("productName").context("a product has no name")?;
            ensure!(manifest.contains(&format!(".library(name: \"{name}\"")), "the package has no product {name}");
        }
        for phase in target.list("buildPhases") {
            let phase = object(phase)?;
            for file in phase.list("files") {
                let Some(reference) = object(file)?.text("fileRef") else { continue };
                if phase.text("isa") == Some("PBXSourcesBuildPhase") {
                    used.insert(paths.get(reference).context("a source is in no group")?.clone());
                }
            }
        }
    }
    for settings in objects.values().filter(|object| object.text("isa") == Some("XCBuildConfiguration")) {
        let Value::Table(settings) = settings else { continue };
        let Some(settings) = settings.get("buildSettings") else { continue };
        for file in ["INFOPLIST_FILE", "CODE_SIGN_ENTITLEMENTS"].iter().filter_map(|key| settings.text(key)) {
            ensure!(app.join(file).is_file(), "{file} is named in the settings, and does not exist");
        }
    }
    Ok(used)
}

/// Finds the places of the files in a group, which must exist, except for those that are built.
fn place(
    objects: &BTreeMap<String, Value>,
    id: &str,
    folder: &Path,
    paths: &mut BTreeMap<String, PathBuf>,
) -> Result<()> {
    let object = objects.get(id).with_context(|| format!("no object has the id {id}"))?;
    let path = object.text("path").map_or_else(|| folder.to_owned(), |path| folder.join(path));
    if object.text("isa") == Some("PBXGroup") {
        return object.list("children").into_iter().try_for_each(|child| place(objects, child, &path, paths));
    }
    if object.text("sourceTree") == Some("<group>") {
        ensure!(path.is_file(), "{} is in the project file, and does not exist", path.display());
        paths.insert(id.to_owned(), path);
    }
    Ok(())
}

fn swift_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(swift_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "swift") {
            files.push(path);
        }
    }
    Ok(files)
}

/// The ids of Xcode's objects are 96 bits in hexadecimal digits.
fn is_id(text: &str) -> bool {
    text.len() == 24 && text.chars().all(|char| char.is_ascii_digit() || ('A'..='F').contains(&char))
}

/// Reads a property list of the old kind: `{ key = value; }`, `( value, )`, texts, and comments.
fn parse(text: &str) -> Result<Value> {
    let mut tokens = tokens(text)?.into_iter().rev().collect();
    let value = value(&mut tokens)?;
    ensure!(tokens.is_empty(), "there is more after the end");
    Ok(value)
}

#[derive(Debug, PartialEq)]
enum Token {
    Sign(char),
    Text(String),
}

fn tokens(text: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").context("a comment does not end")?.1;
        } else if "{}()=;,".contains(first) {
            tokens.push(Token::Sign(first));
            rest = rest.get(1..).unwrap_or_default();
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let (text, after) = quoted.split_once('"').context("a text does not end")?;
            ensure!(!text.contains('\\'), "texts with a backslash are not read");
            tokens.push(Token::Text(text.to_owned()));
            rest = after;
        } else {
            let end = rest.find(|char: char| char.is_whitespace() || "{}()=;,\"".contains(char)).unwrap_or(rest.len());
            let (text, after) = rest.split_at(end);
            // Xcode quotes every text that has other characters.
            let is_plain = text.chars().all(|char| char.is_ascii_alphanumeric() || "_./$".contains(char));
            ensure!(is_plain, "{text} must be quoted");
            tokens.push(Token::Text(text.to_owned()));
            rest = after;
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

/// Reads a value from the end of the tokens, which are in reverse order.
fn value(tokens: &mut Vec<Token>) -> Result<Value> {
    match tokens.pop().context("the file ends too early")? {
        Token::Text(text) => Ok(Value::Text(text)),
        Token::Sign('(') => {
            let mut list = Vec::new();
            while tokens.last() != Some(&Token::Sign(')')) {
                list.push(value(tokens)?);
                expect(tokens, ',')?;
            }
            tokens.pop();
            Ok(Value::List(list))
        }
        Token::Sign('{') => {
            let mut table = BTreeMap::new();
            while tokens.last() != Some(&Token::Sign('}')) {
                let Value::Text(key) = value(tokens)? else { bail!("a key is no text") };
                expect(tokens, '=')?;
                let known = table.insert(key.clone(), value(tokens)?);
                ensure!(known.is_none(), "{key} is there twice");
                expect(tokens, ';')?;
            }
            tokens.pop();
            Ok(Value::Table(table))
        }
        Token::Sign(sign) => bail!("`{sign}` where a value begins"),
    }
}

fn expect(tokens: &mut Vec<Token>, sign: char) -> Result<()> {
    let found = tokens.pop();
    ensure!(found == Some(Token::Sign(sign)), "{found:?} instead of `{sign}`");
    Ok(())
}

/// Checks that every element of a property list in XML is closed, and that every key has a value.
fn check_xml(text: &str) -> Result<()> {
    let mut open = Vec::new();
    let mut key = false;
    for tag in text.split('<').skip(1).filter_map(|part| part.split_once('>')).map(|(tag, _)| tag) {
        let name = tag.trim_end_matches('/').split(' ').next().unwrap_or_default();
        if tag.starts_with(['?', '!']) {
            continue;
        }
        if let Some(closed) = tag.strip_prefix('/') {
            ensure!(open.pop() == Some(closed), "</{closed}> closes something else");
            continue;
        }
        if open.last() == Some(&"dict") {
            ensure!(key != (name == "key"), "<{name}> is not where it may be");
            key = name == "key";
        }
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    ensure!(open.is_empty(), "not closed: {open:?}");
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_sample_app_refers_to_nothing_that_is_missing() {
        let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(APP);
        let (objects, sources) = check_app(&app).unwrap();
        assert!(objects > 40 && sources == 6, "{objects} objects, {sources} sources");
    }

    #[test]
    fn a_project_that_xcode_could_not_open_is_not_taken_for_a_good_one() {
        let read = parse("// !$*UTF8*$!\n{ a = (b /* c */, \"d e\", ); f = { }; }").unwrap();
        assert_eq!((read.list("a"), read.texts()), (vec!["b", "d e"], vec!["b", "d e"]));
        for broken in
            ["{ a = b }", "{ a = (b c); }", "{ a = b; a = c; }", "{ a-b = c; }", "{ a = b; ", "{ } }", "{ a = \"b; }"]
        {
            assert!(parse(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_property_list_with_a_key_that_has_no_value_is_not_overlooked() {
        assert!(check_xml("<?xml?><plist><dict><key>a</key><true/><key>b</key><dict/></dict></plist>").is_ok());
        for broken in
            ["<dict><key>a</key></dict><dict>", "<dict><key>a</key><key>b</key></dict>", "<dict><true/></dict>"]
        {
            assert!(check_xml(broken).is_err(), "{broken}");
        }
    }
}
