//! Mach-O files, and Breakpad's, which are made of them.
//!
//! `fixtures/README.md` says how the Mach-O files were made.

use std::fmt::Write;

use super::{INCOMPLETE, symbolicate, unpack};

/// The slice of an executable for arm64, and that of a library for x86-64.
const ARM64: &str = "e3e6b9890e7a3773b4094d77b472699e";
const X86_64: &str = "f2968ff0b0b33261aee21d780ecbd72e";
/// A library whose local symbols are stripped.
const STRIPPED: &str = "4c4c445b55553144a151c8d537240b97";

fn frame(pc: u64, id: &str) -> String {
    format!("#00 pc {pc:016x}  Shop (BuildId: {id}) [fp]\n")
}

#[test]
fn a_fat_dsym_answers_with_the_slice_that_has_the_uuid() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("Shop.app.dSYM/Contents/Resources/DWARF");
    std::fs::create_dir_all(&inside).unwrap();
    unpack("shop.dwarf.gz", &inside.join("Shop"));
    let mut report = String::new();
    for (pc, id) in [(0x1_0000_14a0, ARM64), (0x1_0000_14b8, ARM64), (0x1464, X86_64), (0x1480, X86_64)] {
        report += &frame(pc, id);
    }
    report += &frame(0x1480, &ARM64.to_uppercase());
    report += &frame(0x1480, "00000000000000000000000000000000");
    let answer = symbolicate(&report, &["--json"], &[folder.path()]);
    let total = ["twice shop.c:2", "total shop.c:4"];
    let frames = answer.frames();
    assert_eq!(frames[..4], [&total[..], &["price shop.c:1"], &total, &["price shop.c:1"]], "{frames:?}");
    assert!(frames[4].is_empty() && frames[5].is_empty() && answer.status == INCOMPLETE, "{frames:?}");
    assert_eq!(answer.json()["symbol_files"], 2);
}

#[test]
fn a_report_of_metrickits_counts_from_where_the_executable_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("Shop.app.dSYM/Contents/Resources/DWARF");
    std::fs::create_dir_all(&inside).unwrap();
    unpack("shop.dwarf.gz", &inside.join("Shop"));
    // Other threads stand below the one that crashed.
    let line = |number: u32, pc: u64| format!("#{number:02} pc {pc:016x}  Shop (BuildId: {ARM64}) [metrickit]\n");
    let report = format!("{}{}\nThread 0:\n{}", line(0, 0x14b8), line(1, 0x14a0), line(0, 0x14a0));
    let frames = symbolicate(&report, &["--json"], &[folder.path()]).frames();
    let total = ["twice shop.c:2", "total shop.c:4"];
    assert_eq!(frames, [&["price shop.c:1"][..], &total, &[], &[], &total]);
}

#[test]
fn a_local_function_of_a_stripped_library_is_not_taken_for_the_one_before_it() {
    let folder = tempfile::tempdir().unwrap();
    unpack("libshop.dylib.gz", &folder.path().join("libshop.dylib"));
    let report: String = [0x2e8, 0x303, 0x304, 0x308].iter().map(|pc| frame(*pc, STRIPPED)).collect();
    let frames = symbolicate(&report, &["--json"], &[folder.path()]).frames();
    assert_eq!(frames, [&["total"][..], &["total"], &["main"], &[]]);
}

/// A symbol file as Breakpad's `dump_syms` writes it.
fn breakpad(module: &str, code_id: Option<&str>) -> String {
    let mut text = format!("MODULE {module} libshop.so\n");
    if let Some(id) = code_id {
        writeln!(text, "INFO CODE_ID {id} libshop.so").unwrap();
    }
    text + "FILE 0 /src/cart.cpp\nFILE 1 /src/price.h\nINLINE_ORIGIN 0 _ZN4shop5priceEi\n\
            FUNC 1000 40 0 shop::Cart::total() const\nINLINE 0 12 0 0 1010 10\n1000 10 10 0\n1010 10 3 1\n1020 20 13 0\n\
            PUBLIC 2000 0 checkout\nFUNC 3000 10 0 _ZN4shop3payEv\nnot a record\n3000 10 20 0\nFUNC 4000 10 0 last\n4000 10 30 0\nSTACK CFI INIT 1000 40 .cfa: sp 0 +\n"
}

#[test]
fn a_breakpad_file_is_found_by_its_whole_id_or_by_the_half_that_it_states() {
    let id = "0123456789abcdef0123456789abcdef01234567";
    // Breakpad writes the first 16 bytes as a UUID of the machine's byte order, and an age.
    let module = "Linux arm64 67452301AB89EFCD0123456789ABCDEF0";
    let frames_of = |file: &str, id: &str| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("libshop.so.sym"), file).unwrap();
        let addresses = [0x1004, 0x1014, 0x1030, 0x1040, 0x2004, 0x3004, 0x4004];
        let report: String = addresses.iter().map(|pc| frame(*pc, id)).collect();
        symbolicate(&report, &["--json"], &[folder.path()]).frames()
    };
    let expected = [
        &["shop::Cart::total() const cart.cpp:10"][..],
        &["shop::price(int) price.h:3", "shop::Cart::total() const cart.cpp:12"],
        &["shop::Cart::total() const cart.cpp:13"],
        &[],
        &["checkout"],
        // A record that cannot be read costs the lines from there on. The names stay.
        &["shop::pay()"],
        &["last"],
    ];
    assert_eq!(frames_of(&breakpad(module, Some(&id.to_uppercase())), id), expected);
    assert_eq!(frames_of(&breakpad(module, None), id), expected);
    // The same half with another whole id is another build.
    let other = format!("{}ff", &id[..38]);
    assert!(frames_of(&breakpad(module, Some(&other)), id).iter().all(Vec::is_empty));
    assert!(frames_of(&breakpad("Linux arm64 67452301AB89EFCD0123456789ABCDE00", None), id).iter().all(Vec::is_empty));
}

#[test]
fn a_breakpad_file_of_an_apple_executable_counts_from_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let file = breakpad("mac arm64 E3E6B9890E7A3773B4094D77B472699E0", None);
    std::fs::write(folder.path().join("Shop.sym"), file).unwrap();
    let report = format!("{}{}", frame(0x1_0000_4004, ARM64), frame(0x4004, ARM64));
    let frames = symbolicate(&report, &["--json"], &[folder.path()]).frames();
    assert_eq!(frames, [["last"], ["last"]]);
}
