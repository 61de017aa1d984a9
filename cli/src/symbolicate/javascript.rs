//! JavaScript stack traces and source maps, those of Hermes' bytecode among them.
//!
//! A map is chosen by the id of the bundle (`debugId`). If the report names none, or the map has
//! none, the name of the bundle's file decides, but only if exactly one map has it, and that is
//! said.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;
use sourcemap::{DecodedMap, decode_slice};
use symbolic_common::ByteView;

use super::found::{Found, Frame};
use super::line::Script;
use super::quiet::quietly;
use super::recent::Recent;

/// Maps of single steps of React Native's build. They describe other files than the one that an app
/// runs: the text before it was compiled, and the compiler's work alone.
const STEPS: [&str; 2] = [".packager.map", ".compiler.map"];

/// The source maps of the symbol folders.
#[derive(Default)]
pub(super) struct Maps {
    all: Vec<Map>,
    read: Recent<DecodedMap>,
}

struct Map {
    path: PathBuf,
    id: Option<String>,
    /// The names of the bundle that the map may belong to.
    names: Vec<String>,
}

/// What the index needs of a map. The rest is skipped while reading.
#[derive(Deserialize)]
struct Header {
    version: Option<u32>,
    mappings: Option<IgnoredAny>,
    sections: Option<IgnoredAny>,
    file: Option<String>,
    #[serde(rename = "debugId")]
    camel: Option<String>,
    debug_id: Option<String>,
}

/// An id without what different tools write differently.
fn plain(id: &str) -> String {
    id.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

fn base(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

impl Maps {
    /// Takes a file in, if it is a source map.
    pub(super) fn add(&mut self, path: &Path) -> std::io::Result<bool> {
        let view = ByteView::open(path)?;
        // Some servers write a line before the JSON, so that no page can load it as a script.
        let text = match view.starts_with(b")]}") {
            true => view.iter().position(|byte| *byte == b'\n').and_then(|end| view.get(end..)).unwrap_or_default(),
            false => &view,
        };
        let Ok(header) = serde_json::from_slice::<Header>(text) else { return Ok(false) };
        if header.version.is_none() || (header.mappings.is_none() && header.sections.is_none()) {
            return Ok(false);
        }
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let of_a_step = STEPS.iter().any(|step| file.ends_with(step));
        let mut names: Vec<_> =
            file.strip_suffix(".map").filter(|_| !of_a_step).map(str::to_owned).into_iter().collect();
        names.extend(header.file.filter(|_| !of_a_step).map(|file| base(&file).to_owned()));
        let id = header.camel.or(header.debug_id).map(|id| plain(&id)).filter(|id| !of_a_step && !id.is_empty());
        self.all.push(Map { path: path.to_owned(), id, names });
        Ok(true)
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    /// Looks a frame up. `id` is that of the bundle, if the report names it.
    pub(super) fn look_up(&self, script: &Script<'_>, id: Option<&str>) -> Found {
        let of = match id {
            Some(id) => format!("{} (bundle {id})", script.bundle),
            None => script.bundle.to_owned(),
        };
        let (number, map, note) = match self.choose(script.bundle, id) {
            Ok(chosen) => chosen,
            Err(why) => return Found::missing(of, why),
        };
        let found = self
            .read
            .get_or(number, || map.load())
            .map(|decoded| quietly(|| frame(&decoded, script, script.line, script.column)).flatten());
        match found {
            Ok(Some(frame)) => Found { note, ..Found::frames(vec![frame]) },
            // Not missing: the map knows the bundle, and the place is none of the app's code.
            Ok(None) => {
                let said =
                    format!("{} has no source for this place, which the bundler may have added", map.path.display());
                Found { note: Some(said), ..Found::default() }
            }
            Err(error) => Found::missing(of, format!("{} cannot be read: {error}", map.path.display())),
        }
    }

    fn choose(&self, bundle: &str, id: Option<&str>) -> Result<(usize, &Map, Option<String>), String> {
        let id = id.map(plain).filter(|id| !id.is_empty());
        if let Some(id) = &id {
            let mut of_id = self.all.iter().enumerate().filter(|(_, map)| map.id.as_ref() == Some(id));
            if let Some((number, map)) = of_id.next() {
                return Ok((number, map, None));
            }
        }
        // A map with another id is of another build, whatever its name is.
        let fits = |map: &Map| (id.is_none() || map.id.is_none()) && map.names.iter().any(|name| name == bundle);
        let named: Vec<_> = self.all.iter().enumerate().filter(|(_, map)| fits(map)).collect();
        let paths = |maps: &mut dyn Iterator<Item = &Map>| {
            maps.map(|map| map.path.display().to_string()).collect::<Vec<_>>().join(", ")
        };
        match named.as_slice() {
            // One map, or copies of one.
            [(number, map), rest @ ..] if rest.iter().all(|(_, other)| other.id.is_some() && other.id == map.id) => {
                let why = if id.is_some() { "the map has no id" } else { "the report does not name its bundle" };
                Ok((*number, map, Some(format!("{} was chosen by its name: {why}", map.path.display()))))
            }
            [] => {
                let mut others = self.all.iter().filter(|map| map.names.iter().any(|name| name == bundle)).peekable();
                Err(match (id, others.peek()) {
                    (Some(_), Some(_)) => format!("no source map has this id; {} has another", paths(&mut others)),
                    (Some(_), None) => "no source map has this id or this name".to_owned(),
                    (None, _) => "no source map has this name, and the report does not name its bundle".to_owned(),
                })
            }
            several => {
                let names = paths(&mut several.iter().map(|(_, map)| *map));
                Err(format!("several source maps have this name, and none the id of the bundle: {names}"))
            }
        }
    }
}

impl Map {
    fn load(&self) -> Result<DecodedMap, String> {
        let view = ByteView::open(&self.path).map_err(|error| error.to_string())?;
        quietly(|| decode_slice(&view)).ok_or("it is damaged")?.map_err(|error| error.to_string())
    }
}

/// The place in the source. `line` and `column` count from the beginning of the map.
fn frame(map: &DecodedMap, script: &Script<'_>, line: u32, column: u32) -> Option<Frame> {
    if let DecodedMap::Index(index) = map {
        // Sections are in order, and each counts from its own beginning.
        let section = index.sections().filter(|section| section.get_offset() <= (line, column)).last()?;
        let (first_line, first_column) = section.get_offset();
        let column = if line == first_line { column - first_column } else { column };
        return frame(section.get_sourcemap()?, script, line - first_line, column);
    }
    let token = map.lookup_token(line, column)?;
    // The nearest entry may stand in an earlier line, which says nothing about this one.
    if token.get_dst_line() != line || !token.has_source() {
        return None;
    }
    let scope = match map {
        DecodedMap::Hermes(hermes) => hermes.get_scope_for_token(token),
        _ => None,
    };
    // The name in the entry is that of what is called there, not of the function around it.
    Some(Frame {
        function: scope.unwrap_or(script.function).to_owned(),
        file: token.get_source().map(str::to_owned),
        line: token.get_src_line().checked_add(1),
        column: token.get_src_col().checked_add(1),
    })
}
