//! The size of what is shipped: the shared library, and what the static library adds to a minimal
//! program.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::archive::localize;
use crate::ios;
use crate::libraries::{ARCHIVE, SHARED, VARIANTS, target};
use crate::steps::{output, run, step};
use crate::tools::llvm;

/// A program that refers to what a facade refers to: the door and the exported object.
const MINIMAL: &str = "long throughline_record(unsigned long, const void *, unsigned long);\n\
     void *uniffi_throughline_ffi_fn_constructor_telemetrycore_start(void);\n\
     void *volatile start = uniffi_throughline_ffi_fn_constructor_telemetrycore_start;\n\
     int main(void) { return throughline_record(1, 0, 0) + (start == 0); }\n";

/// `cargo xtask size`: prints a table.
pub(crate) fn size() -> Result<()> {
    let dir = target()?.join("archive");
    std::fs::create_dir_all(&dir)?;
    let source = dir.join("minimal.c");
    std::fs::write(&source, MINIMAL)?;
    let mut rows = Vec::new();
    for (name, features) in VARIANTS {
        let build = ["build", "--quiet", "--profile", "shipped", "--package", "throughline-ffi"];
        run("shipped library", &[&build[..], features].concat())?;
        let shipped = target()?.join("shipped");
        rows.push((format!("x86-64 `.so` {name}"), elf_kib(&shipped.join(SHARED))?));
        let archive = dir.join("size.a");
        localize(&shipped.join(ARCHIVE), &archive)?;
        let program = dir.join("minimal");
        let mut link = Command::new("cc");
        link.arg(&source).arg(&archive).args(["-Wl,--gc-sections", "-s", "-lpthread", "-ldl", "-lm", "-lgcc_s", "-o"]);
        step("minimal program", link.arg(&program))?;
        rows.push((format!("x86-64 minimal program {name}"), elf_kib(&program)?));
    }
    // The tools that link for iOS here are Debian's.
    let ios_variants = if cfg!(target_os = "macos") { &[][..] } else { &VARIANTS };
    for (name, features) in ios_variants {
        let archive = ios::library(features)?;
        let program = target()?.join("ios/minimal");
        ios::link(&source, &[&archive], &program)?;
        rows.push((format!("arm64 iOS, minimal program {name}"), mach_o_kib(&program)?));
    }
    println!("\n| library | text + data, KiB |\n|---|---|");
    for (name, kib) in rows {
        println!("| {name} | {kib} |");
    }
    Ok(())
}

/// Text and data of an ELF file without its symbols, in KiB.
fn elf_kib(file: &Path) -> Result<u64> {
    let stripped = target()?.join("archive/stripped");
    ensure!(Command::new("strip").arg("-o").arg(&stripped).arg(file).status()?.success(), "strip failed");
    let text = output(Command::new("size").arg(&stripped))?;
    let numbers: Vec<u64> =
        text.lines().nth(1).context("size")?.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [code, data, ..] = numbers.as_slice() else { bail!("`size` printed {text}") };
    Ok((code + data) / 1_024)
}

/// The segments of a Mach-O file, in KiB. Page zero is not counted.
fn mach_o_kib(file: &Path) -> Result<u64> {
    let text = output(llvm("llvm-size").arg("-m").arg(file))?;
    let totals = text.lines().filter_map(|line| line.strip_prefix("\ttotal ")?.parse::<u64>().ok());
    Ok(totals.sum::<u64>() / 1_024)
}
