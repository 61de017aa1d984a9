//! Java stack traces that R8 or ProGuard has made unreadable, and their mappings.
//!
//! A mapping is chosen by the id that R8 writes into the frames (`r8-map-id-…`), or that the report
//! names. Without one, a mapping is used only if it is the only one in the folders.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};

use proguard::{ProguardCache, ProguardMapping, ProguardRecord, StackFrame, class_name_to_descriptor};
use symbolic_common::ByteView;

use super::found::{Found, Frame, Missing};
use super::line::{Java, Place, Thrown};
use super::quiet::quietly;
use super::recent::Recent;

/// What R8 writes in the place of a source file, before the id of the mapping.
const MAP_ID: &str = "r8-map-id-";
/// Shortest id that is compared: R8's short form.
const MIN_ID: usize = 7;
/// Most lines of comments before the first class.
const MAX_HEADER: usize = 64;

/// The mappings of the symbol folders.
#[derive(Default)]
pub(super) struct Mappings {
    all: Vec<Mapping>,
    read: Recent<Loaded>,
}

struct Mapping {
    path: PathBuf,
    /// `pg_map_id` and the hash in `pg_map_hash`.
    ids: Vec<String>,
}

/// A mapping that is in use, and where each class stands in it. Parsing all of a large one takes
/// seconds and gigabytes; a stack needs a few classes.
struct Loaded {
    text: ByteView<'static>,
    /// The lines of a class, by its obfuscated name.
    classes: HashMap<String, Range<usize>>,
    /// The same by the original name.
    originals: HashMap<String, Range<usize>>,
}

/// The ids in the comments of a mapping. None if the text is no mapping: its first line that is no
/// comment names a class, `a.b.C -> d.e:`.
pub(super) fn ids(beginning: &str) -> Option<Vec<String>> {
    let mut ids = Vec::new();
    for line in beginning.lines().take(MAX_HEADER) {
        let Some(comment) = line.strip_prefix('#') else {
            let class = line.trim_end();
            if class.is_empty() {
                continue;
            }
            let is_class = class.ends_with(':') && class.matches(" -> ").count() == 1 && !class.starts_with(' ');
            return is_class.then_some(ids);
        };
        if let Some((key, value)) = comment.split_once(": ") {
            // The hash stands behind the name of its algorithm.
            let value = value.split_whitespace().last().unwrap_or_default();
            if matches!(key.trim(), "pg_map_id" | "pg_map_hash") && value.len() >= MIN_ID {
                ids.push(value.to_ascii_lowercase());
            }
        }
    }
    None
}

impl Mappings {
    pub(super) fn add(&mut self, path: &Path, ids: Vec<String>) {
        self.all.push(Mapping { path: path.to_owned(), ids });
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    /// What is known about each line of a stack, in order; None for lines of other kinds. `named`
    /// is the id that the report names beside the stack.
    pub(super) fn retrace(&self, places: &[Place<'_>], named: Option<&str>) -> Vec<Option<Found>> {
        let nothing = || places.iter().map(|_| None).collect();
        let lacks = |missing: Missing| {
            let found = Found { missing: Some(missing), ..Found::default() };
            places.iter().map(|place| matches!(place, Place::Java(_)).then(|| found.clone())).collect()
        };
        let frames = places.iter().filter_map(|place| match place {
            Place::Java(java) => Some(java),
            _ => None,
        });
        if frames.clone().next().is_none() {
            return nothing();
        }
        let named = frames.clone().find_map(|java| java.file.strip_prefix(MAP_ID)).or(named);
        let (number, mapping) = match self.choose(named) {
            Ok(Some(chosen)) => chosen,
            Ok(None) => return nothing(),
            Err(missing) => return lacks(missing),
        };
        let retraced = || {
            let loaded = self.read.get_or(number, || mapping.load())?;
            quietly(|| retrace(&loaded, places)).unwrap_or_else(|| Err("the mapping is damaged".to_owned()))
        };
        let file = mapping.path.display().to_string();
        let mut lines = match retraced() {
            Ok(lines) => lines,
            Err(why) => return lacks(Missing { of: file, why }),
        };
        for found in lines.iter_mut().flatten().filter(|found| named.is_none() && found.says_something()) {
            found.note = Some(format!("{file} was used as the only mapping: the report does not name its own"));
        }
        lines
    }

    /// The mapping of a stack. None if there is none and the stack needs none, as far as one can
    /// see.
    fn choose(&self, named: Option<&str>) -> Result<Option<(usize, &Mapping)>, Missing> {
        let Some(id) = named else {
            return match self.all.as_slice() {
                [] => Ok(None),
                [mapping] => Ok(Some((0, mapping))),
                // Copies of one mapping.
                [first, rest @ ..] if !first.ids.is_empty() && rest.iter().all(|other| other.ids == first.ids) => {
                    Ok(Some((0, first)))
                }
                several => Err(Missing {
                    of: "a Java stack trace".to_owned(),
                    why: format!("it does not name its mapping, and {} mappings are there", several.len()),
                }),
            };
        };
        let wanted = id.trim().to_ascii_lowercase();
        let fits = |id: &String| wanted.len() >= MIN_ID && (id.starts_with(&wanted) || wanted.starts_with(id.as_str()));
        match self.all.iter().enumerate().find(|(_, mapping)| mapping.ids.iter().any(fits)) {
            Some(chosen) => Ok(Some(chosen)),
            None => {
                let others: Vec<_> = self.all.iter().map(|mapping| mapping.path.display().to_string()).collect();
                let others =
                    if others.is_empty() { String::new() } else { format!("; {} has another", others.join(", ")) };
                Err(Missing { of: format!("the mapping {id}"), why: format!("no mapping has this id{others}") })
            }
        }
    }
}

impl Mapping {
    fn load(&self) -> Result<Loaded, String> {
        let text = ByteView::open(&self.path).map_err(|error| error.to_string())?;
        let (mut classes, mut originals) = (HashMap::new(), HashMap::new());
        let mut open: Option<(String, String, usize)> = None;
        let mut close = |open: Option<(String, String, usize)>, end: usize| {
            if let Some((original, obfuscated, start)) = open {
                originals.insert(original, start..end);
                classes.insert(obfuscated, start..end);
            }
        };
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', &text).chain([text.len()]) {
            // Members are indented, and comments belong to what stands before them.
            if let Some((original, obfuscated)) = class_of(text.get(start..end).unwrap_or_default()) {
                close(open.replace((original, obfuscated, start)), start);
            }
            start = end + 1;
        }
        close(open, text.len());
        Ok(Loaded { text, classes, originals })
    }
}

/// The names in a line that begins a class: `a.b.C -> d.e:`.
fn class_of(line: &[u8]) -> Option<(String, String)> {
    if line.first().is_none_or(|byte| byte.is_ascii_whitespace() || *byte == b'#') {
        return None;
    }
    let (original, obfuscated) = std::str::from_utf8(line).ok()?.trim_end().strip_suffix(':')?.split_once(" -> ")?;
    Some((original.to_owned(), obfuscated.to_owned()))
}

impl Loaded {
    /// The lines of a class, by its obfuscated name.
    fn class(&self, obfuscated: &str) -> &[u8] {
        self.classes.get(obfuscated).and_then(|lines| self.text.get(lines.clone())).unwrap_or_default()
    }

    /// The part of the mapping that a stack needs: its classes, and of those whose functions are
    /// inlined into them the comments, which name the source file.
    fn part(&self, places: &[Place<'_>]) -> Vec<u8> {
        let classes = places.iter().filter_map(|place| match place {
            Place::Java(java) => Some(java.class),
            Place::Thrown(thrown) => Some(thrown.class),
            _ => None,
        });
        let classes: BTreeSet<&str> = classes.collect();
        let mut part = Vec::new();
        for class in &classes {
            part.extend_from_slice(self.class(class));
            part.push(b'\n');
        }
        let mut inlined = BTreeSet::new();
        for record in ProguardMapping::new(&part).iter().flatten() {
            if let ProguardRecord::Method { original_class: Some(class), .. } = record {
                inlined.insert(class.to_owned());
            }
        }
        for class in inlined {
            let lines = self.originals.get(&class).and_then(|lines| self.text.get(lines.clone())).unwrap_or_default();
            let is_there = lines.split(|byte| *byte == b'\n').next().and_then(class_of);
            if is_there.is_none_or(|(_, obfuscated)| classes.contains(obfuscated.as_str())) {
                continue;
            }
            for line in lines.split(|byte| *byte == b'\n').take_while(|line| !line.starts_with(b" ")) {
                part.extend_from_slice(line);
                part.push(b'\n');
            }
        }
        part
    }
}

fn retrace(loaded: &Loaded, places: &[Place<'_>]) -> Result<Vec<Option<Found>>, String> {
    let part = loaded.part(places);
    let mut index = Vec::new();
    ProguardCache::write(&ProguardMapping::new(&part), &mut index).map_err(|error| error.to_string())?;
    let cache = ProguardCache::parse(&index).map_err(|error| error.to_string())?;
    // An outlined piece of code carries its place to the frame that called it, and the first frame
    // of an exception may have helpers of R8 on top.
    let (mut outlined, mut thrown) = (None, None);
    let mut all = Vec::with_capacity(places.len());
    for place in places {
        all.push(match place {
            Place::Thrown(exception) => {
                let original = cache.remap_class(exception.class);
                thrown = Some(class_name_to_descriptor(original.unwrap_or(exception.class)));
                original.map(|class| renamed(exception, class))
            }
            Place::Java(java) => {
                let frame = StackFrame::with_file(java.class, java.method, java.line, java.file);
                let descriptor = thrown.take();
                let remapped =
                    cache.remap_frame_with_context(&frame, descriptor.as_deref(), descriptor.is_some(), &mut outlined);
                match remapped {
                    // The code of an outline is nobody's: the next frame has the place.
                    None => {
                        thrown = descriptor;
                        Some(note("R8 has moved this code out of its function, which is the next frame"))
                    }
                    Some(frames) => {
                        let had_some = frames.had_mappings();
                        let frames: Vec<Frame> = frames.map(|frame| frame_of(&frame)).collect();
                        if frames.is_empty() && had_some {
                            Some(note("R8 has added this function"))
                        } else {
                            Some(one_or_several(loaded, &cache, java, frames))
                        }
                    }
                }
            }
            _ => {
                thrown = None;
                None
            }
        });
    }
    Ok(all)
}

fn note(text: &str) -> Found {
    Found { note: Some(text.to_owned()), ..Found::default() }
}

fn renamed(exception: &Thrown<'_>, class: &str) -> Found {
    Found { text: Some(format!("{}{class}{}", exception.before, exception.after)), ..Found::default() }
}

fn frame_of(frame: &StackFrame<'_>) -> Frame {
    let line = frame.line().and_then(|line| u32::try_from(line).ok()).filter(|line| *line > 0);
    Frame { function: frame.full_method(), file: frame.file().map(str::to_owned), line, column: None }
}

/// Decides whether the frames are calls that were inlined into each other, or functions of which
/// any may be meant.
fn one_or_several(loaded: &Loaded, cache: &ProguardCache<'_>, java: &Java<'_>, frames: Vec<Frame>) -> Found {
    let Some(class) = cache.remap_class(java.class) else { return Found::default() };
    let candidates = candidates(loaded, class, java);
    if candidates.len() > 1 {
        let class_of = |function: &str| function.rsplit_once('.').map(|(class, _)| class.to_owned());
        let file = |function: &str| {
            let same = frames.iter().find(|frame| class_of(&frame.function) == class_of(function));
            same.and_then(|frame| frame.file.clone())
        };
        let candidates =
            candidates.into_iter().map(|function| Frame { file: file(&function), function, ..Frame::default() });
        return Found { candidates: candidates.collect(), ..Found::default() };
    }
    // One function whose line may be any of several.
    if let Some(first) = frames.first().filter(|_| frames.len() > 1)
        && frames.iter().all(|frame| frame.function == first.function)
    {
        return Found::frames(vec![Frame { line: None, ..first.clone() }]);
    }
    Found::frames(frames)
}

/// An entry of a mapping for a method: the lines of the obfuscated code, and the original function.
struct Entry {
    start: Option<usize>,
    end: Option<usize>,
    function: String,
}

/// The functions that a frame may mean, if the mapping has more than one for it that are not
/// inlined into each other. Entries with the same range of lines are one stack of inlined calls,
/// whose last one is the function that the class really has. A frame with a line inside of a range
/// means that range; a frame without a line, or a mapping without ranges, leaves all that bear the
/// name.
fn candidates(loaded: &Loaded, original: &str, java: &Java<'_>) -> BTreeSet<String> {
    let (mut with_range, mut without_range) = (BTreeSet::new(), BTreeSet::new());
    let mut last: Option<Entry> = None;
    let mut covers = false;
    let mut close = |group: Option<Entry>| {
        if let Some(Entry { start, end, function }) = group {
            let is_range = end.unwrap_or(0) > 0;
            covers |= is_range && (start.unwrap_or(0)..=end.unwrap_or(0)).contains(&java.line);
            if is_range { &mut with_range } else { &mut without_range }.insert(function);
        }
    };
    for record in ProguardMapping::new(loaded.class(java.class)).iter().flatten() {
        let ProguardRecord::Method { original: method, obfuscated, original_class, line_mapping, .. } = record else {
            continue;
        };
        if obfuscated != java.method {
            continue;
        }
        let (start, end) = line_mapping.map_or((None, None), |mapping| (mapping.startline, mapping.endline));
        let function = format!("{}.{method}", original_class.unwrap_or(original));
        // Entries without any range are functions of their own.
        let is_same = start.is_some() && last.as_ref().is_some_and(|last| (last.start, last.end) == (start, end));
        let before = last.replace(Entry { start, end, function });
        if !is_same {
            close(before);
        }
    }
    close(last.take());
    if covers || (java.line > 0 && !with_range.is_empty()) {
        return BTreeSet::new();
    }
    // As `retrace` does, entries without lines count before those with lines.
    if without_range.is_empty() { with_range } else { without_range }
}
