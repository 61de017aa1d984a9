//! `symbolicate`: names the functions and lines of a stack trace, with the symbol files of the
//! build that has died.
//!
//! Nothing is guessed and nothing is lost: each line of the report is printed as it is, and below
//! it what the symbol files say. `docs/symbolicate.md` describes the formats.

mod breakpad;
mod dwarf;
mod folder;
mod found;
mod javascript;
mod line;
mod names;
mod native;
mod print;
mod quiet;
mod r8;
mod recent;
mod report;
mod split;
mod symbols;

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::output;
use serde_json::Value;
use symbols::Stack;
pub(crate) use symbols::Symbols;

/// The status of a run that has lacked symbols.
const INCOMPLETE: u8 = 3;

#[derive(Args)]
pub(crate) struct Options {
    /// File with the report, a text or JSON; `-` reads standard input.
    report: PathBuf,
    /// Folders with symbol files, at any depth, or single files.
    #[arg(long, required = true, num_args = 1.., value_name = "DIR", value_parser = existing)]
    debug_dir: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Id of the JavaScript bundle that ran, if the report does not name it.
    #[arg(long, value_name = "ID")]
    bundle_id: Option<String>,
    /// Id of R8's mapping (`pg_map_id`), if the report does not name it.
    #[arg(long, value_name = "ID")]
    mapping_id: Option<String>,
}

/// A path that exists: a folder that is misspelled would look like one without symbols.
pub(crate) fn existing(path: &str) -> Result<PathBuf> {
    let path = PathBuf::from(path);
    path.metadata().with_context(|| format!("cannot open {}", path.display()))?;
    Ok(path)
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let document = read(options)?;
    let reports = report::reports(&document);
    let symbols = index(&options.debug_dir);
    let stacks = reports.iter().map(|report| {
        let stack = report.stack();
        Stack {
            bundle: stack.bundle.or(options.bundle_id.as_deref()),
            mapping: stack.mapping.or(options.mapping_id.as_deref()),
            ..stack
        }
    });
    let stacks: Vec<Stack<'_>> = stacks.collect();
    let lines = symbols.stacks(&stacks);
    if reports.is_empty() {
        output::note("there is no stack trace in the report");
    }
    if options.json {
        output::line(print::json(&reports, &lines, &symbols)?)?;
    } else {
        output::line(print::text(&reports, &lines))?;
    }
    let is_complete = lines.iter().flatten().all(|line| line.found.missing.is_none());
    Ok(if is_complete { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
}

fn read(options: &Options) -> Result<String> {
    let mut bytes = Vec::new();
    if options.report.as_os_str() == "-" {
        std::io::stdin().lock().read_to_end(&mut bytes).context("reading standard input")?;
    } else {
        bytes = std::fs::read(&options.report).with_context(|| format!("reading {}", options.report.display()))?;
    }
    // Logs of devices hold bytes that are no UTF-8.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Stacks with functions and lines, and with what is missing; None for a text that the symbols say
/// nothing about. Beside each text come the attributes of its record and of its resource, which may
/// name the bundle and the mapping.
pub(crate) fn named<'t>(
    symbols: &Symbols,
    texts: impl Iterator<Item = (&'t str, &'t Value, &'t Value)>,
) -> Vec<Option<String>> {
    let reports: Vec<_> =
        texts.map(|(text, attributes, resource)| report::of_record(text, attributes, resource)).collect();
    let stacks: Vec<_> = reports.iter().map(|report| report.stack()).collect();
    let lines = symbols.stacks(&stacks);
    lines
        .into_iter()
        .map(|lines| lines.iter().any(|line| line.found.says_something()).then(|| print::short(&lines)))
        .collect()
}

/// Makes the index. Progress is drawn on standard error if that is a terminal.
pub(crate) fn index(folders: &[PathBuf]) -> Symbols {
    let bar = ProgressBar::new_spinner().with_message("reading the symbol folders");
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}: {pos} files") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    let symbols = Symbols::index(folders, || bar.inc(1));
    bar.finish_and_clear();
    if symbols.count() == 0 {
        output::note("there is no symbol file in the folders");
    }
    if let Some(skipped) = symbols.skipped() {
        output::note(skipped);
    }
    symbols
}
