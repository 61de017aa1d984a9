//! Limits and names have one place each: a limit outside `src/model/limits.rs` and a name outside
//! `src/model/names` are strays.
//!
//! A limit that stands alone is found by nobody who looks for all of them, and has no reason
//! beside it. A name that is written in two places changes in one of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::sources::{Kind, Token, files, product, read};

/// Files and folders that own a format, or say how something lies in memory. Their field numbers,
/// tags, offsets, versions and bits are no limits: another value would not be stricter or laxer,
/// but wrong.
const FORMATS: [&str; 20] = [
    "src/engine/lifecycle.rs",
    "src/engine/recorder/keeping.rs",
    "src/engine/scopes/mod.rs",
    "src/model/event/encode",
    "src/model/event/put.rs",
    "src/model/event/scratch.rs",
    "src/model/event/scrub.rs",
    "src/policy/sampling.rs",
    "src/storage/frame.rs",
    "src/storage/journal/checksum.rs",
    "src/storage/journal/counters.rs",
    "src/storage/journal/memory.rs",
    "src/storage/journal/preamble.rs",
    "src/storage/queue/held.rs",
    "src/storage/queue/salvage.rs",
    "src/storage/queue/schema.rs",
    "src/wire/export/connect",
    "src/wire/export/fluentd",
    "src/wire/export/otlp/mod.rs",
    "src/wire/export/sentry",
];

/// Names whose words mean something else elsewhere: the keys of breadcrumbs, and of formats.
const WORDS_OF_FORMATS: [&str; 2] = ["breadcrumb.rs", "fluentd.rs"];

/// Words in the name of a constant that say that it is a limit, whichever file it is in.
const LIMIT_WORDS: [&str; 10] = ["BUDGET", "CAP", "DEFAULT", "EVERY", "LIMIT", "MAX", "MIN", "QUOTA", "TIMEOUT", "TTL"];

/// Texts that are names of something else: the file, and the text.
const OTHER_NAMES: [(&str, &str); 11] = [
    // Of threads.
    ("src/api/erasure.rs", "throughline"),
    ("src/engine/worker/thread.rs", "throughline"),
    ("src/api/lifecycle.rs", "throughline"),
    // Of a file.
    ("src/engine/directory/erase.rs", "switches."),
    // Of a kind of event.
    ("src/model/event/mod.rs", "custom"),
    // Of formats of trace headers, in configurations.
    ("src/model/config/hosts.rs", "b3"),
    ("src/model/config/hosts.rs", "baggage"),
    // Of fields of Connect's messages.
    ("src/wire/export/connect/event.rs", "custom"),
    ("src/wire/export/connect/event.rs", "logger"),
    ("src/wire/export/connect/event.rs", "source"),
    // Of a field of OTLP/JSON.
    ("src/wire/export/otlp/metrics.rs", "count"),
];

/// Where texts that are built like keys name fields of a configuration, for its errors.
const CONFIGURATION: &str = "src/policy/state/policy.rs";

/// The types of constants that may be limits.
const LIMIT_TYPES: [&str; 13] =
    ["u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "isize", "f64", "Duration"];

/// The files of the core that are the product: not tests, and not the faulty backend of the feature
/// `testing`.
fn core() -> impl Iterator<Item = (PathBuf, Vec<Token>)> {
    let files = files("src", &["rs"]).into_iter();
    let is_test = |file: &Path| file.ends_with("tests.rs") || file.iter().any(|part| part == "tests");
    let files = files.filter(move |file| !is_test(file) && !file.ends_with("api/testing.rs"));
    files.map(|file| (file.clone(), product(&read(&file))))
}

fn is_number(token: &Token) -> bool {
    token.kind == Kind::Word && token.text.starts_with(|first: char| first.is_ascii_digit())
}

/// The constants in the code whose type can be a limit's and whose value has a number in it, with
/// their lines. A value without a number follows from another constant or a type.
fn numbers(code: &[Token]) -> Vec<(&str, usize)> {
    let mut found = Vec::new();
    for (at, three) in code.windows(4).enumerate() {
        let [keyword, name, colon, of] = three else { continue };
        let is_constant = (keyword.is("const") || keyword.is("static")) && colon.is(":");
        if !is_constant || !LIMIT_TYPES.contains(&of.text.as_str()) {
            continue;
        }
        let mut value = code[at + 4..].iter().take_while(|token| !token.is(";"));
        if value.any(is_number) {
            found.push((name.text.as_str(), name.line));
        }
    }
    found
}

/// The lines on which a duration is made of a number.
fn durations(code: &[Token]) -> Vec<usize> {
    let is_duration = |five: &&[Token]| {
        let is_made = five[2].text.starts_with("from_") || five[2].is("new");
        five[0].is("Duration") && five[1].is("::") && is_made && five[3].is("(") && is_number(&five[4])
    };
    code.windows(5).filter(is_duration).map(|five| five[0].line).collect()
}

/// The limits in a file that is not for limits.
fn stray_limits(file: &Path, code: &[Token]) -> Vec<String> {
    let is_format = FORMATS.iter().any(|format| file.starts_with(format));
    let constants = numbers(code).into_iter().filter(|(name, _)| {
        let says_limit = name.split('_').any(|word| LIMIT_WORDS.contains(&word));
        says_limit || !is_format
    });
    let constants = constants.map(|(name, line)| format!("{}:{line}: {name}", file.display()));
    let durations = durations(code).into_iter().map(|line| format!("{}:{line}: a duration", file.display()));
    constants.chain(durations).collect()
}

/// The names and words in `src/model/names`, each with its constant.
fn names() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let is_of_format = |file: &PathBuf| WORDS_OF_FORMATS.iter().any(|format| file.ends_with(format));
    for file in files("src/model/names", &["rs"]).into_iter().filter(|file| !is_of_format(file)) {
        let code = product(&read(&file));
        for at in 0..code.len() {
            let [name, colon, .., equals, value] = &code[at..code.len().min(at + 6)] else { continue };
            if colon.is(":") && equals.is("=") && value.kind == Kind::Text {
                found.insert(value.text.clone(), name.text.clone());
            }
        }
    }
    found
}

/// Whether a text is built like an attribute's key, or like the beginning of one: lower-case words
/// joined by dots. What ends like a file's name is none.
fn is_key(text: &str) -> bool {
    let words: Vec<&str> = text.split('.').collect();
    let (last, first) = words.split_last().unwrap();
    let is_word = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let is_file = ["db", "json"].contains(last);
    !first.is_empty() && first.iter().all(|word| is_word(word)) && (last.is_empty() || is_word(last)) && !is_file
}

/// The names in a file that is not for names.
fn stray_names(file: &Path, code: &[Token], names: &BTreeMap<String, String>) -> Vec<String> {
    let mut found = Vec::new();
    for (at, token) in code.iter().enumerate().filter(|(_, token)| token.kind == Kind::Text) {
        let is_other = OTHER_NAMES.iter().any(|(other, text)| file == Path::new(other) && token.text == *text);
        let is_field = file == Path::new(CONFIGURATION) || at > 1 && code[at - 2].is("config") && code[at - 1].is("(");
        if is_other || is_field {
            continue;
        }
        let known = names.get(&token.text);
        if known.is_some() || is_key(&token.text) {
            let constant = known.map_or("a name", |name| name.as_str());
            found.push(format!("{}:{}: \"{}\" ({constant})", file.display(), token.line, token.text));
        }
    }
    found
}

#[test]
fn every_limit_is_in_the_file_of_limits() {
    let (mut strays, mut read) = (Vec::new(), 0);
    for (file, code) in
        core().filter(|(file, _)| !file.starts_with("src/model/limits.rs") && !file.starts_with("src/model/limits"))
    {
        strays.extend(stray_limits(&file, &code));
        read += numbers(&code).len();
    }
    assert!(read > 50, "only {read} constants were read");
    assert!(strays.is_empty(), "these belong into src/model/limits.rs:\n{}", strays.join("\n"));
}

#[test]
fn a_planted_limit_is_found_and_a_number_of_a_format_is_none() {
    let stray = |file: &str, code: &str| stray_limits(Path::new(file), &product(code)).len();
    assert_eq!(stray("src/engine/worker/mod.rs", "const MAX_FOO: usize = 100;"), 1);
    assert_eq!(stray("src/engine/worker/mod.rs", "const PATIENCE: Duration = OTHER;"), 0);
    assert_eq!(stray("src/engine/worker/mod.rs", "fn f() { sleep(Duration::from_secs(30)) }"), 1);
    assert_eq!(stray("src/engine/worker/mod.rs", "fn f(ns: u64) { sleep(Duration::from_nanos(ns)) }"), 0);
    assert_eq!(stray("src/storage/frame.rs", "const HEADER: usize = 8;"), 0);
    assert_eq!(stray("src/storage/frame.rs", "const MAX_FOO: usize = 100;"), 1);
}

#[test]
fn a_planted_name_is_found_and_other_texts_are_none() {
    let stray = |code: &str| stray_names(Path::new("src/engine/globals.rs"), &product(code), &names()).len();
    for planted in ["\"user.id\"", "\"user.\"", "\"_dd.p.tid\"", "\"throughline.queue.depth\"", "\"rage_tap\""] {
        assert_eq!(stray(&format!("fn f() {{ set({planted}) }}")), 1, "{planted}");
    }
    for other in ["\"queue.db\"", "\"sse4.2\"", "\"...\"", "\"a sentence.\"", "\"\"", "/* \"user.id\" */"] {
        assert_eq!(stray(&format!("fn f() {{ set({other}) }}")), 0, "{other}");
    }
}

#[test]
fn every_name_that_leaves_the_device_is_with_the_names() {
    let names = names();
    assert!(names.len() > 100, "only {} names were read", names.len());
    let core = core().filter(|(file, _)| !file.starts_with("src/model/names"));
    let strays: Vec<String> = core.flat_map(|(file, code)| stray_names(&file, &code, &names)).collect();
    assert!(strays.is_empty(), "these belong into src/model/names:\n{}", strays.join("\n"));
}
