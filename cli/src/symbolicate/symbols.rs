//! Symbol files of every kind, and what they say about stack traces.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use symbolic_debuginfo::{FileFormat, peek};

use super::folder::{Skipped, files};
use super::found::{Found, Line};
use super::javascript::Maps;
use super::line::{Native, Place, base, place};
use super::native::{Modules, Taken};
use super::r8::{self, Mappings};

/// How much of a file is read to see what it is, in bytes.
const BEGINNING: u64 = 8 * 1024;

/// The symbol files of some folders. Making the index reads the beginning of each file; the rest is
/// read when a stack needs it, and closed again.
///
/// What a stack needs is found by ids. Where there is no id, or no file with it, the line stays as
/// it is and says what is missing.
#[derive(Default)]
pub(crate) struct Symbols {
    modules: Modules,
    mappings: Mappings,
    maps: Maps,
    skipped: Skipped,
}

/// A stack trace, and the ids that its report gives beside it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stack<'t> {
    pub(crate) text: &'t str,
    /// The JavaScript bundle that ran.
    pub(crate) bundle: Option<&'t str>,
    /// R8's mapping of the app that ran.
    pub(crate) mapping: Option<&'t str>,
}

impl Symbols {
    /// Makes the index of some folders, at every depth. What cannot be used is counted and costs
    /// nothing else. `progress` is called for each file.
    pub(crate) fn index(folders: &[PathBuf], mut progress: impl FnMut()) -> Self {
        let mut symbols = Self::default();
        let paths = files(folders, &mut symbols.skipped);
        for path in paths {
            symbols.add(&path);
            progress();
        }
        symbols
    }

    /// How many symbol files are in use.
    pub(crate) fn count(&self) -> usize {
        self.modules.count() + self.mappings.count() + self.maps.count()
    }

    /// What was left out of the index and why, in one line. None if nothing was.
    pub(crate) fn skipped(&self) -> Option<String> {
        self.skipped.line()
    }

    /// Looks every line of some stacks up. Each answer has as many lines as its text, in their
    /// order. Stacks often need the same files, and each of those is opened once.
    pub(crate) fn stacks(&self, stacks: &[Stack<'_>]) -> Vec<Vec<Line>> {
        let places: Vec<Vec<Place<'_>>> = stacks.iter().map(|stack| stack.text.lines().map(place).collect()).collect();
        let native = places.iter().flatten().filter_map(|place| match place {
            Place::Native(native) => Some(native),
            _ => None,
        });
        let native = self.modules.look_up(native);
        let of_native = |frame: &Native<'_>| {
            let known = frame.build_id.as_ref().and_then(|id| native.get(&(id.clone(), frame.pc)));
            let found = match (known, frame.module) {
                (Some(found), _) => found.clone(),
                (None, Some(module)) => {
                    let why = "the report has no build id of it, and a name alone does not tell one build from another";
                    Found::missing(format!("{} (no BuildId)", base(module)), why)
                }
                (None, None) => Found::default(),
            };
            // What the device has named already is not missing.
            if frame.is_named && !found.says_something() { Found::default() } else { found }
        };
        let stacks = stacks.iter().zip(&places);
        stacks
            .map(|(stack, places)| {
                let retraced = self.mappings.retrace(places, stack.mapping);
                let lines = stack.text.lines().zip(places).zip(retraced);
                lines
                    .map(|((raw, place), retraced)| {
                        let found = match place {
                            Place::Native(frame) => of_native(frame),
                            Place::Script(script) => self.maps.look_up(script, stack.bundle),
                            _ => retraced.unwrap_or_default(),
                        };
                        Line { raw: raw.to_owned(), found }
                    })
                    .collect()
            })
            .collect()
    }

    /// Takes a file into the index it belongs to.
    fn add(&mut self, path: &Path) {
        let mut beginning = Vec::new();
        if File::open(path).and_then(|file| file.take(BEGINNING).read_to_end(&mut beginning)).is_err() {
            self.skipped.unreadable(path);
            return;
        }
        match peek(&beginning, true) {
            FileFormat::Elf | FileFormat::MachO | FileFormat::Breakpad => match self.modules.add(path) {
                Ok(Taken::Yes) => {}
                Ok(Taken::WithoutId) => self.skipped.without_id += 1,
                Ok(Taken::Damaged) => self.skipped.damaged(path),
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
