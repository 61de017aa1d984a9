//! The files of the symbol folders: which ones there are, and what each one is.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use symbolic_debuginfo::{FileFormat, peek};

use super::native::Taken;
use super::r8;
use super::symbols::Symbols;

/// How much of a file is read to see what it is, in bytes.
const BEGINNING: u64 = 8 * 1024;

/// What was left out, by the reason.
#[derive(Debug, Default)]
pub(super) struct Skipped {
    others: usize,
    unreadable: usize,
    damaged: usize,
    without_id: usize,
    archives: usize,
    /// The first of those that a user will want to look at.
    first: Option<PathBuf>,
}

impl Skipped {
    fn unreadable(&mut self, path: &Path) {
        self.unreadable += 1;
        self.first.get_or_insert_with(|| path.to_owned());
    }

    pub(super) fn line(&self) -> Option<String> {
        let counts = [
            (self.others, "of no kind that has symbols"),
            (self.without_id, "without a build id"),
            (self.archives, "in an archive, which has to be unpacked"),
            (self.damaged, "damaged"),
            (self.unreadable, "that cannot be read"),
        ];
        let counts: Vec<_> =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        if counts.is_empty() {
            return None;
        }
        let first = self.first.as_ref().map(|path| format!("; look at {}", path.display())).unwrap_or_default();
        Some(format!("skipped in the symbol folders: {}{first}", counts.join(", ")))
    }
}

/// All files of the folders, in the order of their names, each once. Links are followed, and a
/// folder that was seen is not entered again: links may lead in a circle.
pub(super) fn files(folders: &[PathBuf], skipped: &mut Skipped) -> Vec<PathBuf> {
    let (mut seen, mut files) = (HashSet::new(), Vec::new());
    let mut open: Vec<PathBuf> = folders.iter().rev().cloned().collect();
    while let Some(path) = open.pop() {
        let (Ok(real), Ok(kind)) = (path.canonicalize(), path.metadata()) else {
            skipped.unreadable(&path);
            continue;
        };
        if !seen.insert(real) {
            continue;
        }
        if kind.is_file() {
            files.push(path);
        } else if kind.is_dir() {
            let Ok(entries) = path.read_dir() else {
                skipped.unreadable(&path);
                continue;
            };
            let mut entries: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
            entries.sort_by(|a, b| b.cmp(a));
            open.append(&mut entries);
        } else {
            // A pipe or a device: opening it may wait for ever.
            skipped.others += 1;
        }
    }
    files
}

impl Symbols {
    /// Takes a file into the index it belongs to.
    pub(super) fn add(&mut self, path: &Path) {
        let mut beginning = Vec::new();
        if File::open(path).and_then(|file| file.take(BEGINNING).read_to_end(&mut beginning)).is_err() {
            self.skipped.unreadable(path);
            return;
        }
        match peek(&beginning, true) {
            FileFormat::Elf | FileFormat::MachO | FileFormat::Breakpad => match self.modules.add(path) {
                Ok(Taken::Yes) => {}
                Ok(Taken::WithoutId) => self.skipped.without_id += 1,
                Ok(Taken::Damaged) => {
                    self.skipped.damaged += 1;
                    self.skipped.first.get_or_insert_with(|| path.to_owned());
                }
                Err(_) => self.skipped.unreadable(path),
            },
            _ if beginning.starts_with(b"PK\x03\x04") => self.skipped.archives += 1,
            _ => self.add_text(path, &beginning),
        }
    }

    fn add_text(&mut self, path: &Path, beginning: &[u8]) {
        if beginning.trim_ascii_start().first().is_some_and(|byte| b"{)".contains(byte)) {
            return match self.maps.add(path) {
                Ok(true) => {}
                Ok(false) => self.skipped.others += 1,
                Err(_) => self.skipped.unreadable(path),
            };
        }
        match r8::ids(&String::from_utf8_lossy(beginning)) {
            Some(ids) => self.mappings.add(path, ids),
            None => self.skipped.others += 1,
        }
    }
}
