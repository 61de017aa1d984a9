//! Rules of the house that a machine can check.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::sources::{files, is_generated, read, root};

/// Lines of a file that is still one thing. Files are meant to have 80 to 350.
const MAX_LINES: usize = 500;
/// Characters of a comment's line. Code may have 120.
const MAX_COMMENT: usize = 100;

/// Source files that people write: the file and its text.
fn written() -> impl Iterator<Item = (PathBuf, String)> {
    let texts = files("", &["rs", "swift", "kt", "ts", "cpp"]).into_iter().map(|file| (file.clone(), read(&file)));
    texts.filter(|(_, text)| !is_generated(text))
}

/// The lines of a source file that are comments, with their numbers.
fn comments(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_block = false;
    text.lines().enumerate().filter_map(move |(number, line)| {
        let begin = line.trim_start();
        let is_comment = is_block || begin.starts_with("//") || begin.starts_with("/*");
        if is_block || begin.starts_with("/*") {
            is_block = !line.contains("*/");
        }
        is_comment.then_some((number + 1, line))
    })
}

/// Every file and folder of the repository, and every ending of its path: a comment may write
/// `engine/globals.rs`.
fn known_paths() -> BTreeSet<PathBuf> {
    let mut known = BTreeSet::new();
    for file in
        files("", &["rs", "swift", "kt", "kts", "md", "toml", "json", "c", "h", "cpp", "ts", "html", "xml", "sh"])
    {
        for path in file.ancestors() {
            for skipped in 0..path.components().count() {
                known.insert(path.components().skip(skipped).collect());
            }
        }
    }
    known
}

/// The words of a comment that name a file or a folder of the repository: source files, and what
/// begins with one of its folders.
fn paths_in(comment: &str) -> impl Iterator<Item = &str> {
    const FOLDERS: [&str; 9] =
        ["src/", "uniffi/", "cli/", "torture/", "xtask/", "benches/", "fuzz/", "tests/", "bindings/"];
    let words = comment.split(|mark: char| !mark.is_alphanumeric() && !"_-./:".contains(mark));
    words.map(|word| word.trim_matches(['.', '-', ':', '/'])).filter(|word| {
        let is_source = [".rs", ".swift", ".kt"].iter().any(|end| word.ends_with(end));
        is_source || FOLDERS.iter().any(|folder| word.starts_with(folder))
    })
}

#[test]
fn no_comment_names_a_file_that_is_not_there() {
    let known = known_paths();
    let mut stale = Vec::new();
    for (file, text) in written() {
        for (number, line) in comments(&text) {
            let gone = paths_in(line).filter(|path| !known.contains(Path::new(path)) && !root().join(path).exists());
            stale.extend(gone.map(|path| format!("{}:{number}: {path}", file.display())));
        }
    }
    assert!(stale.is_empty(), "paths that lead nowhere:\n{}", stale.join("\n"));
}

#[test]
fn no_file_is_too_long_to_be_one_thing() {
    let lengths = written().map(|(file, text)| (file, text.lines().count()));
    let long: Vec<String> = lengths
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(file, lines)| format!("{}: {lines} lines", file.display()))
        .collect();
    assert!(long.is_empty(), "these files have more than {MAX_LINES} lines:\n{}", long.join("\n"));
}

#[test]
fn no_comment_is_wider_than_a_reader_can_follow() {
    let mut wide = Vec::new();
    let is_rust = |file: &Path| file.extension().is_some_and(|extension| extension == "rs");
    for (file, text) in written().filter(|(file, _)| is_rust(file)) {
        let lines = comments(&text).map(|(number, line)| (number, line.chars().count()));
        let lines = lines.filter(|(_, length)| *length > MAX_COMMENT);
        wide.extend(lines.map(|(number, length)| format!("{}:{number}: {length} characters", file.display())));
    }
    assert!(wide.is_empty(), "these comments have more than {MAX_COMMENT} characters:\n{}", wide.join("\n"));
}
