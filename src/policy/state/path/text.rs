//! Reads and writes the text of a path.

use super::syntax::{Element, PathError, Segment, Syntax, scan};

/// Reads a path of at most 1,024 bytes and 63 steps.
///
/// # Errors
/// [`PathError`] with the byte at which it breaks.
pub fn parse(text: &str) -> Result<Vec<Segment<'_>>, PathError> {
    let step = |element| match element {
        Element::Step(segment) => Some(segment),
        _ => None,
    };
    Ok(scan(text, Syntax::Path)?.into_iter().filter_map(step).collect())
}

/// Appends a step to the text of a path, quoted where the path could not be read back otherwise.
pub fn push_segment(path: &mut String, segment: &Segment<'_>) {
    match segment {
        Segment::Index(index) => {
            path.push('[');
            path.push_str(&index.to_string());
            path.push(']');
        }
        Segment::Key(key) => {
            let needs_quotes = key.is_empty() || key.contains(['.', '[', ']', '*', '\\', '"']);
            if needs_quotes {
                path.push_str("[\"");
                key.chars().for_each(|char| {
                    if matches!(char, '"' | '\\') {
                        path.push('\\');
                    }
                    path.push(char);
                });
                path.push_str("\"]");
            } else {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
            }
        }
    }
}
