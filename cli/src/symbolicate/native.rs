//! The symbol files of native code: which one belongs to a module, and what it says.
//!
//! A module is found by its build id alone. A name says nothing: every build of an app has a
//! `libshop.so`. The index holds the ids and paths; a file is mapped while it is read, and closed.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use symbolic_common::ByteView;
use symbolic_debuginfo::elf::ElfObject;
use symbolic_debuginfo::{Archive, FileFormat, Object, ParseObjectOptions};

use super::breakpad::of_breakpad;
use super::dwarf::{Answer, Answers, of_elf, of_macho};
use super::found::Found;
use super::line::{Native, base};
use super::quiet::quietly;
use super::split::Pieces;

/// Largest section that is unpacked, in bytes. A damaged file may say any size.
const MAX_SECTION: usize = 2 << 30;

/// Most answers that are kept.
const MAX_KNOWN: usize = 50_000;

/// Every object of the symbol folders, by what it is found with.
#[derive(Default)]
pub(super) struct Modules {
    objects: Vec<Entry>,
    /// By the whole build id, or the UUID of a Mach-O slice.
    by_id: HashMap<String, Vec<usize>>,
    /// Breakpad files that state only the first 16 bytes of a build id.
    by_half: HashMap<String, Vec<usize>>,
    /// By the name of the file.
    by_name: HashMap<String, Vec<usize>>,
    pieces: Pieces,
    /// Answers of before. A page of the inspector asks the same again each second.
    known: Mutex<HashMap<(String, u64), Found>>,
}

/// One object: a file, or a slice of a fat file.
struct Entry {
    path: PathBuf,
    slice: usize,
    id: String,
    worth: Worth,
    /// The file that has the debug information of this one, and its checksum.
    link: Option<(String, u32)>,
}

/// How much an object says. The more, the earlier it is asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    Dwarf,
    Breakpad,
    Names,
    Nothing,
}

/// What the index has made of a file.
#[derive(Debug, PartialEq)]
pub(super) enum Taken {
    Yes,
    /// The file has no build id, and nothing can be found in it.
    WithoutId,
    Damaged,
}

fn options() -> ParseObjectOptions {
    let mut options = ParseObjectOptions::default();
    options.max_decompressed_section_size = Some(MAX_SECTION);
    options
}

impl Modules {
    /// Takes a file in. Of a large one, only the headers are read.
    pub(super) fn add(&mut self, path: &Path) -> std::io::Result<Taken> {
        let view = ByteView::open(path)?;
        if quietly(|| ElfObject::parse(&view).is_ok_and(|elf| self.pieces.add(path, &elf))) == Some(true) {
            return Ok(Taken::Yes);
        }
        let Some(entries) = quietly(|| entries(path, &view)) else { return Ok(Taken::Damaged) };
        let Ok(entries) = entries else { return Ok(Taken::Damaged) };
        let mut taken = Taken::WithoutId;
        for (entry, ids) in entries {
            let index = self.objects.len();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.by_name.entry(name).or_default().push(index);
            for id in &ids {
                taken = Taken::Yes;
                match id {
                    Id::Whole(id) => self.by_id.entry(id.clone()).or_default().push(index),
                    Id::Half(id) => self.by_half.entry(id.clone()).or_default().push(index),
                }
            }
            self.objects.push(entry);
        }
        Ok(taken)
    }

    /// How many objects there are.
    pub(super) fn count(&self) -> usize {
        self.objects.iter().filter(|entry| !entry.id.is_empty()).count() + self.pieces.count()
    }

    /// Looks up frames of any number of modules. Each file is opened once.
    pub(super) fn look_up<'t>(&self, frames: impl Iterator<Item = &'t Native<'t>>) -> HashMap<(String, u64), Found> {
        let (mut found, mut wanted) = (HashMap::new(), BTreeMap::<&str, (Vec<u64>, &str)>::new());
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for frame in frames {
            let Some(id) = &frame.build_id else { continue };
            let key = (id.clone(), frame.pc);
            if let Some(known) = lock().get(&key).cloned() {
                found.insert(key, known);
                continue;
            }
            let module = frame.module.unwrap_or_default();
            wanted.entry(id).or_insert_with(|| (Vec::new(), module)).0.push(frame.pc);
        }
        for (id, (mut addresses, module)) in wanted {
            addresses.sort_unstable();
            addresses.dedup();
            let answers = self.of_module(id, module, &addresses);
            found.extend(addresses.into_iter().zip(answers).map(|(pc, answer)| ((id.to_owned(), pc), answer)));
        }
        let mut known = lock();
        if known.len() + found.len() > MAX_KNOWN {
            known.clear();
        }
        known.extend(found.iter().map(|(key, answer)| (key.clone(), answer.clone())));
        found
    }

    fn of_module(&self, id: &str, module: &str, addresses: &[u64]) -> Vec<Found> {
        let of = format!("{} (BuildId: {id})", base(module));
        let candidates = self.candidates(id);
        if candidates.is_empty() {
            return vec![Found::missing(of, self.why_none(module)); addresses.len()];
        }
        let mut known: Answers = vec![Answer::default(); addresses.len()];
        let mut failure = None;
        for entry in &candidates {
            let open = |known: &Answer| known.frames.first().is_none_or(|frame| frame.line.is_none());
            if !known.iter().any(open) {
                break;
            }
            let answers = quietly(|| entry.look_up(&self.pieces, addresses));
            match answers.context("the file is damaged").and_then(|answers| answers) {
                Ok(answers) => {
                    for (known, answer) in known.iter_mut().zip(answers) {
                        let says_more = known.frames.is_empty() || answer.frames.iter().any(|f| f.line.is_some());
                        if open(known) && says_more && !answer.frames.is_empty() {
                            *known = answer;
                        }
                    }
                }
                Err(error) => failure = Some(format!("{} cannot be read: {error:#}", entry.path.display())),
            }
        }
        let why = || {
            let names: Vec<_> = candidates.iter().map(|entry| entry.path.display().to_string()).collect();
            failure.clone().unwrap_or_else(|| format!("{} has nothing at this address", names.join(", ")))
        };
        let answer = |known: Answer| match known.frames.is_empty() {
            true => Found::missing(&of, why()),
            false => Found { note: known.note, ..Found::frames(known.frames) },
        };
        known.into_iter().map(answer).collect()
    }

    /// The objects with this build id, those that say most first. What a stripped library links to
    /// belongs to it, if the checksum is right.
    fn candidates(&self, id: &str) -> Vec<&Entry> {
        let of = |map: &HashMap<String, Vec<usize>>, id: &str| map.get(id).cloned().unwrap_or_default();
        // A shorter build id is filled up with zeros there.
        let half = of(&self.by_half, &format!("{id:0<32.32}"));
        let found = of(&self.by_id, id).into_iter().chain(half);
        let mut found: Vec<&Entry> = found.filter_map(|index| self.objects.get(index)).collect();
        if !found.iter().any(|entry| entry.worth == Worth::Dwarf) {
            let links: Vec<_> = found.iter().filter_map(|entry| entry.link.as_ref()).collect();
            for (name, checksum) in links {
                let named = self.by_name.get(name).into_iter().flatten().filter_map(|index| self.objects.get(*index));
                found.extend(named.filter(|entry| entry.id.is_empty() && entry.has_checksum(*checksum)));
            }
        }
        found.sort_by_key(|entry| entry.worth);
        found
    }

    /// Why there is nothing for a module. Files with its name and another id are named: they are
    /// what the reader will find first.
    fn why_none(&self, module: &str) -> String {
        let name = base(module);
        let is_like = |file: &str| file == name || file.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        let named = self.by_name.iter().filter(|(file, _)| is_like(file)).flat_map(|(_, indices)| indices);
        let mut others: Vec<_> = named
            .filter_map(|index| self.objects.get(*index))
            .map(|entry| match entry.id.as_str() {
                "" => format!("{} has no build id", entry.path.display()),
                id => format!("{} has the build id {id}", entry.path.display()),
            })
            .collect();
        others.sort();
        others.dedup();
        match others.as_slice() {
            [] => "no symbol file has this build id".to_owned(),
            others => format!("no symbol file has this build id; {}", others.join(", ")),
        }
    }
}

enum Id {
    Whole(String),
    Half(String),
}

fn entries(path: &Path, view: &ByteView<'_>) -> Result<Vec<(Entry, Vec<Id>)>> {
    let archive = Archive::parse_with_opts(view, options())?;
    let mut found = Vec::new();
    for (slice, object) in archive.objects().enumerate() {
        // The other slices of a fat file are as good as they were.
        let Ok(object) = object else { continue };
        let ids = ids(&object);
        let id = match ids.first() {
            Some(Id::Whole(id) | Id::Half(id)) => id.clone(),
            None => String::new(),
        };
        // Asking a Breakpad file would read it to its end.
        let worth = match object.file_format() {
            FileFormat::Breakpad => Worth::Breakpad,
            _ if object.has_debug_info() => Worth::Dwarf,
            _ if object.has_symbols() => Worth::Names,
            _ => Worth::Nothing,
        };
        let link = match &object {
            Object::Elf(elf) => link(elf),
            _ => None,
        };
        found.push((Entry { path: path.to_owned(), slice, id, worth, link }, ids));
    }
    anyhow::ensure!(!found.is_empty(), "no object in it can be read");
    Ok(found)
}

fn ids(object: &Object<'_>) -> Vec<Id> {
    let code = object.code_id().map(|id| id.as_str().to_ascii_lowercase());
    let Object::Breakpad(breakpad) = object else { return code.into_iter().map(Id::Whole).collect() };
    let uuid = breakpad.debug_id().uuid();
    match code {
        _ if is_apple(breakpad.data()) => vec![Id::Whole(uuid.simple().to_string())],
        Some(code) => vec![Id::Whole(code)],
        // Breakpad writes the first 16 bytes of a build id as a UUID of the machine's byte order.
        None => vec![Id::Half(uuid.to_bytes_le().iter().map(|byte| format!("{byte:02x}")).collect())],
    }
}

/// Whether a Breakpad file is of one of Apple's systems: `MODULE mac arm64 …`.
fn is_apple(data: &[u8]) -> bool {
    [&b"MODULE mac "[..], b"MODULE ios "].iter().any(|start| data.starts_with(start))
}

fn link(elf: &ElfObject<'_>) -> Option<(String, u32)> {
    let link = elf.debug_link().ok()??;
    Some((link.filename().to_str().ok()?.to_owned(), link.crc()))
}

impl Entry {
    fn look_up(&self, pieces: &Pieces, addresses: &[u64]) -> Result<Answers> {
        let view = ByteView::open(&self.path)?;
        let archive = Archive::parse_with_opts(&view, options())?;
        match archive.object_by_index(self.slice)?.context("the slice is gone")? {
            Object::Elf(elf) => of_elf(&elf, pieces, addresses),
            Object::MachO(macho) => of_macho(&macho, addresses),
            Object::Breakpad(breakpad) => of_breakpad(&breakpad, is_apple(breakpad.data()), addresses),
            object => anyhow::bail!("{} files are not read", object.file_format()),
        }
    }

    /// Whether the file has the checksum that `.gnu_debuglink` names. It is that of gzip.
    fn has_checksum(&self, checksum: u32) -> bool {
        ByteView::open(&self.path).is_ok_and(|view| {
            let mut sum = flate2::Crc::new();
            sum.update(&view);
            sum.sum() == checksum
        })
    }
}
