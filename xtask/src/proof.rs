//! The proof that the crash handler is safe in a signal, on the compiled code.
//!
//! The handler is linked alone, without any library. Whatever it reaches that is not its own
//! shows as an undefined symbol: an allocator, a panic, a mutex, `memcpy`, a call through a table
//! that the dynamic linker has not filled yet. None is permitted.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use object::elf::{DF_1_NOW, DF_BIND_NOW, DT_FLAGS, DT_FLAGS_1, DT_JMPREL, DynamicTag};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, Object, ObjectSymbol};

use crate::steps::step;

/// The symbols that the handler may leave undefined: none.
const ALLOWED: [&str; 0] = [];
/// The symbol by which the handler is kept.
const HANDLER: &str = "THROUGHLINE_HANDLER";

/// `cargo xtask proof`.
/// Builds into `target`, cargo's target directory.
pub(crate) fn proof(target: &Path) -> Result<()> {
    let folder = target.join("proof");
    let mut build = Command::new(env!("CARGO"));
    // In the folder, because it is not of this workspace.
    build
        .current_dir("crash-writer/proof")
        .args(["rustc", "--quiet", "--release", "--locked", "--target-dir"])
        .arg(&folder);
    build.args(["--", "-C", "link-arg=-nostdlib", "-C", "link-arg=-nostartfiles", "-C", "link-arg=-Wl,--gc-sections"]);
    step("the crash handler alone", &mut build)?;
    reaches_nothing(&folder.join("release/libthroughline_crash_proof.so"))
}

/// Whether a library leaves nothing undefined that is not [`ALLOWED`].
fn reaches_nothing(library: &Path) -> Result<()> {
    let bytes = std::fs::read(library).with_context(|| library.display().to_string())?;
    let file = object::File::parse(&*bytes)?;
    let has_handler = file.dynamic_symbols().any(|symbol| symbol.is_definition() && symbol.name() == Ok(HANDLER));
    ensure!(has_handler, "{} does not hold the handler", library.display());
    let undefined = file.dynamic_symbols().filter(|symbol| symbol.is_undefined());
    let names: Vec<&str> = undefined.filter_map(|symbol| symbol.name().ok()).filter(|name| !name.is_empty()).collect();
    let foreign: Vec<_> = names.iter().filter(|name| !ALLOWED.contains(name)).collect();
    ensure!(foreign.is_empty(), "the crash handler reaches {foreign:?}");
    ensure!(dynamic(&bytes, DT_JMPREL)?.is_none(), "the crash handler calls through a table of the linker's");
    println!("── the crash handler reaches nothing but itself and the kernel");
    Ok(())
}

/// Checks that a library's calls are bound when it is loaded: the first call through a table that
/// is not filled would enter the dynamic linker, which is no place for a signal handler.
pub(crate) fn is_bound_at_load(library: &Path) -> Result<()> {
    let bytes = std::fs::read(library).with_context(|| library.display().to_string())?;
    let flag = |tag, bit: u64| dynamic(&bytes, tag).map(|value| value.unwrap_or(0) & bit != 0);
    if !flag(DT_FLAGS, DF_BIND_NOW.0)? && !flag(DT_FLAGS_1, DF_1_NOW.0)? {
        bail!("{} binds its calls when they are made first", library.display());
    }
    println!("── {} is bound when it is loaded", library.display());
    Ok(())
}

/// An entry of the dynamic section.
fn dynamic(bytes: &[u8], wanted: DynamicTag) -> Result<Option<u64>> {
    let header = object::elf::FileHeader64::<Endianness>::parse(bytes)?;
    let endian = header.endian()?;
    for segment in header.program_headers(endian, bytes)? {
        let Some(entries) = segment.dynamic(endian, bytes)? else { continue };
        for entry in entries {
            if entry.tag(endian) == wanted {
                return Ok(Some(entry.val(endian)));
            }
        }
    }
    Ok(None)
}
