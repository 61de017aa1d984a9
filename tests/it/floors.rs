//! A file imports from its own floor or a lower one, no files import from each other in a circle,
//! and the libraries stay where they belong.
//!
//! The floors are the modules that `src/lib.rs` declares, in its order. A file's floor is the first
//! folder of its path.

use std::path::{Path, PathBuf};

use crate::imports::Imports;
use crate::sources::{Token, files, product, read};

/// The floors, from the lowest to the highest.
fn floors() -> Vec<String> {
    let tokens = product(&read(Path::new("src/lib.rs")));
    let declared = tokens.windows(3).filter(|three| three[0].is("mod") && three[2].is(";"));
    declared.map(|three| three[1].text.clone()).collect()
}

/// The floor of a file of the core, by its name.
fn floor(file: &Path) -> String {
    file.iter().nth(1).unwrap().to_str().unwrap().to_owned()
}

/// The files of the core that lie on a floor.
fn core() -> Vec<PathBuf> {
    files("src", &["rs"]).into_iter().filter(|file| file != Path::new("src/lib.rs")).collect()
}

#[test]
fn nobody_imports_from_a_higher_floor() {
    let floors = floors();
    assert!(floors.len() > 4, "src/lib.rs declares {floors:?}");
    let height = |file: &Path| {
        let name = floor(file);
        floors.iter().position(|floor| *floor == name).unwrap_or_else(|| panic!("{}: no such floor", file.display()))
    };
    let imports = Imports::read("src");
    assert!(imports.of.len() > 40, "only {} files were read", imports.of.len());
    for (file, imported) in imports.of.iter().filter(|(file, _)| *file != Path::new("src/lib.rs")) {
        for (other, line) in imported {
            let is_lower = height(other) <= height(file);
            assert!(is_lower, "{}:{line} imports from a higher floor: {}", file.display(), other.display());
        }
    }
}

#[test]
fn no_files_import_from_each_other_in_a_circle() {
    let mut circles = Vec::new();
    for folder in ["src", "uniffi/src", "cli/src", "torture/src", "xtask/src", "benches/peers/src"] {
        let imports = Imports::read(folder);
        assert!(imports.of.values().any(|imported| !imported.is_empty()), "no import was found in {folder}");
        circles.extend(imports.circles());
    }
    assert!(circles.is_empty(), "files that import from each other:\n{}", circles.join("\n"));
}

#[test]
fn the_libraries_stay_where_they_belong() {
    let names_library = |code: &[Token], name: &str| code.windows(2).any(|two| two[0].is(name) && two[1].is("::"));
    for file in core() {
        let (code, floor) = (product(&read(&file)), floor(&file));
        for (library, floors) in
            [("rusqlite", &["storage"][..]), ("tokio", &["engine", "wire", "api"]), ("reqwest", &["wire"])]
        {
            let is_allowed = floors.contains(&floor.as_str()) || !names_library(&code, library);
            assert!(is_allowed, "{} uses {library}", file.display());
        }
        let is_unsafe = code.iter().any(|token| token.is("unsafe"));
        assert!(!is_unsafe || floor == "storage", "{} has unsafe code", file.display());
    }
}

#[test]
fn the_recorder_and_the_exporters_never_see_the_queue() {
    let imports = Imports::read("src");
    for (file, imported) in &imports.of {
        let is_recorder = file.starts_with("src/engine/recorder");
        let forbidden: &[&str] = match floor(file).as_str() {
            "wire" => &["src/storage/queue"],
            _ if is_recorder => &["src/storage/queue", "src/wire/export"],
            _ => &[],
        };
        for other in imported.keys() {
            let is_forbidden = forbidden.iter().any(|folder| other.starts_with(folder));
            assert!(!is_forbidden, "{} sees {}", file.display(), other.display());
        }
        let is_async = product(&read(file)).iter().any(|token| token.is("tokio"));
        assert!(!is_recorder || !is_async, "the recorder uses tokio");
    }
}
