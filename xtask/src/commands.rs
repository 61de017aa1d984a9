//! The commands that pages show, for the tests that parse them as the programs do. The command
//! line's test includes this file, too.

use std::path::{Path, PathBuf};

/// Every page of a checkout.
pub(crate) fn documents(root: &Path) -> std::io::Result<Vec<PathBuf>> {
    let (mut found, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() && !name.starts_with('.') && !["target", "build", "node_modules"].contains(&name.as_str())
            {
                folders.push(path);
            } else if name.ends_with(".md") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The words behind a program's name, for each of its commands in a page: in blocks of shell, and
/// in prose between backticks. A command in prose with a word in capitals says what the reader
/// fills in, and is left out.
pub(crate) fn commands(page: &str, programs: &[&str]) -> Vec<Vec<String>> {
    let (mut found, mut is_code, mut is_shell) = (Vec::new(), false, false);
    let joined = page.replace("\\\n", " ");
    for line in joined.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            (is_code, is_shell) = (!is_code, !is_code && language == "sh");
        } else if is_shell {
            for command in line.split(" | ") {
                found.extend(programs.iter().find_map(|program| words(command, program)));
            }
        } else if !is_code {
            let quoted = line.split('`').skip(1).step_by(2);
            let all = quoted.filter_map(|quoted| programs.iter().find_map(|program| words(quoted, program)));
            found.extend(all.filter(|words| !words.iter().any(|word| is_blank(word)) && !words.is_empty()));
        }
    }
    found
}

/// Whether the reader puts something else in the place of a word.
fn is_blank(word: &str) -> bool {
    word.contains('…') || word.len() > 1 && word.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_')
}

/// The words of a command behind the program's name, without a comment.
fn words(command: &str, program: &str) -> Option<Vec<String>> {
    let rest = command.trim().trim_start_matches("$ ").strip_prefix(program)?;
    if !rest.is_empty() && !rest.starts_with(' ') {
        return None;
    }
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in rest.chars() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    Some(words)
}

#[test]
fn a_command_of_a_page_is_not_overlooked() {
    let page = "A `p run NAME` and `p go`, `p` or `pq x`.\n\n```sh\np a 'b c' \\\n  --d=\"e f\"  # a comment\ncat x | p -\n```\n\n\
                ```text\np no\n```\n";
    let found: Vec<String> = commands(page, &["p"]).into_iter().map(|words| words.join(",")).collect();
    assert_eq!(found, ["go", "a,b c,--d=e f", "-"]);
}
