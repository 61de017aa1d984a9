//! Functions and lines of a Breakpad symbol file.

use std::borrow::Cow;

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
    let relative = |address: &u64| address.checked_sub(EXECUTABLE).filter(|_| is_apple).unwrap_or(*address);
    let mut wanted: Vec<Wanted> = addresses
        .iter()
        .enumerate()
        .map(|(number, address)| Wanted { address: relative(address), number, frames: Vec::new() })
        .collect();
    wanted.sort_by_key(|wanted| wanted.address);
    let session = object.debug_session()?;
    // The session ends at the first record that cannot be read. The names come from
    // `without_lines`.
    for function in session.functions().flatten() {
        let first = wanted.partition_point(|wanted| wanted.address < function.address);
        let inside = wanted.iter_mut().skip(first).take_while(|wanted| contains(&function, wanted.address));
        for wanted in inside.filter(|wanted| wanted.frames.is_empty()) {
            descend(&function, wanted.address, &mut wanted.frames);
        }
    }
    without_lines(object, &mut wanted);
    wanted.sort_by_key(|wanted| wanted.number);
    Ok(wanted.into_iter().map(|wanted| Answer { frames: wanted.frames, note: None }).collect())
}

/// An address, its place among those that were asked for, and what was found.
struct Wanted {
    address: u64,
    number: usize,
    frames: Vec<Frame>,
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
fn without_lines(object: &BreakpadObject<'_>, wanted: &mut [Wanted]) {
    let open = wanted.iter_mut().filter(|wanted| wanted.frames.is_empty());
    let mut open: Vec<_> = open.map(|wanted| (wanted.address, &mut wanted.frames, 0, None)).collect();
    if open.is_empty() {
        return;
    }
    for symbol in object.symbols() {
        for (address, _, start, name) in &mut open {
            if symbol.address <= *address && symbol.address >= *start {
                (*start, *name) = (symbol.address, symbol.name.clone());
            }
        }
    }
    for function in object.func_records().flatten() {
        for (address, _, start, name) in &mut open {
            if function.range().contains(address) {
                (*start, *name) = (function.address, Some(Cow::Borrowed(function.name)));
            } else if function.address <= *address && function.address > *start {
                (*start, *name) = (function.address, None);
            }
        }
    }
    for (_, frames, _, name) in open {
        frames.extend(name.map(|name| Frame { function: demangled(&name), ..Frame::default() }));
    }
}
