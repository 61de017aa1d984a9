//! How the result is printed: for people as text, for scripts as JSON.

use std::fmt::Write;

use anyhow::Result;
use serde_json::{Value, json};

use super::found::{Frame, Line, Missing};
use super::report::Report;
use super::symbols::Symbols;

/// What stands before a line that was not in the report.
const INDENT: &str = "        ";

/// The reports, each line followed by what is known about it, and at the end what is missing.
pub(super) fn text(reports: &[Report], lines: &[Vec<Line>]) -> String {
    let mut text = String::new();
    for (number, (report, lines)) in reports.iter().zip(lines).enumerate() {
        if reports.len() > 1 || !report.title.is_empty() {
            let gap = if number > 0 { "\n" } else { "" };
            let title = if report.title.is_empty() { "a stack trace" } else { &report.title };
            let _ = writeln!(text, "{gap}Report {} of {}: {title}", number + 1, reports.len());
        }
        for line in lines {
            write_line(&mut text, line);
        }
    }
    write_sum(&mut text, lines);
    text.truncate(text.trim_end_matches('\n').len());
    text
}

/// A stack for a reader who has the report at hand: functions and lines instead of addresses.
pub(super) fn short(lines: &[Line]) -> String {
    let mut text = String::new();
    for line in lines {
        let found = &line.found;
        if found.frames.is_empty() {
            write_line(&mut text, line);
            continue;
        }
        let number = line.raw.split_once(" pc ").map(|(before, _)| before.trim_end());
        for (index, frame) in found.frames.iter().enumerate() {
            let inlined = if index + 1 < found.frames.len() { " (inlined)" } else { "" };
            let _ = match number {
                Some(number) if index == 0 => writeln!(text, "{number} {}{inlined}", call(frame)),
                Some(number) => writeln!(text, "{:1$} {2}{inlined}", "", number.chars().count(), call(frame)),
                // As Java and JavaScript write it.
                None => writeln!(text, "    at {} ({}){inlined}", frame.function, frame.place()),
            };
        }
    }
    write_sum(&mut text, &[lines.to_vec()]);
    text.truncate(text.trim_end_matches('\n').len());
    text
}

/// What holds for the whole: how files were chosen, and what is missing.
fn write_sum(text: &mut String, lines: &[Vec<Line>]) {
    let notes = counted(lines, |line| line.found.note.clone().filter(|_| line.found.says_something()));
    for (note, _) in &notes {
        let _ = write!(text, "\nNote: {note}.\n");
    }
    let missing = missing(lines);
    if !missing.is_empty() {
        text.push_str("\nNot found:\n");
    }
    for (Missing { of, why }, count) in &missing {
        let frames = if *count == 1 { "frame" } else { "frames" };
        let _ = writeln!(text, "  {of}, {count} {frames}: {why}");
    }
}

fn write_line(text: &mut String, line: &Line) {
    let found = &line.found;
    let _ = writeln!(text, "{}", line.raw);
    if let Some(renamed) = &found.text {
        let _ = writeln!(text, "{INDENT}{}", renamed.trim());
    }
    for (index, frame) in found.frames.iter().enumerate() {
        let inlined = if index + 1 < found.frames.len() { " (inlined)" } else { "" };
        let _ = writeln!(text, "{INDENT}{}{inlined}", call(frame));
    }
    for (index, frame) in found.candidates.iter().enumerate() {
        let word = if index == 0 { "ambiguous, one of: " } else { "or " };
        let _ = writeln!(text, "{INDENT}{word}{}", call(frame));
    }
    if let (Some(note), false) = (&found.note, found.says_something()) {
        let _ = writeln!(text, "{INDENT}({note})");
    }
}

/// A function and its place: `shop::cart::total at cart.rs:41:9`.
fn call(frame: &Frame) -> String {
    let function = if frame.function.is_empty() { "a function without a name" } else { &frame.function };
    match frame.place() {
        place if place.is_empty() => function.to_owned(),
        place => format!("{function} at {place}"),
    }
}

/// What all lines lack, each with the number of its frames, in the order in which it appears.
fn missing(lines: &[Vec<Line>]) -> Vec<(Missing, usize)> {
    counted(lines, |line| line.found.missing.clone())
}

fn counted<T: PartialEq>(lines: &[Vec<Line>], of: impl Fn(&Line) -> Option<T>) -> Vec<(T, usize)> {
    let mut counted: Vec<(T, usize)> = Vec::new();
    for found in lines.iter().flatten().filter_map(of) {
        match counted.iter_mut().find(|(other, _)| *other == found) {
            Some((_, count)) => *count += 1,
            None => counted.push((found, 1)),
        }
    }
    counted
}

pub(super) fn json(reports: &[Report], lines: &[Vec<Line>], symbols: &Symbols) -> Result<String> {
    let reports: Vec<Value> =
        reports.iter().zip(lines).map(|(report, lines)| json!({ "title": report.title, "lines": lines })).collect();
    let missing: Vec<Value> = missing(lines)
        .into_iter()
        .map(|(Missing { of, why }, frames)| json!({ "of": of, "why": why, "frames": frames }))
        .collect();
    let answer = json!({
        "reports": reports,
        "missing": missing,
        "symbol_files": symbols.count(),
        "skipped": symbols.skipped(),
    });
    Ok(serde_json::to_string_pretty(&answer)?)
}
