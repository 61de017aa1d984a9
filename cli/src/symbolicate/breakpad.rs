//! Functions and lines of a Breakpad symbol file.

use anyhow::Result;
use symbolic_debuginfo::Function;
use symbolic_debuginfo::breakpad::BreakpadObject;

use super::dwarf::{Answer, Answers};
use super::found::Frame;
use super::names::demangled;

/// Where the linker places a 64-bit executable of Apple's systems. Breakpad counts addresses from
/// there, and a report counts them from 0. Libraries are placed at 0.
const EXECUTABLE: u64 = 0x1_0000_0000;

/// Reads the file once, from the beginning to the end, and keeps only what was asked for.
pub(super) fn of_breakpad(object: &BreakpadObject<'_>, is_apple: bool, addresses: &[u64]) -> Result<Answers> {
    let wanted: Vec<u64> = addresses
        .iter()
        .map(|address| address.checked_sub(EXECUTABLE).filter(|_| is_apple).unwrap_or(*address))
        .collect();
    let mut answers: Vec<Vec<Frame>> = vec![Vec::new(); addresses.len()];
    let session = object.debug_session()?;
    // The session ends at the first record that cannot be read. The names come from
    // `without_lines`.
    for function in session.functions().flatten() {
        for (address, frames) in wanted.iter().zip(&mut answers) {
            if frames.is_empty() && contains(&function, *address) {
                descend(&function, *address, frames);
            }
        }
    }
    without_lines(object, &wanted, &mut answers);
    Ok(answers.into_iter().map(|frames| Answer { frames, note: None }).collect())
}

fn contains(function: &Function<'_>, address: u64) -> bool {
    (function.address..function.end_address()).contains(&address)
}

/// The functions that are inlined at the address first, and then the function itself.
fn descend(function: &Function<'_>, address: u64, frames: &mut Vec<Frame>) {
    if let Some(inlined) = function.inlinees.iter().find(|inlined| contains(inlined, address)) {
        descend(inlined, address, frames);
    }
    let line = function.lines.iter().rfind(|line| {
        let end = line.size.map_or(u64::MAX, |size| line.address.saturating_add(size));
        (line.address..end).contains(&address)
    });
    frames.push(Frame {
        function: demangled(function.name.as_str()),
        file: line.map(|line| line.file.path_str()).filter(|file| !file.is_empty()),
        line: line.and_then(|line| u32::try_from(line.line).ok()).filter(|line| *line > 0),
        column: None,
    });
}

/// Names where there are no lines: of functions from a damaged record on, and from `PUBLIC`
/// records. Those have no size and reach to the next record; an address behind a `FUNC` that ends
/// before it belongs to neither.
fn without_lines(object: &BreakpadObject<'_>, wanted: &[u64], answers: &mut [Vec<Frame>]) {
    let open = wanted.iter().zip(answers).filter(|(_, frames)| frames.is_empty());
    let mut open: Vec<_> = open.map(|(address, frames)| (*address, frames, 0, None)).collect();
    if open.is_empty() {
        return;
    }
    for symbol in object.symbols() {
        for (address, _, start, name) in &mut open {
            if symbol.address <= *address && symbol.address >= *start {
                (*start, *name) = (symbol.address, symbol.name().map(str::to_owned));
            }
        }
    }
    for function in object.func_records().flatten() {
        for (address, _, start, name) in &mut open {
            if function.range().contains(address) {
                (*start, *name) = (function.address, Some(function.name.to_owned()));
            } else if function.address <= *address && function.address > *start {
                (*start, *name) = (function.address, None);
            }
        }
    }
    for (_, frames, _, name) in open {
        frames.extend(name.map(|name| Frame { function: demangled(&name), ..Frame::default() }));
    }
}
