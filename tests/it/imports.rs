//! Which file of a crate imports from which other file. It is read from `use` and from the paths in
//! the code.
//!
//! A name that a module imports itself is followed to the file that defines it. A reference to a
//! module that encloses the file is left out: a folder is one module, and its `mod.rs` says what
//! the folder has in common.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use crate::sources::{Kind, Token, files, product, read};

/// A path in the code, with names of modules and items.
type Names = Vec<String>;

/// A file of a crate, as a module.
#[derive(Debug)]
struct Module {
    file: PathBuf,
    /// Names that the module imports, with the path that each stands for.
    imported: BTreeMap<String, Names>,
    /// Paths that the code refers to, each from the root of the crate, with its line.
    referred: Vec<(Names, usize)>,
}

/// The files of a crate and who imports from whom.
#[derive(Debug)]
pub struct Imports {
    /// For each file those that it imports from, with the line of the first import.
    pub of: BTreeMap<PathBuf, BTreeMap<PathBuf, usize>>,
}

impl Imports {
    /// Reads the crate whose sources are in `folder`.
    pub fn read(folder: &str) -> Self {
        let paths: Vec<PathBuf> = files(folder, &["rs"])
            .into_iter()
            .filter(|path| !path.iter().any(|part| part == "tests.rs" || part == "tests"))
            .collect();
        let names: BTreeMap<Names, PathBuf> =
            paths.iter().map(|path| (module_of(path.strip_prefix(folder).unwrap()), path.clone())).collect();
        let known: BTreeSet<Names> = names.keys().cloned().collect();
        let modules: BTreeMap<Names, Module> = names
            .into_iter()
            .map(|(name, file)| {
                let code = product(&read(&file));
                let module = Reader { module: &name, known: &known, tokens: &code, at: 0 }.read(file);
                (name, module)
            })
            .collect();
        let mut of = BTreeMap::new();
        for (name, module) in &modules {
            let found: &mut BTreeMap<PathBuf, usize> = of.entry(module.file.clone()).or_default();
            for (path, line) in &module.referred {
                let Some(target) = resolve(&modules, path) else { continue };
                if !name.starts_with(&target) {
                    found.entry(modules[&target].file.clone()).or_insert(*line);
                }
            }
        }
        Self { of }
    }

    /// The circles of imports, each written as a line. For each file on a circle it is the shortest
    /// one.
    pub fn circles(&self) -> BTreeSet<String> {
        let mut found = BTreeMap::new();
        for file in self.of.keys() {
            if let Some(circle) = self.circle(file) {
                let members: BTreeSet<&PathBuf> = circle.iter().copied().collect();
                let steps =
                    circle.windows(2).map(|pair| format!("{}:{}", pair[0].display(), self.of[pair[0]][pair[1]]));
                found.entry(members).or_insert(format!(
                    "{} → {}",
                    steps.collect::<Vec<_>>().join(" → "),
                    file.display()
                ));
            }
        }
        found.into_values().collect()
    }

    /// The shortest way from a file back to itself.
    fn circle<'a>(&'a self, file: &'a PathBuf) -> Option<Vec<&'a PathBuf>> {
        let mut ways = VecDeque::from([vec![file]]);
        let mut visited = BTreeSet::new();
        while let Some(way) = ways.pop_front() {
            for next in self.of.get(*way.last()?)?.keys() {
                let mut longer = way.clone();
                longer.push(next);
                if next == file {
                    return Some(longer);
                }
                if visited.insert(next) {
                    ways.push_back(longer);
                }
            }
        }
        None
    }
}

/// The name of the module in a file: `engine/uploader/mod.rs` holds `engine::uploader`, and
/// `main.rs` holds the root.
fn module_of(file: &Path) -> Names {
    let mut names: Names = file.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if names.last().is_some_and(|name| ["mod", "lib", "main"].contains(&name.as_str())) {
        names.pop();
    }
    names
}

/// The module that a path from the root leads into.
fn resolve(modules: &BTreeMap<Names, Module>, path: &[String]) -> Option<Names> {
    let mut path = path.to_vec();
    // A name that is imported under its own name would lead back to itself for ever.
    for _ in 0..16 {
        let depth = (0..=path.len()).rev().find(|depth| modules.contains_key(&path[..*depth]))?;
        let (module, rest) = path.split_at(depth);
        let imported = rest.first().and_then(|name| modules[module].imported.get(name));
        match imported {
            Some(target) => path = target.iter().chain(&rest[1..]).cloned().collect(),
            None => return Some(module.to_vec()),
        }
    }
    panic!("`{}` is imported in a circle", path.join("::"))
}

/// Reads one file's tokens.
struct Reader<'a> {
    module: &'a Names,
    known: &'a BTreeSet<Names>,
    tokens: &'a [Token],
    at: usize,
}

impl Reader<'_> {
    fn read(mut self, file: PathBuf) -> Module {
        let mut module = Module { file, imported: BTreeMap::new(), referred: Vec::new() };
        // The modules within the file that enclose the place, each with its depth in braces.
        let (mut inside, mut depth): (Vec<(String, usize)>, usize) = (Vec::new(), 0);
        while self.at < self.tokens.len() {
            let here: Names = self.module.iter().cloned().chain(inside.iter().map(|(name, _)| name.clone())).collect();
            let line = self.tokens[self.at].line;
            if self.is(0, "mod") && self.is(2, "{") {
                inside.push((self.tokens[self.at + 1].text.clone(), depth));
                depth += 1;
                self.at += 3;
            } else if self.is(0, "use") {
                self.at += 1;
                let mut leaves = Vec::new();
                self.tree(&Names::new(), &mut leaves);
                for (path, name) in leaves {
                    let Some(path) = self.resolve_from_root(&here, path) else { continue };
                    if inside.is_empty() {
                        module.imported.insert(name, path.clone());
                    }
                    module.referred.push((path, line));
                }
            } else if self.tokens[self.at].kind == Kind::Word && self.is(1, "::") && !self.follows("::") {
                let mut path = vec![self.tokens[self.at].text.clone()];
                self.at += 1;
                while self.is(0, "::") && self.tokens.get(self.at + 1).is_some_and(|next| next.kind == Kind::Word) {
                    path.push(self.tokens[self.at + 1].text.clone());
                    self.at += 2;
                }
                module.referred.extend(self.resolve_from_root(&here, path).map(|path| (path, line)));
            } else {
                if self.is(0, "{") {
                    depth += 1;
                } else if self.is(0, "}") {
                    depth -= 1;
                    inside.retain(|(_, outside)| *outside < depth);
                }
                self.at += 1;
            }
        }
        module
    }

    /// A tree of `use`: each path in it with the name that it gets.
    fn tree(&mut self, before: &Names, leaves: &mut Vec<(Names, String)>) {
        let mut path = before.clone();
        loop {
            if self.is(0, "{") {
                self.at += 1;
                while !self.is(0, "}") {
                    self.tree(&path, leaves);
                    if self.is(0, ",") {
                        self.at += 1;
                    }
                }
                self.at += 1;
                return;
            }
            let word = self.tokens[self.at].text.clone();
            self.at += 1;
            if word == "*" {
                leaves.push((path, word));
                return;
            }
            // `a::{self}` is `a`, while `self::a` begins at this module.
            if word != "self" || path.is_empty() {
                path.push(word);
            }
            if self.is(0, "::") {
                self.at += 1;
                continue;
            }
            let mut name = path.last().unwrap().clone();
            if self.is(0, "as") {
                name.clone_from(&self.tokens[self.at + 1].text);
                self.at += 2;
            }
            leaves.push((path, name));
            return;
        }
    }

    /// A path from the root of the crate; `None` for another crate's.
    fn resolve_from_root(&self, here: &Names, path: Names) -> Option<Names> {
        let mut rest = path.as_slice();
        let mut base = match rest.first()?.as_str() {
            "crate" => Names::new(),
            "self" | "super" => here.clone(),
            // This may be a module below this one. Every other name is another crate's, or was
            // imported, and then its `use` has been read.
            child => {
                let module: Names = here.iter().cloned().chain([child.to_owned()]).collect();
                return self.known.contains(&module).then(|| here.iter().cloned().chain(path).collect());
            }
        };
        if rest[0] != "super" {
            rest = &rest[1..];
        }
        while rest.first().is_some_and(|name| name == "super") {
            base.pop();
            rest = &rest[1..];
        }
        Some(base.into_iter().chain(rest.iter().cloned()).collect())
    }

    fn is(&self, ahead: usize, text: &str) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(|token| token.is(text))
    }

    fn follows(&self, text: &str) -> bool {
        self.at.checked_sub(1).is_some_and(|before| self.tokens[before].is(text))
    }
}
