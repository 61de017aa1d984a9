//! The functions of the process that crashes, by address.

use std::path::PathBuf;

use anyhow::{Context, Result};
use object::{Object, ObjectSymbol, SymbolKind};

/// The functions of a program, sorted by address.
#[derive(Debug)]
pub(crate) struct Functions(Vec<(u64, u64, String)>);

impl Functions {
    /// Reads the symbol table of a program.
    pub(crate) fn of(program: &PathBuf) -> Result<Self> {
        let bytes = std::fs::read(program).with_context(|| program.display().to_string())?;
        let file = object::File::parse(&*bytes)?;
        let functions = file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0);
        let named =
            functions.filter_map(|symbol| Some((symbol.address(), symbol.size(), symbol.name().ok()?.to_owned())));
        let mut sorted: Vec<_> = named.collect();
        sorted.sort();
        Ok(Self(sorted))
    }

    /// The last part of the name of the function at an address: `kinds::null_write` is
    /// `null_write`. Empty when there is none.
    pub(crate) fn at(&self, address: u64) -> String {
        let after = self.0.partition_point(|(start, _, _)| *start <= address);
        let found = after.checked_sub(1).and_then(|at| self.0.get(at));
        let Some((_, _, name)) = found.filter(|(start, size, _)| address < start + size) else { return String::new() };
        let whole = format!("{:#}", rustc_demangle::demangle(name));
        whole.rsplit("::").next().unwrap_or_default().to_owned()
    }

    /// The functions of a stack's frames that lie in the program; empty names for others.
    pub(crate) fn of_stack(&self, stack: &str) -> Vec<String> {
        let frame = |line: &str| {
            let (_, rest) = line.split_once(" pc ")?;
            let (address, place) = rest.split_once(' ')?;
            let is_own = place.trim_start().starts_with("throughline-crashme ");
            is_own.then(|| self.at(u64::from_str_radix(address, 16).unwrap_or(0)))
        };
        stack.lines().map(|line| frame(line).unwrap_or_default()).collect()
    }
}
