//! Functions and lines of an ELF or Mach-O file: from its DWARF, else from its symbol table.
//!
//! `addr2line` reads the one unit that has an address. A session of `symbolic-debuginfo` reads
//! every function of the file to find one.

use std::borrow::Cow;
use std::collections::BTreeSet;

use addr2line::gimli::{self, DwarfSections, EndianSlice, RunTimeEndian};
use addr2line::{Context, LookupContinuation, LookupResult};
use anyhow::Result;
use goblin::mach::MachO;
use goblin::mach::load_command::CommandVariant;
use symbolic_common::Arch;
use symbolic_debuginfo::dwarf::{Dwarf, Endian};
use symbolic_debuginfo::elf::ElfObject;
use symbolic_debuginfo::macho::MachObject;

use super::found::Frame;
use super::names::demangled;
use super::split::{Piece, Pieces, Slice, name_of};

/// What a file says about addresses, in the order in which they were asked for.
pub(super) type Answers = Vec<Answer>;

/// What a file says about an address.
#[derive(Clone, Default)]
pub(super) struct Answer {
    /// The innermost first. Empty if the file has nothing at the address.
    pub(super) frames: Vec<Frame>,
    pub(super) note: Option<String>,
}

pub(super) fn of_elf(object: &ElfObject<'_>, pieces: &Pieces, addresses: &[u64]) -> Result<Answers> {
    let mut known = from_dwarf(object, pieces, addresses)?;
    // The lowest bit of a 32-bit ARM function says that it is Thumb code.
    let mask = if object.arch() == Arch::Arm { !1 } else { !0 };
    let load = object.load_address();
    let symbols = object.symbols().map(|symbol| {
        let start = symbol.address.wrapping_add(load) & mask;
        Symbol { start, end: start.saturating_add(symbol.size.max(1)), name: symbol.name }
    });
    from_symbols(symbols, addresses, &mut known);
    Ok(known.into_iter().map(|known| known.answer).collect())
}

pub(super) fn of_macho(object: &MachObject<'_>, addresses: &[u64]) -> Result<Answers> {
    let load = object.load_address();
    // MetricKit counts from where the file is loaded. Nothing of an executable lies below that.
    let of_file = |address: &u64| if *address < load { load.saturating_add(*address) } else { *address };
    let addresses: &[u64] = &addresses.iter().map(of_file).collect::<Vec<_>>();
    let mut known = from_dwarf(object, &Pieces::default(), addresses)?;
    let starts = function_starts(object.data(), load);
    // A symbol of Mach-O has no size. In a stripped file many functions have none, and the one
    // before them would take their addresses: the list of all functions tells where it ends.
    // The header, which the linker gives a symbol, has no code.
    let is_header = |symbol: &symbolic_debuginfo::Symbol<'_>| symbol.address == 0;
    let symbols = object.symbols().filter(|symbol| !is_header(symbol)).map(|symbol| {
        let start = symbol.address.wrapping_add(load);
        let next = starts.get(starts.partition_point(|other| *other <= start));
        Symbol { start, end: next.copied().unwrap_or(u64::MAX), name: symbol.name }
    });
    from_symbols(symbols, addresses, &mut known);
    Ok(known.into_iter().map(|known| known.answer).collect())
}

fn from_dwarf<'d>(object: &impl Dwarf<'d>, pieces: &Pieces, addresses: &[u64]) -> Result<Vec<Known>> {
    let endian = match object.endianity() {
        Endian::Little => RunTimeEndian::Little,
        Endian::Big => RunTimeEndian::Big,
    };
    let sections = DwarfSections::load(|id| -> gimli::Result<Cow<'d, [u8]>> {
        let name = id.name().trim_start_matches('.');
        Ok(object.section(name).map(|section| section.data).unwrap_or_default())
    })?;
    let context = || Context::from_dwarf(sections.borrow(|data| EndianSlice::new(data, endian)));
    let names = split_names(&context()?, addresses);
    let views = if names.is_empty() { Vec::new() } else { pieces.open(names.iter()) };
    let pieces: Vec<_> = views.iter().filter_map(Piece::read).collect();
    let context = context()?;
    Ok(addresses.iter().map(|address| frames_at(&context, &pieces, endian, *address).unwrap_or_default()).collect())
}

/// The name of a source file. The compiler's own code has one that is none, in some folder.
fn source(file: &str) -> String {
    const OWN: &str = "<compiler-generated>";
    if file.ends_with(OWN) { OWN.to_owned() } else { file.to_owned() }
}

/// The files of split DWARF that the addresses need.
fn split_names(context: &Context<Slice<'_>>, addresses: &[u64]) -> BTreeSet<String> {
    addresses.iter().flat_map(|address| context.preload_units(*address)).map(|(load, _)| name_of(&load)).collect()
}

/// Languages whose functions have a path and a short name. `line-tables-only` has the short one.
const LONG_NAMES: [gimli::DwLang; 7] = [
    gimli::DW_LANG_Rust,
    gimli::DW_LANG_C_plus_plus,
    gimli::DW_LANG_C_plus_plus_03,
    gimli::DW_LANG_C_plus_plus_11,
    gimli::DW_LANG_C_plus_plus_14,
    gimli::DW_LANG_C_plus_plus_17,
    gimli::DW_LANG_C_plus_plus_20,
];

/// What DWARF knows about an address.
#[derive(Default)]
struct Known {
    answer: Answer,
    /// The outermost function has its bare name, and the symbol table may have the whole one.
    is_short: bool,
}

/// The functions at an address, the innermost first. An error is damage in one unit, and the symbol
/// table may still know the function.
fn frames_at<'a>(
    context: &'a Context<Slice<'a>>,
    pieces: &'a [Piece<'_>],
    endian: RunTimeEndian,
    address: u64,
) -> gimli::Result<Known> {
    let (mut found, mut is_short, mut note) = (Vec::new(), false, None);
    let mut looked_up = context.find_frames(address);
    let mut frames = loop {
        match looked_up {
            LookupResult::Output(frames) => break frames?,
            LookupResult::Load { load, continuation } => {
                let unit = pieces.iter().find_map(|piece| piece.unit(&load, endian));
                if unit.is_none() {
                    note = Some(format!("calls that were inlined may be missing without {}", name_of(&load)));
                }
                looked_up = continuation.resume(unit);
            }
        }
    };
    while let Some(frame) = frames.next()? {
        let raw = match &frame.function {
            Some(name) => name.raw_name()?.into_owned(),
            None => String::new(),
        };
        let function = demangled(&raw);
        let language = frame.function.and_then(|name| name.language);
        is_short = function == raw && language.is_some_and(|language| LONG_NAMES.contains(&language));
        let location = frame.location;
        found.push(Frame {
            function,
            file: location.as_ref().and_then(|location| location.file).map(source),
            line: location.as_ref().and_then(|location| location.line).filter(|line| *line > 0),
            column: location.and_then(|location| location.column).filter(|column| *column > 0),
        });
    }
    Ok(Known { answer: Answer { frames: found, note }, is_short })
}

struct Symbol<'d> {
    start: u64,
    /// Behind its last byte.
    end: u64,
    name: Option<Cow<'d, str>>,
}

/// Names from the symbol table, where DWARF has none or a short one: of the symbols that have an
/// address, the one that begins last. The addresses are in order.
fn from_symbols<'d>(symbols: impl Iterator<Item = Symbol<'d>>, addresses: &[u64], known: &mut [Known]) {
    let lacks_a_name = |known: &Known| known.answer.frames.last().is_none_or(|frame| frame.function.is_empty());
    let mut open: Vec<_> = addresses
        .iter()
        .zip(known)
        .filter(|(_, known)| known.is_short || lacks_a_name(known))
        .map(|(address, known)| (*address, known, None::<Symbol<'d>>))
        .collect();
    if open.is_empty() {
        return;
    }
    for symbol in symbols.filter(|symbol| symbol.name.as_ref().is_some_and(|name| !name.is_empty())) {
        let first = open.partition_point(|(address, ..)| *address < symbol.start);
        for (_, _, best) in open.iter_mut().skip(first).take_while(|(address, ..)| *address < symbol.end) {
            if best.as_ref().is_none_or(|best| symbol.start > best.start) {
                *best = Some(Symbol { name: symbol.name.clone(), ..symbol });
            }
        }
    }
    for (_, known, best) in open {
        let Some(symbol) = best else { continue };
        let function = demangled(&symbol.name.unwrap_or_default());
        match known.answer.frames.last_mut() {
            Some(last) if last.function.is_empty() || is_whole_name_of(&function, &last.function) => {
                last.function = function;
            }
            Some(_) => {}
            None => known.answer.frames.push(Frame { function, ..Frame::default() }),
        }
    }
}

/// Whether `shop::cart::total` is the whole name of `total<u8>`. Functions with the same code may
/// share it, and then the symbol may be another function's.
fn is_whole_name_of(whole: &str, short: &str) -> bool {
    let bare = short.split('<').next().unwrap_or(short);
    // C++ has parameters behind the name, which may have paths of their own.
    let without = whole.split('(').next().unwrap_or(whole);
    let last = |name: &str| name.rsplit("::").next().unwrap_or(name).to_owned();
    last(whole) == bare || last(without) == bare || (last(whole).starts_with('{') && short.starts_with('{'))
}

/// Where the functions of a Mach-O file begin, in order: `LC_FUNCTION_STARTS`, a list of distances
/// in LEB128 from the beginning of the code.
fn function_starts(data: &[u8], load: u64) -> Vec<u64> {
    let Ok(file) = MachO::parse(data, 0) else { return Vec::new() };
    let table = file.load_commands.iter().find_map(|command| match command.command {
        CommandVariant::FunctionStarts(table) => Some(table),
        _ => None,
    });
    let Some(table) = table else { return Vec::new() };
    let (start, size) = (table.dataoff as usize, table.datasize as usize);
    let bytes = data.get(start..).and_then(|rest| rest.get(..size)).unwrap_or_default();
    let mut reader = EndianSlice::new(bytes, RunTimeEndian::Little);
    let (mut starts, mut address) = (Vec::new(), load);
    while let Ok(distance) = gimli::Reader::read_uleb128(&mut reader) {
        // The list is filled up with zeros.
        if distance == 0 {
            break;
        }
        address = address.wrapping_add(distance);
        starts.push(address);
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::is_whole_name_of;

    #[test]
    fn a_whole_name_is_told_from_that_of_a_function_with_the_same_code() {
        for (whole, short) in [
            ("shop::cart::total", "total<u8>"),
            ("<shop::Cart as core::iter::Iterator>::next", "next<shop::Cart>"),
            ("shop::Cart::add(shop::Item const&)", "add"),
            ("shop::checkout::{{closure}}", "{closure#0}"),
        ] {
            assert!(is_whole_name_of(whole, short), "{whole}");
        }
        for (whole, short) in [("shop::cart::clear", "total"), ("shop::subtotal", "total"), ("total::shop", "total")] {
            assert!(!is_whole_name_of(whole, short), "{whole}");
        }
    }
}
