//! The unwind tables of a module, from its file on the disk.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use object::read::{Object, ObjectSection, ReadCache};
use rustix::fs::OFlags;

use super::read::Module;
use crate::model::limits::MAX_UNWIND_TABLE_BYTES;

/// What an unwinder needs of a module.
#[derive(Debug, Clone, Default)]
pub struct UnwindTables {
    /// The address in the file at which the image begins.
    pub base: u64,
    /// Where the code is, as addresses in the file.
    pub text: Option<Range<u64>>,
    /// `.got`, as addresses in the file.
    pub got: Option<Range<u64>>,
    /// `.eh_frame_hdr`, with its addresses in the file.
    pub header: Option<(Range<u64>, Vec<u8>)>,
    /// `.eh_frame`, with its addresses in the file.
    pub frames: Option<(Range<u64>, Vec<u8>)>,
}

impl UnwindTables {
    /// Reads the tables of a module. `None` when there is no file, when the file is of another
    /// build, or when it has no tables: nothing is guessed.
    pub fn of(module: &Module) -> Option<Self> {
        if module.build_id.is_empty() {
            return None;
        }
        Self::read(Path::new(&module.path), &module.build_id)
    }

    fn read(path: &Path, build_id: &[u8]) -> Option<Self> {
        // Not to wait for ever for somebody who writes into a pipe of that name.
        let file = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path).ok()?;
        if !file.metadata().is_ok_and(|meta| meta.is_file()) {
            return None;
        }
        let cache = ReadCache::new(file);
        let object = object::File::parse(&cache).ok()?;
        if object.build_id().ok()?? != build_id {
            return None;
        }
        let range = |name: &str| {
            let section = object.section_by_name(name)?;
            Some(section.address()..section.address().checked_add(section.size())?)
        };
        let table = |name: &str| {
            let range = range(name).filter(|range| range.end - range.start <= MAX_UNWIND_TABLE_BYTES)?;
            let bytes = object.section_by_name(name)?.data().ok()?;
            Some((range, bytes.to_vec()))
        };
        let frames = table(".eh_frame")?;
        Some(Self {
            base: 0,
            text: range(".text"),
            got: range(".got"),
            header: table(".eh_frame_hdr"),
            frames: Some(frames),
        })
    }
}
