//! Reads the run file of a run that is over. No byte of it is trusted: the process may have died
//! while it wrote, another version or another architecture may have written it, or somebody else.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use throughline_crash_writer::{Beat, Phase, Verdict, layout};

use super::numbers::{half, word};
use super::slot::{Crash, read_slot};
use super::{CrashState, Facts};
use crate::model::ids::RunKey;
use crate::model::limits::SURVIVED_BEFORE;
use crate::model::time::nanos;

/// The run file of a run that is over. All of it is in memory, 320 KiB.
#[derive(Debug)]
pub struct CrashFile {
    bytes: Vec<u8>,
    architecture: u32,
}

/// A module of the process that died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// What has to be added to an address in the file to get the one in memory.
    pub bias: u64,
    /// The first address.
    pub start: u64,
    /// The address behind the last one.
    pub end: u64,
    /// The build id; empty when the module has none.
    pub build_id: Vec<u8>,
    /// The path of its file, of which a very long one has lost its beginning.
    pub path: String,
}

impl Module {
    /// Whether an address lies in it.
    pub fn contains(&self, address: u64) -> bool {
        (self.start..self.end).contains(&address)
    }

    /// The name of its file, without the folders.
    pub fn name(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        if name.is_empty() { "<program>" } else { name }
    }
}

impl CrashFile {
    /// Reads the file of the run `key`. `None` when it is no run file of this form, of another run,
    /// or of another architecture.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open(path: &Path, key: RunKey) -> io::Result<Option<Self>> {
        let file = open(path)?;
        let mut bytes = Vec::with_capacity(layout::FILE_BYTES);
        file.take(layout::FILE_BYTES as u64).read_to_end(&mut bytes)?;
        Ok(Self::from_bytes(bytes, key))
    }

    /// As [`CrashFile::open`], without modules and stacks: a fifth of the bytes, for a start that
    /// only asks whether the run has crashed.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open_without_stacks(path: &Path, key: RunKey) -> io::Result<Option<Self>> {
        let file = open(path)?;
        let mut bytes = vec![0; layout::FILE_BYTES];
        let slots = layout::SLOT_AT.map(|at| at..at + layout::slot::STACK_BYTES_AT);
        for range in std::iter::once(0..layout::MODULES_AT).chain(slots) {
            let Some(part) = bytes.get_mut(range.clone()) else { continue };
            file.read_exact_at(part, range.start as u64)?;
        }
        Ok(Self::from_bytes(bytes, key))
    }

    /// Makes a run file from bytes, for tests and fuzzing. Zeros take the place of what is missing.
    pub fn from_bytes(mut bytes: Vec<u8>, key: RunKey) -> Option<Self> {
        bytes.resize(layout::FILE_BYTES, 0);
        let head = bytes.get(..layout::HEADER_CRC_AT)?;
        let is_whole = word(&bytes, 0) == layout::MAGIC
            && half(&bytes, 8) == layout::VERSION
            && half(&bytes, layout::HEADER_CRC_AT) == crc32c::crc32c(head)
            && bytes.get(layout::RUN_AT..layout::RUN_AT + 16)? == key.0;
        let architecture = half(&bytes, 12);
        is_whole.then_some(Self { bytes, architecture })
    }

    /// Whether this process's architecture wrote it. Otherwise its registers mean something else.
    pub fn is_native(&self) -> bool {
        self.architecture == throughline_crash_writer::ARCHITECTURE
    }

    /// What was constant in the run. `None` when it is damaged.
    pub fn facts(&self) -> Option<Facts> {
        self.blob(layout::FACTS_AT, layout::FACTS_BYTES, 0, 4, 8).map(Facts::from_bytes)
    }

    /// What the run was doing at last. `None` when neither copy is whole.
    pub fn state(&self) -> Option<CrashState> {
        let mut copies = layout::STATE_AT.map(|at| (half(&self.bytes, at), at));
        copies.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        let written = copies.into_iter().filter(|(number, _)| *number != 0);
        let mut whole = written.filter_map(|(_, at)| self.blob(at, layout::STATE_BYTES, 4, 8, layout::STATE_HEAD));
        whole.next().map(CrashState::from_bytes)
    }

    /// Bytes with a length and a checksum before them.
    fn blob(&self, at: usize, room: usize, len_at: usize, crc_at: usize, head: usize) -> Option<&[u8]> {
        let len = half(&self.bytes, at + len_at) as usize;
        let crc = half(&self.bytes, at + crc_at);
        let bytes = self.bytes.get(at + head..at + room)?.get(..len)?;
        (crc32c::crc32c(bytes) == crc).then_some(bytes)
    }

    /// What the run was doing, as it said itself.
    pub fn phase(&self) -> Option<Phase> {
        Phase::from_code(half(&self.bytes, layout::PHASE_AT))
    }

    /// When a heart beat last, boot time in ns. 0: never.
    pub fn beat(&self, heart: Beat) -> u64 {
        word(&self.bytes, layout::BEATS_AT + heart as usize * layout::LINE)
    }

    /// The modules whose entries are whole.
    pub fn modules(&self) -> Vec<Module> {
        let entries = (0..layout::MODULES).map(|index| layout::MODULES_AT + index * layout::MODULE_BYTES);
        let entries = entries.map_while(|at| self.bytes.get(at..at + layout::MODULE_BYTES));
        entries.take_while(|entry| word(entry, layout::module::END) != 0).filter_map(module).collect()
    }

    /// The crashes that count, the first one first.
    pub fn crashes(&self) -> Vec<Crash> {
        let slots = layout::SLOT_AT.into_iter().enumerate();
        let mut crashes: Vec<Crash> = slots.filter_map(|(index, at)| read_slot(self.bytes.get(at..)?, index)).collect();
        // What the handler before ours was still asked about when another crash was certain had
        // been survived, unless the two came together.
        let is_certain = |crash: &Crash| crash.verdict != Verdict::Provisional && !crash.is_nested();
        if let Some(certain) = crashes.iter().filter(|crash| is_certain(crash)).map(|crash| crash.boot).min() {
            let is_old = |crash: &Crash| crash.boot.saturating_add(nanos(SURVIVED_BEFORE)) < certain;
            crashes.retain(|crash| crash.verdict != Verdict::Provisional || !is_old(crash));
        }
        // What happened while another crash was being written is no crash of its own.
        crashes.sort_by_key(|crash| (crash.is_nested(), crash.order));
        crashes
    }
}

fn open(path: &Path) -> io::Result<File> {
    // Not to wait for ever for somebody who writes into a pipe, and not to follow a link.
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits();
    let file = File::options().read(true).custom_flags(flags as i32).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(file)
}

fn module(entry: &[u8]) -> Option<Module> {
    use layout::module::*;
    let lengths = half(entry, PATH_LEN);
    let build_id = entry.get(BUILD_ID..BUILD_ID + BUILD_ID_BYTES)?.get(..(lengths >> 16 & 0xff) as usize)?;
    let path = entry.get(PATH..)?.get(..(lengths & 0xffff) as usize)?;
    let [bias, start, end] = [BIAS, START, END].map(|at| word(entry, at));
    let mut crc = 0;
    for word in [u64::from(lengths), bias, start, end] {
        crc = crc32c::crc32c_append(crc, &word.to_le_bytes());
    }
    let crc = crc32c::crc32c_append(crc32c::crc32c_append(crc, build_id), path);
    let is_whole = crc == half(entry, CRC) && start < end;
    is_whole.then(|| Module {
        bias,
        start,
        end,
        build_id: build_id.to_vec(),
        path: String::from_utf8_lossy(path).into_owned(),
    })
}
