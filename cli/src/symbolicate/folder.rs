//! The files of the symbol folders: which ones there are, and which are of no use.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// What was left out, by the reason.
#[derive(Debug, Default)]
pub(super) struct Skipped {
    pub(super) others: usize,
    unreadable: usize,
    damaged: usize,
    pub(super) without_id: usize,
    pub(super) archives: usize,
    /// The first of those that a user will want to look at.
    first: Option<PathBuf>,
}

impl Skipped {
    pub(super) fn unreadable(&mut self, path: &Path) {
        self.unreadable += 1;
        self.first.get_or_insert_with(|| path.to_owned());
    }

    pub(super) fn damaged(&mut self, path: &Path) {
        self.damaged += 1;
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
