//! The documents say what is true: links and paths lead somewhere, the tests that they name exist,
//! the code that they show is the code that is compiled.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::sources::{files, read, root};

/// Longest line of prose. Tables, code and links cannot be wrapped.
const MAX_LINE: usize = 120;

/// Folders of the repository, as paths in documents begin.
const ROOTS: [&str; 12] = [
    "src/",
    "tests/",
    "cli/",
    "uniffi/",
    "bindings/",
    "docs/",
    "xtask/",
    "torture/",
    "benches/",
    "examples/",
    "fuzz/",
    ".cargo/",
];

/// The columns of tables that quote calls and settings of a facade, and where that is written.
const FACADES: [(&str, &[&str]); 3] = [
    ("Swift", &["bindings/swift/Sources/Throughline", "bindings/swift/Sources/ThroughlineUI"]),
    (
        "Kotlin",
        &[
            "bindings/kotlin/core/src",
            "bindings/kotlin/okhttp/src",
            "bindings/kotlin/android/src",
            "bindings/kotlin/compose/src",
        ],
    ),
    ("React Native", &["bindings/typescript/core/src", "bindings/typescript/react-native/src"]),
];

/// Names that were replaced. The changelog and the decision about names may mention them.
const OLD_NAMES: [&str; 13] = [
    "KeepRule",
    "KeepErrors",
    "keep_rule",
    "MeteredRule",
    "HostRule",
    "trace_rule",
    "src/scopes",
    "src/client",
    "src/export",
    "engine/store.rs",
    "worker/store.rs",
    "worker/context.rs",
    "consent.rs`",
];

fn documents() -> Vec<PathBuf> {
    files("", &["md"])
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
    let text = read(Path::new(document));
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
    for path in documents() {
        let text = read(&path);
        for (number, line) in prose(&text) {
            for part in line.split("](").skip(1) {
                let target = part.split(')').next().unwrap();
                if target.contains("://") || target.starts_with('#') {
                    continue;
                }
                let file = target.split('#').next().unwrap();
                let exists = root().join(&path).parent().unwrap().join(file).exists();
                assert!(exists, "{}:{number}: nothing is at `{target}`", path.display());
                links += 1;
            }
        }
    }
    assert!(links > 40, "{links} links");
}

/// The names by which links lead to the headings of a page, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, line) in prose(text) {
        let title = line.trim_start_matches('#');
        if !line.starts_with('#') || !title.starts_with(' ') {
            continue;
        }
        // Of a link in a heading only its text counts.
        let title: String = title.split("](").map(|part| part.split_once(')').map_or(part, |(_, rest)| rest)).collect();
        let marks = |mark: &char| mark.is_alphanumeric() || [' ', '-', '_'].contains(mark);
        let name: String = title.trim().to_lowercase().chars().filter(marks).collect();
        let name = name.replace(' ', "-");
        let another = (1..).map(|number| format!("{name}-{number}")).find(|name| !found.contains(name));
        let name = if found.contains(&name) { another.unwrap() } else { name };
        found.insert(name);
    }
    found
}

#[test]
fn every_link_to_a_heading_leads_to_one() {
    let (mut links, mut missing) = (0, Vec::new());
    for path in documents() {
        for (number, line) in prose(&read(&path)) {
            for part in line.split("](").skip(1) {
                let Some((file, anchor)) = part.split(')').next().unwrap().split_once('#') else { continue };
                if file.contains("://") {
                    continue;
                }
                let page = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
                // A line of a source file is no heading.
                if page.extension().is_some_and(|extension| extension == "md") {
                    links += 1;
                    if !anchors(&read(&page)).contains(anchor) {
                        missing.push(format!("{}:{number}: {file}#{anchor}", path.display()));
                    }
                }
            }
        }
    }
    assert!(missing.is_empty(), "no heading is there:\n{}", missing.join("\n"));
    assert!(links > 30, "{links} links");
}

#[test]
fn an_anchor_is_what_the_page_of_a_heading_makes_of_it() {
    let text = "# A, b & `c.d`\n## A [link](x.md) here\n## Same\n```sh\n# no heading\n```\n### Same\n#no\n";
    let expected = ["a-b--cd", "a-link-here", "same", "same-1"];
    assert_eq!(anchors(text), expected.map(str::to_owned).into());
}

#[test]
fn every_path_in_a_document_exists() {
    let mut paths = 0;
    let mut missing = Vec::new();
    for path in documents() {
        // The changelog also tells of what is gone.
        if path.ends_with("CHANGELOG.md") {
            continue;
        }
        let text = read(&path);
        for (number, line) in prose(&text) {
            for name in quoted(line) {
                let is_path = ROOTS.iter().any(|root| name.starts_with(root));
                // The pages about the first event name files of the reader's own project.
                let is_readers = name.starts_with("src/main");
                let is_pattern = name.contains(['*', '{', ' ', '…']) || name.contains("NAME") || name.contains("...");
                if is_path && !is_readers && !is_pattern {
                    if !root().join(name).exists() {
                        missing.push(format!("{}:{number}: {name}", path.display()));
                    }
                    paths += 1;
                }
            }
        }
    }
    assert!(missing.is_empty(), "these do not exist:\n{}", missing.join("\n"));
    assert!(paths > 40, "{paths} paths");
}

#[test]
fn every_test_that_guards_a_fragile_place_exists() {
    let mut tests = BTreeSet::new();
    for path in files("", &["rs"]) {
        for part in read(&path).split("fn ").skip(1) {
            tests.insert(part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>());
        }
    }
    let sentences: String = files("", &["kt", "ts"]).iter().map(|path| read(path)).collect();
    let text = read(Path::new("docs/fragile.md"));
    let mut entries = 0;
    let mut guards = 0;
    for entry in text.split("\n### ").skip(1) {
        let title = entry.lines().next().unwrap();
        let (_, guarded) = entry.split_once("Guarded by").unwrap_or_else(|| panic!("nothing guards \"{title}\""));
        for name in quoted(guarded) {
            if name.contains(' ') {
                let is_command = name.starts_with("cargo ") || name.contains("a ") && sentences.contains(name);
                assert!(is_command || sentences.contains(name), "{title}: no test is called `{name}`");
                guards += 1;
            } else if name.contains('_') && name.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_numeric()) {
                let is_kill_point = read(Path::new("src/model/kill_point.rs")).contains(&format!("\"{name}\""));
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
    let quickstart = read(Path::new("examples/quickstart.rs"));
    let code = block("README.md", "rust");
    assert!(quickstart.ends_with(&code), "README.md and examples/quickstart.rs differ");
}

/// The names that the sources of a facade declare. Generated code and tests declare none of them.
fn declared(folders: &[&str]) -> BTreeSet<String> {
    const KEYWORDS: [&str; 12] =
        ["func", "fun", "var", "val", "let", "case", "class", "struct", "object", "const", "function", "readonly"];
    let mut names = BTreeSet::new();
    for path in folders.iter().flat_map(|folder| files(folder, &["swift", "kt", "ts", "tsx"])) {
        let is_hidden =
            ["/test/", "/internal/", "/Generated/"].iter().any(|part| path.to_string_lossy().contains(part));
        if is_hidden {
            continue;
        }
        let text = read(&path);
        for line in text.lines().filter(|line| !line.trim_start().starts_with(['/', '*'])) {
            let words: Vec<&str> = line.split_whitespace().collect();
            for pair in words.windows(2) {
                let [keyword, _] = pair else { continue };
                if !KEYWORDS.contains(keyword) {
                    continue;
                }
                // `fun <T> Throughline.operation(` declares `operation`.
                let rest = line.split_once(&format!("{keyword} ")).map_or("", |(_, rest)| rest);
                let rest = rest.strip_prefix('<').and_then(|rest| rest.split_once("> ")).map_or(rest, |(_, rest)| rest);
                let name = rest.split(['(', ':', '<', '=', ' ', '?', '{']).next().unwrap_or_default();
                names.insert(name.rsplit('.').next().unwrap_or_default().to_owned());
            }
            // A method of a class in TypeScript, and a case of an enum in Kotlin, have no keyword.
            let start = line.trim_start();
            names.insert(start.split(['(', ',', ';']).next().unwrap_or_default().to_owned());
        }
    }
    names
}

/// The name that a quoted call or setting ends with: `startView` of `Throughline.startView(name)`.
fn called(code: &str) -> Option<&str> {
    let path = code.split(['(', ' ', '=', '<', '[', '"']).next()?;
    let name = path.rsplit('.').next()?;
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(char::is_alphanumeric);
    is_name.then_some(name)
}

#[test]
fn every_call_in_a_table_of_a_facade_exists() {
    let facades: Vec<_> = FACADES.iter().map(|(title, folders)| (*title, declared(folders))).collect();
    let mut calls = 0;
    let mut missing = Vec::new();
    for path in files("docs/migrate", &["md"]).into_iter().chain([PathBuf::from("docs/sampling-and-cost.md")]) {
        let text = read(&path);
        let mut header: Vec<&str> = Vec::new();
        for (number, line) in prose(&text) {
            if !line.starts_with('|') {
                header.clear();
                continue;
            }
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            if header.is_empty() {
                header = cells;
                continue;
            }
            for (title, cell) in header.iter().zip(cells) {
                let Some((_, names)) = facades.iter().find(|(facade, _)| facade == title) else { continue };
                for name in quoted(cell).into_iter().filter_map(called) {
                    calls += 1;
                    if !names.contains(name) {
                        missing.push(format!("{}:{number}: {title} has no `{name}`", path.display()));
                    }
                }
            }
        }
    }
    assert!(missing.is_empty(), "these do not exist:\n{}", missing.join("\n"));
    assert!(calls > 200, "{calls} calls");
}

/// Datadog's intakes do not read OTLP, and a DSN as the endpoint of OTLP is refused. MetricKit
/// tells of crashes that the other SDK has reported.
#[test]
fn no_app_that_moves_sends_otlp_to_another_format_or_each_crash_twice() {
    for (format, setting) in [("datadog", "`clientToken`"), ("sentry", "`dsn`")] {
        let page = read(Path::new(&format!("docs/migrate/from-{format}.md")));
        let row = page.lines().find(|line| line.starts_with(&format!("| {setting}"))).unwrap();
        let cells: Vec<_> = row.trim_matches('|').split('|').skip(1).collect();
        assert!(cells.len() == 3 && cells.iter().all(|cell| cell.contains(format)), "{row}");
    }
    for page in ["README", "from-datadog", "from-sentry", "from-embrace"] {
        let text = read(Path::new(&format!("docs/migrate/{page}.md")));
        let words: Vec<_> = text.split_whitespace().collect();
        assert!(words.windows(4).any(|words| words.join(" ").starts_with("set `reportMetricKit` to false")), "{page}");
    }
}

#[test]
fn no_document_uses_a_name_that_was_replaced() {
    let mut stale = Vec::new();
    for path in documents() {
        if path.ends_with("CHANGELOG.md") || path.ends_with("0013-vocabulary.md") {
            continue;
        }
        for (index, line) in read(&path).lines().enumerate() {
            let found = OLD_NAMES.iter().filter(|old| line.contains(**old));
            stale.extend(found.map(|old| format!("{}:{}: {old}", path.display(), index + 1)));
        }
    }
    assert!(stale.is_empty(), "these have other names now:\n{}", stale.join("\n"));
}

#[test]
fn prose_is_wrapped() {
    let mut long = Vec::new();
    for path in documents() {
        for (number, line) in prose(&read(&path)) {
            let is_table = line.trim_start().starts_with('|');
            let length = line.chars().count();
            if !is_table && length > MAX_LINE {
                long.push(format!("{}:{number}: {length} characters", path.display()));
            }
        }
    }
    assert!(long.is_empty(), "these lines are too long:\n{}", long.join("\n"));
}
