//! Split DWARF: what the compiler has written into `.dwo` files instead of the library
//! (`-gsplit-dwarf`), or the packages (`.dwp`) that these were gathered in.
//!
//! A library names the file of each unit and a number for it. The name finds the file, and the
//! number decides whether it is the right one.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use addr2line::SplitDwarfLoad;
use addr2line::gimli::{self, DwarfPackageSections, DwarfSections, EndianSlice, RunTimeEndian};
use symbolic_common::ByteView;
use symbolic_debuginfo::dwarf::Dwarf;
use symbolic_debuginfo::elf::ElfObject;

use super::line::base;

pub(super) type Slice<'d> = EndianSlice<'d, RunTimeEndian>;

/// The `.dwo` files and packages of the symbol folders.
#[derive(Default)]
pub(super) struct Pieces {
    by_name: HashMap<String, Vec<PathBuf>>,
    packages: Vec<PathBuf>,
}

impl Pieces {
    /// Takes a file in, if it is one of these.
    pub(super) fn add(&mut self, path: &Path, elf: &ElfObject<'_>) -> bool {
        if elf.has_section("debug_cu_index") {
            self.packages.push(path.to_owned());
            return true;
        }
        let is_piece = elf.has_section("debug_info.dwo") && !elf.has_section("debug_info");
        if is_piece {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.by_name.entry(name).or_default().push(path.to_owned());
        }
        is_piece
    }

    pub(super) fn count(&self) -> usize {
        self.by_name.values().map(Vec::len).sum::<usize>() + self.packages.len()
    }

    /// The files that may have units of these names, opened.
    pub(super) fn open<'n>(&self, names: impl Iterator<Item = &'n String>) -> Vec<ByteView<'static>> {
        let of_name = |name: &String| self.by_name.get(base(name)).into_iter().flatten();
        let mut paths: Vec<_> = names.flat_map(of_name).chain(&self.packages).collect();
        paths.sort();
        paths.dedup();
        paths.into_iter().filter_map(|path| ByteView::open(path).ok()).collect()
    }
}

/// The sections of a file with units.
pub(super) enum Piece<'v> {
    Object(DwarfSections<Cow<'v, [u8]>>),
    Package(DwarfPackageSections<Cow<'v, [u8]>>),
}

impl<'v> Piece<'v> {
    pub(super) fn read(view: &'v ByteView<'_>) -> Option<Self> {
        let elf = ElfObject::parse(view).ok()?;
        let section = |id: gimli::SectionId| -> gimli::Result<Cow<'v, [u8]>> {
            let name = id.dwo_name().map(|name| name.trim_start_matches('.'));
            Ok(name.and_then(|name| elf.section(name)).map(|section| section.data).unwrap_or_default())
        };
        if elf.has_section("debug_cu_index") {
            return DwarfPackageSections::load(section).ok().map(Self::Package);
        }
        DwarfSections::load(section).ok().map(Self::Object)
    }

    /// The unit that a library asks for, if it is here.
    pub(super) fn unit<'a>(
        &'a self,
        load: &SplitDwarfLoad<Slice<'a>>,
        endian: RunTimeEndian,
    ) -> Option<Arc<gimli::Dwarf<Slice<'a>>>> {
        match self {
            Self::Object(sections) => {
                let mut dwarf = sections.borrow(|data| EndianSlice::new(data, endian));
                let header = dwarf.units().next().ok()??;
                let unit = dwarf.unit(header).ok()?;
                if unit.dwo_id != Some(load.dwo_id) {
                    return None;
                }
                dwarf.make_dwo(&load.parent);
                Some(Arc::new(dwarf))
            }
            Self::Package(sections) => {
                let package =
                    sections.borrow(|data| EndianSlice::new(data, endian), EndianSlice::new(&[], endian)).ok()?;
                package.find_cu(load.dwo_id, &load.parent).ok()?.map(Arc::new)
            }
        }
    }
}

/// The name of the file that a library wants.
pub(super) fn name_of(load: &SplitDwarfLoad<Slice<'_>>) -> String {
    load.path.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default()
}
