//! The documents say what is true: links and paths lead somewhere, the tests that they name exist,
//! the code that they show is the code that is compiled.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Longest line of prose. Tables, code and links cannot be wrapped.
const MAX_LINE: usize = 120;

/// Folders of the repository, as paths in documents begin.
const ROOTS: [&str; 12] = [
    "src/", "tests/", "cli/", "uniffi/", "bindings/", "docs/", "xtask/", "torture/", "benches/", "examples/", "fuzz/",
    ".cargo/",
];

/// Names that were replaced. The changelog and the decision about names may mention them.
const OLD_NAMES: [&str; 12] = [
    "KeepRule",
    "KeepErrors",
    "keep_rule",
    "MeteredRule",
    "HostRule",
    "trace_rule",
    "src/scopes",
    "src/client",
    "src/export",
    "store.rs",
    "worker/context.rs",
    "consent.rs`",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() {
            let is_output = ["target", "build", ".build", "node_modules", ".git"].iter().any(|output| name == *output);
            if !is_output {
                walk(&path, found);
            }
        } else {
            found.push(path);
        }
    }
}

fn files(extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(root(), &mut found);
    found.retain(|path| path.extension().is_some_and(|known| known == extension));
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A document's text, without its blocks of code.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut in_code = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            lines.push((index + 1, line));
        }
    }
    lines
}

/// The first block of code in a language.
fn block(document: &str, language: &str) -> String {
    let text = read(&root().join(document));
    let fence = format!("```{language}\n");
    let start = text.find(&fence).unwrap_or_else(|| panic!("{document} has no block of {language}")) + fence.len();
    let length = text[start..].find("\n```").unwrap();
    text[start..start + length + 1].to_owned()
}

/// What stands between backticks.
fn quoted(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_relative_link_leads_somewhere() {
    let mut links = 0;
    for path in files("md") {
        let text = read(&path);
        for (number, line) in prose(&text) {
            for part in line.split("](").skip(1) {
                let target = part.split(')').next().unwrap();
                if target.contains("://") || target.starts_with('#') {
                    continue;
                }
                let file = target.split('#').next().unwrap();
                let exists = path.parent().unwrap().join(file).exists();
                assert!(exists, "{}:{number}: nothing is at `{target}`", path.display());
                links += 1;
            }
        }
    }
    assert!(links > 40, "{links} links");
}

#[test]
fn every_path_in_a_document_exists() {
    let mut paths = 0;
    for path in files("md") {
        // The changelog also tells of what is gone.
        if path.ends_with("CHANGELOG.md") {
            continue;
        }
        let text = read(&path);
        for (number, line) in prose(&text) {
            for name in quoted(line) {
                let is_path = ROOTS.iter().any(|root| name.starts_with(root));
                let is_pattern = name.contains(['*', '{', ' ', '…']) || name.contains("NAME") || name.contains("...");
                if is_path && !is_pattern {
                    assert!(root().join(name).exists(), "{}:{number}: `{name}` does not exist", path.display());
                    paths += 1;
                }
            }
        }
    }
    assert!(paths > 40, "{paths} paths");
}

#[test]
fn every_test_that_guards_a_fragile_place_exists() {
    let mut tests = BTreeSet::new();
    for path in files("rs") {
        for part in read(&path).split("fn ").skip(1) {
            tests.insert(part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>());
        }
    }
    let kotlin: String = files("kt").iter().map(|path| read(path)).collect();
    let text = read(&root().join("docs/fragile.md"));
    let mut entries = 0;
    let mut guards = 0;
    for entry in text.split("\n### ").skip(1) {
        let title = entry.lines().next().unwrap();
        let (_, guarded) = entry.split_once("Guarded by").unwrap_or_else(|| panic!("nothing guards \"{title}\""));
        for name in quoted(guarded) {
            if name.contains(' ') {
                let is_command = name.starts_with("cargo ") || name.contains("a ") && kotlin.contains(name);
                assert!(is_command || kotlin.contains(name), "{title}: no test is called `{name}`");
                guards += 1;
            } else if name.contains('_') && name.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_numeric()) {
                let is_kill_point = read(&root().join("src/model/kill_point.rs")).contains(&format!("\"{name}\""));
                assert!(tests.contains(name) || is_kill_point, "{title}: no test is called `{name}`");
                guards += 1;
            }
        }
        entries += 1;
    }
    assert!(entries >= 12 && guards >= entries, "{entries} entries, {guards} guards");
}

#[test]
fn the_code_that_documents_show_is_compiled() {
    let quickstart = read(&root().join("examples/quickstart.rs"));
    let code = block("README.md", "rust");
    assert!(quickstart.ends_with(&code), "README.md and examples/quickstart.rs differ");
}

#[test]
fn no_document_uses_a_name_that_was_replaced() {
    for path in files("md") {
        if path.ends_with("CHANGELOG.md") || path.ends_with("0013-vocabulary.md") {
            continue;
        }
        for (index, line) in read(&path).lines().enumerate() {
            for old in OLD_NAMES {
                assert!(!line.contains(old), "{}:{}: `{old}` has another name now", path.display(), index + 1);
            }
        }
    }
}

#[test]
fn prose_is_wrapped() {
    for path in files("md") {
        for (number, line) in prose(&read(&path)) {
            let is_table = line.trim_start().starts_with('|');
            let length = line.chars().count();
            assert!(is_table || length <= MAX_LINE, "{}:{number}: {length} characters", path.display());
        }
    }
}
