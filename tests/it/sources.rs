//! Reads the repository's own files for the tests that check its structure: a list of files, and
//! the tokens of Rust code.

use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of the repository below `folder` with one of the extensions, relative to the root,
/// sorted. Folders that builds write, and hidden ones, are left out.
pub fn files(folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let (path, name) = (entry.path(), entry.file_name().into_string().unwrap_or_default());
            if path.is_dir() {
                if !name.starts_with('.') && !["target", "build", "node_modules"].contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|found| extensions.iter().any(|extension| found == *extension)) {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The text of a file that is named relative to the root.
pub fn read(path: &Path) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether a generator wrote the file: its first lines say so.
pub fn is_generated(text: &str) -> bool {
    text.lines().take(4).any(|line| line.to_lowercase().contains("generated"))
}

/// What a token of Rust code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An identifier, a keyword or a number.
    Word,
    /// A mark; `::` is one token.
    Mark,
    /// A literal text, without its quotation marks and with escapes as they are written.
    Text,
    /// A comment of one line or of several, with its marks.
    Comment,
}

/// A token of Rust code.
#[derive(Debug, Clone)]
pub struct Token {
    pub kind: Kind,
    pub text: String,
    /// The line that it begins on, from 1.
    pub line: usize,
}

impl Token {
    /// Whether this is the word or the mark `text`.
    pub fn is(&self, text: &str) -> bool {
        matches!(self.kind, Kind::Word | Kind::Mark) && self.text == text
    }
}

/// Splits Rust code into its tokens. Lifetimes and characters are left out: no check needs them.
pub fn tokens(code: &str) -> Vec<Token> {
    let chars: Vec<char> = code.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let (mut found, mut index, mut line) = (Vec::new(), 0, 1);
    while index < chars.len() {
        let (begin, begin_line) = (index, line);
        let kind = match at(index) {
            '/' if at(index + 1) == '/' => {
                while index < chars.len() && at(index) != '\n' {
                    index += 1;
                }
                Some(Kind::Comment)
            }
            '/' if at(index + 1) == '*' => {
                let mut depth = 0;
                loop {
                    match (at(index), at(index + 1)) {
                        ('/', '*') => depth += 1,
                        ('*', '/') => depth -= 1,
                        _ => {
                            index += 1;
                            continue;
                        }
                    }
                    index += 2;
                    if depth == 0 || index >= chars.len() {
                        break;
                    }
                }
                Some(Kind::Comment)
            }
            '"' => {
                index += 1;
                while index < chars.len() && at(index) != '"' {
                    index += if at(index) == '\\' { 2 } else { 1 };
                }
                index += 1;
                Some(Kind::Text)
            }
            'r' | 'b' | 'c' if raw_marks(&chars[index..]).is_some() => {
                let (prefix, marks) = raw_marks(&chars[index..]).unwrap();
                let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', marks)).collect();
                index += prefix + marks + 1;
                while index < chars.len() && !chars[index..].starts_with(&end) {
                    index += 1;
                }
                index += end.len();
                Some(Kind::Text)
            }
            '\'' => {
                let is_lifetime = at(index + 1) != '\\' && at(index + 2) != '\'';
                index += 1;
                while !is_lifetime && index < chars.len() && at(index) != '\'' {
                    index += if at(index) == '\\' { 2 } else { 1 };
                }
                index += usize::from(!is_lifetime);
                None
            }
            first if first.is_alphanumeric() || first == '_' => {
                while at(index).is_alphanumeric() || at(index) == '_' {
                    index += 1;
                }
                // The `b` of `b"…"` belongs to the text that follows.
                (at(index) != '"').then_some(Kind::Word)
            }
            first => {
                index += if first == ':' && at(index + 1) == ':' { 2 } else { 1 };
                (!first.is_whitespace()).then_some(Kind::Mark)
            }
        };
        let piece: String = chars[begin..index.min(chars.len())].iter().collect();
        line += piece.matches('\n').count();
        if let Some(kind) = kind {
            let text = if kind == Kind::Text { unquoted(&piece) } else { piece };
            found.push(Token { kind, text, line: begin_line });
        }
    }
    found
}

/// For a raw text: the length of its prefix and the number of its `#`.
fn raw_marks(chars: &[char]) -> Option<(usize, usize)> {
    let prefix = chars.iter().take_while(|mark| mark.is_alphabetic()).count();
    let is_raw = matches!(chars.get(..prefix)?, ['r'] | ['b', 'r'] | ['c', 'r']);
    let marks = chars.get(prefix..)?.iter().take_while(|mark| **mark == '#').count();
    (is_raw && chars.get(prefix + marks) == Some(&'"')).then_some((prefix, marks))
}

fn unquoted(literal: &str) -> String {
    let begin = literal.find('"').map_or(0, |at| at + 1);
    literal[begin..].trim_end_matches('#').trim_end_matches('"').to_owned()
}

/// The product's part of a file's tokens: without comments, and without the items that are there
/// for tests alone.
pub fn product(code: &str) -> Vec<Token> {
    without_tests(tokens(code).into_iter().filter(|token| token.kind != Kind::Comment).collect())
}

/// Leaves out every item that follows `#[cfg(test)]`.
pub fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let mark = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut index) = (Vec::new(), 0);
    while index < tokens.len() {
        let begins = tokens[index..].iter().zip(mark).filter(|(token, mark)| token.is(mark)).count() == mark.len();
        if !begins {
            kept.push(tokens[index].clone());
            index += 1;
            continue;
        }
        let mut depth = 0;
        index += mark.len();
        while index < tokens.len() {
            let token = &tokens[index];
            index += 1;
            if token.is("{") || token.is("[") || token.is("(") {
                depth += 1;
            } else if token.is("}") || token.is("]") || token.is(")") {
                depth -= 1;
                if depth == 0 && token.is("}") {
                    break;
                }
            } else if depth == 0 && token.is(";") {
                break;
            }
        }
    }
    kept
}

#[test]
fn a_path_in_a_comment_or_a_text_is_not_taken_for_code() {
    let code = r##"
        use crate::a::b; // crate::c
        /* crate::d /* crate::e */ */
        let text = ("crate::f \" crate::g", r#"crate::h" "#, 'x', '"', '\'', b"i");
        #[cfg(test)]
        mod tests { use crate::j; fn k() {} }
        #[cfg(test)]
        mod tests;
        fn l<'a>(m: &'a str) {}
    "##;
    let words: Vec<String> =
        product(code).into_iter().filter(|token| token.kind == Kind::Word).map(|token| token.text).collect();
    assert_eq!(words, ["use", "crate", "a", "b", "let", "text", "fn", "l", "a", "m", "a", "str"].map(str::to_owned));
}
