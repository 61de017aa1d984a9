//! A file imports only from lower floors, and the libraries stay where they belong.

use std::path::{Path, PathBuf};

const FLOORS: [&str; 6] = ["model", "policy", "storage", "wire", "engine", "api"];

fn floor(name: &str) -> usize {
    FLOORS.iter().position(|floor| *floor == name).unwrap_or_else(|| panic!("`{name}` is no floor"))
}

fn sources() -> Vec<(String, PathBuf)> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            if entry.path().is_dir() { walk(&entry.path(), found) } else { found.push(entry.path()) }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &mut found);
    let module = |path: &PathBuf| {
        let inside = path.strip_prefix(&root).unwrap().components().next().unwrap();
        inside.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
    };
    found.into_iter().map(|path| (module(&path), path)).filter(|(module, _)| module != "lib").collect()
}

/// The product's part of a file: tests may reach anywhere.
fn product(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]").next().unwrap().to_owned()
}

#[test]
fn nobody_imports_from_a_higher_floor() {
    let files = sources();
    assert!(files.len() > 40);
    for (module, path) in files.iter().filter(|(_, path)| !path.ends_with("tests.rs")) {
        for import in product(path).split("crate::").skip(1) {
            let name: String = import.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            assert!(floor(&name) <= floor(module), "{} imports `{name}` from a higher floor", path.display());
        }
    }
}

#[test]
fn the_libraries_stay_where_they_belong() {
    for (module, path) in sources() {
        let text = product(&path);
        let only = |library: &str, modules: &[&str]| {
            let used = text.contains(&format!("{library}::"));
            assert!(!used || modules.contains(&module.as_str()), "{} uses {library}", path.display());
        };
        only("rusqlite", &["storage"]);
        only("tokio", &["engine", "wire", "api"]);
        only("reqwest", &["wire"]);
        let unsafe_code = text.contains("unsafe {") || text.contains("unsafe fn") || text.contains("unsafe impl");
        assert!(!unsafe_code || module == "storage", "{} has unsafe code", path.display());
    }
    let recorder = product(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/engine/recorder.rs"));
    for forbidden in ["storage::queue", "wire::export", "tokio"] {
        assert!(!recorder.contains(forbidden), "the recorder sees {forbidden}");
    }
    for (module, path) in sources() {
        assert!(module != "wire" || !product(&path).contains("storage::queue"), "{} sees the queue", path.display());
    }
}
