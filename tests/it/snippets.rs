//! Every block of code in a page is compiled, run or parsed by something. This finds who does.
//!
//! `cargo test --test it snippets -- --nocapture` prints the list.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::sources::{files, read};

/// A page about how a fixture was made. Its sources are in the fixture's own debug information.
const MADE_ONCE: &str = "cli/tests/symbolicate/fixtures/README.md";

/// A block of code.
struct Block {
    page: PathBuf,
    line: usize,
    /// What stands behind the fence, without options.
    language: String,
    code: String,
    /// The heading of the second level above it.
    section: String,
}

fn blocks() -> Vec<Block> {
    let mut found = Vec::new();
    for page in files("", &["md"]) {
        found.extend(blocks_of(&page, &read(&page)));
    }
    found
}

fn blocks_of(page: &Path, text: &str) -> Vec<Block> {
    let (mut found, mut section) = (Vec::new(), String::new());
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let content = line.trim_start();
        if let Some(title) = line.strip_prefix("## ") {
            title.clone_into(&mut section);
        }
        let mark = if content.starts_with("~~~") { "~~~" } else { "```" };
        let Some(language) = content.strip_prefix(mark) else { continue };
        let indent = line.len() - content.len();
        let code = lines.by_ref().map(|(_, line)| line).take_while(|line| !line.trim_start().starts_with(mark));
        let code: String = code.map(|line| format!("{}\n", line.get(indent..).unwrap_or_default())).collect();
        let language = language.split([',', ' ']).next().unwrap_or_default().to_owned();
        found.push(Block { page: page.to_owned(), line: number + 1, language, code, section: section.clone() });
    }
    found
}

/// Whether the lines of a text follow each other in another one, however they are indented.
fn contains(text: &str, lines: &str) -> bool {
    let trimmed =
        |text: &str| text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    format!("\n{}\n", trimmed(text)).contains(&format!("\n{}\n", trimmed(lines)))
}

/// Whether a file says a text, so that a check in it reads the page.
fn says(file: &str, text: &str) -> bool {
    read(Path::new(file)).contains(text)
}

/// The sections of the guides whose commands and files are followed word for word.
const FOLLOWED: [(&str, &[&str]); 4] = [
    ("docs/first-event-rust.md", &["1. Create", "2. Record", "3. Start", "4. Run"]),
    ("docs/kotlin.md", &["Install", "Start", "See the first event"]),
    ("docs/react-native.md", &["Install", "Start", "See the first event"]),
    ("docs/swift.md", &["Install", "Start", "See the first event"]),
];

fn is_followed(page: &str, section: &str) -> bool {
    FOLLOWED.iter().any(|(guide, sections)| *guide == page && sections.iter().any(|begin| section.starts_with(begin)))
}

/// Who checks a block, or what is wrong with it.
fn owner(block: &Block) -> Result<&'static str, String> {
    const GUIDES_TEST: &str = "bindings/kotlin/consumer/src/test/kotlin/com/example/GuidesTest.kt";
    const EXAMPLES: &str = "bindings/typescript/packaging/test/examples.test.mjs";
    const RUNNERS: &str = "bindings/typescript/packaging/test/runners.test.mjs";
    let page = block.page.to_str().unwrap();
    if page == MADE_ONCE {
        return Ok("nobody: how a fixture was made");
    }
    let is_guide = page == "README.md" || block.page.parent() == Some(Path::new("docs"));
    let nobody = || Err("nobody compiles or runs it".to_owned());
    match block.language.as_str() {
        // A drawing, or what a program prints.
        "text" => Ok("nobody: no code"),
        "sh" => shell(&block.code).map(|()| {
            if is_followed(page, &block.section) {
                "cargo xtask guide"
            } else {
                "bash, and the options of cargo xtask and throughline"
            }
        }),
        "rust" if says("src/lib.rs", &format!("include_str!(\"../{page}\")")) => Ok("a documentation test of the core"),
        "rust" if contains(&read(Path::new("tests/it/pages.rs")), &block.code) => Ok("tests/it/pages.rs"),
        "rust" if contains(&read(Path::new("examples/quickstart.rs")), &block.code) => Ok("examples/quickstart.rs"),
        "rust" if page.starts_with("examples/telemetry-service/") => {
            let tests = read(Path::new("examples/telemetry-service/tests/warehouse.rs"));
            if contains(&tests, &block.code) { Ok("the tests of the service") } else { nobody() }
        }
        "swift" if is_guide => Ok("cargo xtask test --only swift, with bindings/swift/Guides"),
        "kotlin" if says(GUIDES_TEST, &format!("\"{page}\" to ")) => Ok("GuidesTest.kt"),
        "java" if says(GUIDES_TEST, &format!("fences(\"{page}\", \"java\")")) => Ok("GuidesTest.kt"),
        "ts" if block.page.ends_with("README.md") && page.starts_with("bindings/typescript/") => Ok("readme.test.ts"),
        "ts" if says(EXAMPLES, page) => Ok("examples.test.mjs"),
        "xml" | "js" if is_followed(page, &block.section) => Ok("cargo xtask guide"),
        // These tests choose a block by something that it says.
        "js" if page == "docs/react-native.md" => {
            let marks =
                ["transformIgnorePatterns", "vitest/config", "TurboModuleRegistry", "unstable_enablePackageExports"];
            let is_used = |mark: &&str| block.code.contains(*mark) && says(RUNNERS, &format!("settings(\"{mark}\")"));
            if marks.iter().any(is_used) { Ok("runners.test.mjs") } else { nobody() }
        }
        "json" => match serde_json::from_str::<serde_json::Value>(&block.code) {
            Ok(_) => Ok("this test"),
            Err(error) => Err(error.to_string()),
        },
        "toml" => toml(&block.code).map(|()| "Cargo"),
        "ruby" if says("bindings/typescript/packaging/podspec.rb", page) => Ok("podspec.rb"),
        "sql" if says("cli/tests/larger/mod.rs", page) => Ok("ClickHouse, in the tests of the command line"),
        "" => Err("the fence does not say what it is".to_owned()),
        _ => nobody(),
    }
}

/// What bash says of a script that it does not run.
fn shell(code: &str) -> Result<(), String> {
    let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    bash.stdin.take().unwrap().write_all(code.as_bytes()).unwrap();
    let done = bash.wait_with_output().unwrap();
    if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).into_owned()) }
}

/// What Cargo says of a part of a manifest.
fn toml(code: &str) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("src")).unwrap();
    std::fs::write(dir.path().join("src/lib.rs"), "").unwrap();
    let manifest = format!("[package]\nname = \"a\"\nedition = \"2024\"\n\n{code}\n[workspace]\n");
    std::fs::write(dir.path().join("Cargo.toml"), manifest).unwrap();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let read = cargo.current_dir(dir.path()).args(["metadata", "--offline", "--no-deps", "--format-version", "1"]);
    let done = read.output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    if done.status.success() && !said.contains("unused manifest key") { Ok(()) } else { Err(said) }
}

#[test]
fn no_page_shows_code_that_nobody_compiles_or_runs() {
    let (mut count, mut wrong) = (0, Vec::new());
    for block in blocks() {
        let place = format!("{}:{}: {}", block.page.display(), block.line, block.language);
        match owner(&block) {
            Ok(owner) => println!("{place}: {owner}"),
            Err(why) => wrong.push(format!("{place}: {why}")),
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "these blocks have no owner:\n{}", wrong.join("\n"));
    assert!(count > 100, "{count} blocks");
}

#[test]
fn a_block_that_nobody_owns_or_that_is_broken_is_found() {
    let wrong = |page: &str, text: &str| {
        let blocks = blocks_of(Path::new(page), text);
        assert_eq!(blocks.len(), 1, "{text}");
        owner(&blocks[0]).is_err()
    };
    for (page, text) in [
        ("docs/cli.md", "```\nlet a = 1;\n```\n"),
        ("docs/cli.md", "```rust\nlet nobody = has(this);\n```\n"),
        ("docs/cli.md", "~~~python\nprint(1)\n~~~\n"),
        ("docs/cli.md", "1. a\n\n   ```json\n   { \"a\": 1, }\n   ```\n"),
        ("docs/cli.md", "```sh\nif true; then\n```\n"),
        ("docs/cli.md", "```toml\n[profile.release]\ndebug = \"some\"\n```\n"),
        ("docs/cli.md", "```kotlin\nval a = 1\n```\n"),
        ("docs/react-native.md", "```js\nmodule.exports = {};\n```\n"),
        ("docs/react-native.md", "## Expo\n\n```groovy\na {}\n```\n"),
    ] {
        assert!(wrong(page, text), "{text}");
    }
    assert!(!wrong("docs/cli.md", "```json\n{ \"a\": 1 }\n```\n"));
}
