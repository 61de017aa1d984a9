//! What a shared library must be to go into a package: of the right processor, stripped, and on
//! Android aligned for pages of 16 KiB.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use object::elf::{DT_SONAME, EM_386, EM_AARCH64, EM_ARM, EM_X86_64, FileHeader32, FileHeader64, Machine, PT_LOAD};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, FileKind};

/// The pages of some devices since Android 15. A segment that is aligned to less is not loaded.
const PAGE: u64 = 16 * 1024;

/// How the libraries for Android are linked. Android 15 has devices with pages of 16 KiB. Without a
/// name in it, a library that is linked with this one would look for it under the path of the
/// machine that has linked it. Without an id, no symbols would be found for a crash in it.
pub(crate) const LINK_ARGUMENTS: [&str; 3] = [
    "-Clink-arg=-Wl,-z,max-page-size=16384",
    "-Clink-arg=-Wl,-soname,libthroughline_ffi.so",
    "-Clink-arg=-Wl,--build-id=sha1",
];

/// What is read of a library.
#[derive(Debug, PartialEq)]
struct Facts {
    machine: Machine,
    /// The smallest alignment of what is loaded.
    align: u64,
    /// Sections that only a debugger reads.
    debug: Vec<String>,
    has_name: bool,
    has_id: bool,
}

/// Whether an AAR may have this library for an ABI.
pub(crate) fn is_fit_for_android(library: &Path, abi: &str) -> Result<()> {
    let facts = read(library)?;
    let machine = match abi {
        "arm64-v8a" => EM_AARCH64,
        "armeabi-v7a" => EM_ARM,
        "x86_64" => EM_X86_64,
        "x86" => EM_386,
        other => bail!("{other} is no ABI"),
    };
    let shown = library.display();
    ensure!(facts.machine == machine, "{shown} is for another processor than {abi}");
    ensure!(facts.align >= PAGE, "{shown} is aligned to {} bytes: devices with pages of {PAGE} refuse it", facts.align);
    ensure!(facts.has_name, "{shown} has no name (soname): what links it would look for it under a path");
    ensure!(facts.has_id, "{shown} has no build id: no symbols would be found for a crash in it");
    is_stripped(&facts, library)
}

/// Whether a library has nothing that only a debugger reads.
pub(super) fn is_fit_for_hosts(library: &Path) -> Result<()> {
    is_stripped(&read(library)?, library)
}

fn is_stripped(facts: &Facts, library: &Path) -> Result<()> {
    ensure!(facts.debug.is_empty(), "{} is not stripped: it has {:?}", library.display(), facts.debug);
    Ok(())
}

fn read(library: &Path) -> Result<Facts> {
    let bytes = std::fs::read(library).with_context(|| library.display().to_string())?;
    match FileKind::parse(&*bytes) {
        Ok(FileKind::Elf32) => facts::<FileHeader32<Endianness>>(&bytes),
        Ok(FileKind::Elf64) => facts::<FileHeader64<Endianness>>(&bytes),
        _ => bail!("{} is no shared library of Linux or Android", library.display()),
    }
}

fn facts<Header: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Result<Facts> {
    let header = Header::parse(bytes)?;
    let endian = header.endian()?;
    let (mut align, mut has_name) = (u64::MAX, false);
    for segment in header.program_headers(endian, bytes)? {
        if segment.p_type(endian) == PT_LOAD {
            align = align.min(segment.p_align(endian).into());
        }
        for entry in segment.dynamic(endian, bytes)?.unwrap_or_default() {
            has_name |= entry.tag(endian) == DT_SONAME;
        }
    }
    let sections = header.sections(endian, bytes)?;
    let names = sections.iter().filter_map(|section| sections.section_name(endian, section).ok());
    let names: Vec<String> = names.map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    let has_id = names.iter().any(|name| name == ".note.gnu.build-id");
    let debug = names.into_iter().filter(|name| name.starts_with(".debug") || name == ".symtab").collect();
    Ok(Facts { machine: header.e_machine(endian), align, debug, has_name, has_id })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;

    use super::{LINK_ARGUMENTS, is_fit_for_android, is_fit_for_hosts};
    use crate::steps::output;

    const ABI: &str = if cfg!(target_arch = "aarch64") { "arm64-v8a" } else { "x86_64" };
    const OTHER: &str = if cfg!(target_arch = "aarch64") { "x86_64" } else { "arm64-v8a" };

    /// A library of this machine, linked with some arguments, before it is stripped and after.
    #[test]
    fn a_library_that_a_device_refuses_is_not_packed() -> anyhow::Result<()> {
        let dir = std::env::temp_dir().join(format!("throughline-elf-{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        let (source, library) = (dir.join("lib.rs"), dir.join("lib.so"));
        std::fs::write(&source, "#[unsafe(no_mangle)] pub extern \"C\" fn answer() -> i32 { 42 }\n")?;
        let build = |arguments: &[&str]| -> anyhow::Result<()> {
            let mut rustc = Command::new("rustc");
            rustc.args(["--edition=2024", "--crate-type=cdylib", "-Cpanic=abort", "-Cdebuginfo=1", "-o"]);
            output(rustc.arg(&library).arg(&source).args(arguments)).map(|_| ())
        };
        let strip = || output(Command::new("strip").arg("--strip-unneeded").arg(&library)).map(|_| ());
        let refused = |abi: &str| is_fit_for_android(&library, abi).map_err(|error| error.to_string());

        build(&LINK_ARGUMENTS)?;
        assert!(refused(ABI).is_err_and(|said| said.contains("not stripped")));
        assert!(is_fit_for_hosts(&library).is_err());
        strip()?;
        assert_eq!(refused(ABI), Ok(()));
        assert!(is_fit_for_hosts(&library).is_ok());
        assert!(refused(OTHER).is_err_and(|said| said.contains("another processor")));

        // The linker's own default is 4 KiB here, and no name.
        let [pages, name, id] = LINK_ARGUMENTS;
        build(&[name, id, "-Clink-arg=-Wl,-z,max-page-size=4096"])?;
        strip()?;
        assert!(refused(ABI).is_err_and(|said| said.contains("aligned to 4096 bytes")));
        build(&[pages, id])?;
        strip()?;
        assert!(refused(ABI).is_err_and(|said| said.contains("has no name")));
        build(&[pages, name, "-Clink-arg=-Wl,--build-id=none"])?;
        strip()?;
        assert!(refused(ABI).is_err_and(|said| said.contains("no build id")));
        std::fs::write(&library, "not a library")?;
        assert!(refused(ABI).is_err());
        std::fs::remove_dir_all(dir)?;
        Ok(())
    }
}
