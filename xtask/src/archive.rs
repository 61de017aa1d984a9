//! Static libraries that show only our own symbols: an app may bring another SQLite and another
//! Rust library, and they must not collide with ours.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::libraries::{ARCHIVE, Build, libraries, target};
use crate::steps::{output, run, step};
use crate::tools::llvm;

/// The prefixes of the symbols that an app sees.
const OURS: [&str; 5] =
    ["throughline_", "uniffi_throughline", "ffi_throughline", "UNIFFI_META", "Java_dev_throughline"];

/// The prefix that the symbols of others get in a Mach-O archive.
const PREFIX: &str = "_throughline_private";

/// How the symbols of Apple's frameworks begin, of those that Rust's crates use.
const FRAMEWORKS: [&str; 6] = ["_CF", "_kCF", "_Sec", "_kSec", "_SC", "_objc_"];

/// Writes an ELF archive whose only global symbols are ours. SQLite, the Rust runtime and the
/// allocator become local to it.
pub(crate) fn localize(archive: &Path, out: &Path) -> Result<()> {
    let (whole, local) = (out.with_extension("whole.o"), out.with_extension("o"));
    let mut link = Command::new("ld");
    // Groups must be resolved here. Otherwise the linker of the app takes the personality routine
    // of another Rust library for ours, which is local by then.
    link.args(["-r", "--whole-archive", "--strip-debug", "--force-group-allocation"]);
    step("one object", link.arg(archive).arg("-o").arg(&whole))?;
    let mut copy = Command::new("objcopy");
    // The standard library's bitcode has no use here, and other versions of LLVM cannot read it.
    copy.args(["--wildcard", "--remove-section=.llvmbc", "--remove-section=.llvmcmd"])
        .args(OURS.map(|prefix| format!("--keep-global-symbol={prefix}*")));
    step("local symbols", copy.arg(&whole).arg(&local))?;
    let _ = std::fs::remove_file(out);
    step("archive", Command::new("ar").args(["rcsD"]).arg(out).arg(&local))?;
    let (whole_gone, local_gone) = (std::fs::remove_file(whole), std::fs::remove_file(local));
    whole_gone.and(local_gone).context("removing the objects")
}

/// Writes a Mach-O archive whose global symbols are ours. Those of SQLite, ring and the Rust
/// runtime get a prefix: without Apple's linker, objects cannot be joined to make them local.
pub(crate) fn prefix(archive: &Path, out: &Path) -> Result<()> {
    let folder = out.with_extension("objects");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let members = output(llvm("llvm-ar").arg("t").arg(archive))?;
    let names: BTreeSet<&str> = members.lines().collect();
    ensure!(names.len() == members.lines().count(), "two objects have the same name");
    step("objects", llvm("llvm-ar").arg("x").arg(archive).current_dir(&folder))?;
    let renamed = |name: &String| format!("{name} {PREFIX}{name}\n");
    let map: String = globals(archive)?.iter().filter(|name| !is_ours(name)).map(renamed).collect();
    std::fs::write(folder.join("symbols"), map)?;
    let mut join = llvm("llvm-ar");
    join.arg("rcsD").arg(out).current_dir(&folder);
    for name in names {
        let mut rename = llvm("llvm-objcopy");
        rename
            .current_dir(&folder)
            .args(["--strip-debug", "--redefine-syms=symbols", "--remove-section=__LLVM,__bitcode"])
            .arg(name);
        ensure!(rename.status().context("objcopy")?.success(), "{name} could not be renamed");
        join.arg(name);
    }
    let _ = std::fs::remove_file(out);
    step("private symbols", &mut join)?;
    std::fs::remove_dir_all(folder).context("removing the objects")?;
    let foreign: Vec<String> = globals(out)?.into_iter().filter(|name| !is_ours(name)).collect();
    ensure!(foreign.is_empty(), "{} symbols are not ours: {foreign:?}", foreign.len());
    let listed = output(llvm("llvm-nm").args(["--undefined-only", "--just-symbol-name", "--no-llvm-bc"]).arg(out))?;
    let framed: Vec<&str> =
        listed.lines().filter(|name| FRAMEWORKS.iter().any(|begin| name.starts_with(begin))).collect();
    // Neither Package.swift nor the pods name a framework.
    ensure!(framed.is_empty(), "the app would have to link a framework of Apple's: {framed:?}");
    Ok(())
}

/// The names of the global symbols that a Mach-O archive defines.
fn globals(archive: &Path) -> Result<BTreeSet<String>> {
    let mut list = llvm("llvm-nm");
    list.args(["--defined-only", "--extern-only", "--format=posix", "--no-llvm-bc"]).arg(archive);
    let names: BTreeSet<String> = output(&mut list)?
        .lines()
        .filter(|line| !line.ends_with(':'))
        .filter_map(|line| Some(line.split(' ').next()?.to_owned()))
        .collect();
    ensure!(names.contains("_throughline_record"), "the archive lacks the door");
    Ok(names.into_iter().filter(|name| !name.is_empty()).collect())
}

fn is_ours(name: &str) -> bool {
    name.starts_with(PREFIX)
        || OURS.iter().any(|prefix| name.strip_prefix('_').is_some_and(|name| name.starts_with(prefix)))
}

/// `cargo xtask archive`: checks the symbols of the shipped archive, and that an app with another
/// SQLite and another Rust library links it and runs.
pub(crate) fn archive() -> Result<()> {
    let libraries = libraries(Build::Testing)?;
    let dir = target()?.join("archive");
    std::fs::create_dir_all(&dir)?;
    let archive = dir.join(ARCHIVE);
    localize(&libraries.join(ARCHIVE), &archive)?;
    let listed = output(Command::new("readelf").args(["--syms", "--wide"]).arg(&archive))?;
    let is_foreign = |name: &&str| !OURS.iter().any(|prefix| name.starts_with(prefix));
    let foreign: Vec<&str> = listed.lines().filter_map(global).filter(is_foreign).collect();
    ensure!(listed.contains("throughline_record"), "no symbols were listed");
    let some: Vec<&&str> = foreign.iter().take(10).collect();
    ensure!(foreign.is_empty(), "{} symbols are not ours: {some:?}", foreign.len());
    let other = other(&dir.join("other"))?;
    let program = dir.join("app");
    let mut link = Command::new("cc");
    link.arg("tests/linking/main.c").arg(&archive).arg(other);
    step("an app with both", link.args(["-lpthread", "-ldl", "-lm", "-lgcc_s", "-o"]).arg(&program))?;
    step("the app runs", &mut Command::new(program))
}

/// Builds another Rust library with another SQLite, and returns its archive.
pub(crate) fn other(folder: &Path) -> Result<PathBuf> {
    let manifest =
        ["build", "--quiet", "--release", "--manifest-path", "tests/linking/other/Cargo.toml", "--target-dir"];
    run("another Rust library", &[&manifest[..], &[folder.to_str().context("a path is not UTF-8")?]].concat())?;
    Ok(folder.join("release/libother.a"))
}

/// Writes the static library for this machine as it is shipped.
pub(crate) fn for_this_machine(built: &Path, out: &Path) -> Result<()> {
    if cfg!(target_os = "macos") {
        std::fs::copy(built, out).map(|_| ()).context("the library")
    } else {
        localize(built, out)
    }
}

/// The name of a defined global symbol, from a line of readelf.
fn global(line: &str) -> Option<&str> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        [_, _, _, _, "GLOBAL" | "WEAK", _, place, name, ..] if *place != "UND" => Some(name),
        _ => None,
    }
}
