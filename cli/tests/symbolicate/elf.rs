//! ELF: libraries that this machine's compilers build, and GNU `addr2line` as a second opinion.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::folders::damage;
use super::{INCOMPLETE, symbolicate, tool};

const SHOP_C: &str = "\
__attribute__((noinline)) static int price(int item) { return item * 3 + 1; }
static inline __attribute__((always_inline)) int twice(int value) {
    return price(value) * 2;
}
__attribute__((noinline)) int total(int items) {
    int sum = 0;
    for (int item = 0; item < items; item++) {
        sum += twice(item);
    }
    return sum;
}
int checkout(int items) { return total(items) + 1; }
";

const SHOP_RS: &str = "\
#[inline(never)]
pub fn price(item: u32) -> u32 { std::hint::black_box(item) * 3 }
#[inline(always)]
fn twice(value: u32) -> u32 {
    price(value) + price(value + 1)
}
pub mod cart {
    #[inline(never)]
    pub fn total<T: Into<u32>>(items: T) -> u32 {
        super::twice(items.into()) + 1
    }
}
#[unsafe(no_mangle)]
pub extern \"C\" fn checkout(items: u8) -> u32 { cart::total(items) }
";

const SHOP_CPP: &str = "\
namespace shop {
__attribute__((noinline)) int price(int item) { return item * 3; }
__attribute__((noinline)) int price(double item) { return item * 4; }
struct Cart { int items; __attribute__((noinline)) int total() const { return price(items) + price(2.0 * items); } };
}
extern \"C\" int checkout(int items) { return shop::Cart{items}.total(); }
";

/// A folder in which a library is built.
struct Workshop(TempDir);

impl Workshop {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    /// Compiles a source into a library with a build id.
    fn build(&self, source: &str, to: &str, options: &[&str]) -> PathBuf {
        let (compiler, file) = match source {
            SHOP_C => ("cc", "shop.c"),
            SHOP_CPP => ("c++", "shop.cpp"),
            _ => ("rustc", "shop.rs"),
        };
        let (file, library) = (self.path(file), self.path(to));
        std::fs::write(&file, source).unwrap();
        let mut command = Command::new(compiler);
        if compiler == "rustc" {
            command.args(["--crate-type", "cdylib", "--crate-name", "shop", "-C", "opt-level=2"]);
            command.args(["-C", "link-arg=-Wl,--build-id=sha1"]);
        } else {
            command.args(["-O2", "-shared", "-fPIC", "-Wl,--build-id=sha1"]);
        }
        tool(command.args(options).arg("-o").arg(&library).arg(&file));
        library
    }
}

fn build_id(library: &Path) -> String {
    let notes = tool(Command::new("readelf").arg("-n").arg(library));
    notes.split("Build ID: ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
}

/// The functions of a library: address, size and name.
fn functions(library: &Path) -> Vec<(u64, u64, String)> {
    let symbols = tool(Command::new("nm").args(["-S", "--defined-only"]).arg(library));
    let mut found = Vec::new();
    for line in symbols.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        if let [start, size, "T" | "t" | "W", name] = words[..] {
            let number = |text| u64::from_str_radix(text, 16).unwrap();
            found.push((number(start), number(size), name.to_owned()));
        }
    }
    found
}

fn start(library: &Path, name: &str) -> u64 {
    functions(library).into_iter().find(|(.., found)| found == name).unwrap_or_else(|| panic!("no {name}")).0
}

fn frame(pc: u64, id: &str) -> String {
    format!("#00 pc {pc:016x}  libshop.so (BuildId: {id}) [cfi]\n")
}

/// What GNU `addr2line` says about addresses: for each the names of files with their lines, the
/// innermost first.
fn second_opinion(library: &Path, addresses: &[u64]) -> Vec<Vec<String>> {
    let mut command = Command::new("addr2line");
    command.args(["-a", "-f", "-i", "-e"]).arg(library).args(addresses.iter().map(|address| format!("{address:#x}")));
    let mut all: Vec<Vec<String>> = Vec::new();
    let out = tool(&mut command);
    let mut lines = out.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("0x") {
            all.push(Vec::new());
            continue;
        }
        let place = lines.next().unwrap().split(" (").next().unwrap();
        all.last_mut().unwrap().push(place.rsplit('/').next().unwrap().to_owned());
    }
    all
}

#[test]
fn every_address_lies_in_the_function_that_is_named_for_it() {
    for (source, options) in [
        (SHOP_C, &["-g"][..]),
        (SHOP_C, &["-g", "-gdwarf-4", "-gz=zlib"]),
        (SHOP_CPP, &["-g"]),
        (SHOP_RS, &["-g"]),
        (SHOP_RS, &["-C", "debuginfo=line-tables-only"]),
    ] {
        let workshop = Workshop::new();
        let library = workshop.build(source, "libshop.so", options);
        let id = build_id(&library);
        let is_ours = |name: &str| ["price", "total", "checkout"].iter().any(|part| name.contains(part));
        let ours: Vec<_> = functions(&library).into_iter().filter(|(.., name)| is_ours(name)).collect();
        assert!(ours.len() >= 3, "{ours:?}");
        let addresses: Vec<_> = ours.iter().flat_map(|(start, size, _)| *start..start + size).collect();
        let report: String = addresses.iter().map(|address| frame(*address, &id)).collect();
        let answer = symbolicate(&report, &["--json"], &[&library]);
        assert_eq!(answer.status, 0, "{}", answer.said);
        let (found, second) = (answer.frames(), second_opinion(&library, &addresses));
        let mut inlined = 0;
        for ((address, frames), second) in addresses.iter().zip(&found).zip(&second) {
            let (.., name) = ours.iter().find(|(start, size, _)| (*start..start + size).contains(address)).unwrap();
            let outermost = frames.last().unwrap().split([' ', '(']).next().unwrap();
            let last = outermost.rsplit("::").next().unwrap();
            assert!(name.contains(last), "{address:#x} in {name}: {frames:?}");
            inlined += usize::from(frames.len() > 1);
            let places: Vec<_> = frames.iter().map(|frame| frame.rsplit(' ').next().unwrap().to_owned()).collect();
            assert_eq!(&places, second, "{address:#x} in {name}: {frames:?}");
        }
        assert!(inlined > 0 || source == SHOP_CPP, "nothing was inlined");
    }
}

#[test]
fn inlined_calls_are_lines_of_their_own_and_names_are_readable() {
    let workshop = Workshop::new();
    let library = workshop.build(SHOP_C, "libshop.so", &["-g"]);
    let (first, size, _) = functions(&library).into_iter().find(|(.., name)| name == "total").unwrap();
    let report: String = (first..first + size).map(|pc| frame(pc, &build_id(&library))).collect();
    let answer = symbolicate(&report, &[], &[&library]);
    let inlined = format!("{0} (inlined)\n        total at {1}", "shop.c:3:12", workshop.path("shop.c").display());
    assert!(answer.out.contains(&inlined), "{}", answer.out);

    let library = workshop.build(SHOP_CPP, "libcpp.so", &["-g"]);
    let names = ["_ZN4shop5priceEi", "_ZN4shop5priceEd", "_ZNK4shop4Cart5totalEv"];
    let report: String = names.iter().map(|name| frame(start(&library, name), &build_id(&library))).collect();
    let frames = symbolicate(&report, &["--json"], &[&library]).frames();
    let readable =
        ["shop::price(int) shop.cpp:2", "shop::price(double) shop.cpp:3", "shop::Cart::total() const shop.cpp:4"];
    assert_eq!(frames, readable.map(|name| vec![name.to_owned()]));

    let library = workshop.build(SHOP_RS, "librust.so", &["-g"]);
    let (total, ..) = functions(&library).into_iter().find(|(.., name)| name.contains("total")).unwrap();
    let frames = symbolicate(&frame(total, &build_id(&library)), &["--json"], &[&library]).frames();
    assert!(frames[0].last().unwrap().starts_with("shop::cart::total"), "{frames:?}");
    assert!(frames[0].last().unwrap().ends_with("shop.rs:9") || frames[0].len() > 1, "{frames:?}");
}

#[test]
fn two_libraries_of_one_name_are_told_apart_and_a_third_build_is_named_not_guessed() {
    let workshop = Workshop::new();
    let mut report = String::new();
    let symbols = workshop.folder("symbols");
    for (folder, level) in [("arm64", "-O2"), ("x86", "-O1")] {
        let library = workshop.build(SHOP_C, "libshop.so", &["-g", level]);
        report += &frame(start(&library, "price"), &build_id(&library));
        std::fs::create_dir_all(symbols.join(folder)).unwrap();
        std::fs::rename(&library, symbols.join(folder).join("libshop.so")).unwrap();
    }
    report += &frame(0x1234, "00000000000000000000000000000000000000aa");
    report += "#03 pc 0000000000000010  libold.so (no BuildId) [fp]\n#04 pc 00007f0012345678  <unknown> [fp]\n";
    report += "#05 pc 0000000000000010  libc.so (abort+164) (BuildId: 00000000000000000000000000000000000000bb)\n";
    let answer = symbolicate(&report, &["--json"], &[&symbols]);
    assert_eq!(answer.status, INCOMPLETE);
    let frames = answer.frames();
    assert_eq!(frames[..2], [["price shop.c:1"], ["price shop.c:1"]]);
    assert!(frames[2..].iter().all(Vec::is_empty), "{frames:?}");
    let json = answer.json();
    let raw: String = json["reports"][0]["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| format!("{}\n", l["raw"].as_str().unwrap()))
        .collect();
    assert_eq!(raw, report);
    let missing = json["missing"].as_array().unwrap();
    assert_eq!(missing.len(), 2, "{missing:?}");
    let (of, why) = (missing[0]["of"].as_str().unwrap(), missing[0]["why"].as_str().unwrap());
    assert_eq!(of, "libshop.so (BuildId: 00000000000000000000000000000000000000aa)");
    assert!(why.contains("arm64/libshop.so has the build id") && why.contains("x86/libshop.so has"), "{why}");
    assert_eq!(missing[1]["of"], "libold.so (no BuildId)");
}

#[test]
fn debug_information_in_a_file_of_its_own_is_found() {
    let workshop = Workshop::new();
    let library = workshop.build(SHOP_C, "libshop.so", &["-g"]);
    let (id, pc) = (build_id(&library), start(&library, "price"));
    let only = |to: &str, more: &[&str]| {
        let to = workshop.path(to);
        tool(Command::new("objcopy").arg("--only-keep-debug").args(more).arg(&library).arg(&to));
        to
    };
    // The file has the build id of its library, whatever its name is.
    let folder = workshop.folder("by-id");
    std::fs::rename(only("debug", &[]), folder.join("libshop.so.dbg")).unwrap();
    let of = |folder: &Path| symbolicate(&frame(pc, &id), &["--json"], &[folder]);
    assert_eq!(of(&folder).frames(), [["price shop.c:1"]]);

    // A debug file without an id belongs to the library that names it, if the checksum is right.
    let folder = workshop.folder("by-link");
    let debug = only("libshop.so.debug", &["--remove-section=.note.gnu.build-id"]);
    let stripped = folder.join("libshop.so");
    let link = format!("--add-gnu-debuglink={}", debug.display());
    tool(Command::new("objcopy").args(["--strip-debug", &link]).arg(&library).arg(&stripped));
    assert_eq!(of(&folder).frames(), [["price"]], "the symbol table");
    std::fs::create_dir(folder.join(".debug")).unwrap();
    let there = folder.join(".debug/libshop.so.debug");
    std::fs::copy(&debug, &there).unwrap();
    assert_eq!(of(&folder).frames(), [["price shop.c:1"]]);
    let mut other = std::fs::read(&debug).unwrap();
    *other.last_mut().unwrap() ^= 1;
    std::fs::write(&there, other).unwrap();
    assert_eq!(of(&folder).frames(), [["price"]], "a file with another checksum");
}

#[test]
fn debug_information_that_the_compiler_has_split_off_is_found_by_its_number() {
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        let workshop = Workshop::new();
        let options = [version, "-gsplit-dwarf", "-c"];
        let build = |folder: &str| {
            let object = workshop.folder(folder).join("shop.o");
            let source = workshop.path("shop.c");
            std::fs::write(&source, SHOP_C).unwrap();
            tool(Command::new("cc").args(["-O2", "-fPIC"]).args(options).arg("-o").arg(&object).arg(source));
            object
        };
        let (object, library) = (build("build"), workshop.path("libshop.so"));
        tool(Command::new("cc").args(["-shared", "-Wl,--build-id=sha1", "-o"]).arg(&library).arg(&object));
        let (id, total) = (build_id(&library), start(&library, "total"));
        let (_, size, _) = functions(&library).into_iter().find(|(.., name)| name == "total").unwrap();
        let report: String = (total..total + size).map(|pc| frame(pc, &id)).collect();
        let inlined = |folder: &Path| {
            let answer = symbolicate(&report, &["--json"], &[folder]);
            assert_eq!(answer.status, 0, "{}", answer.said);
            assert!(answer.frames().iter().all(|frames| frames.last().unwrap().starts_with("total shop.c:")));
            let has_note = answer.out.contains("calls that were inlined may be missing without");
            assert_ne!(answer.frames().iter().any(|frames| frames.len() > 1), has_note, "{}", answer.out);
            !has_note
        };
        let folder = workshop.folder("symbols");
        std::fs::copy(&library, folder.join("libshop.so")).unwrap();
        assert!(!inlined(&folder), "{version}: there is no piece");
        let piece = workshop.path("build/shop.dwo");
        let moved = folder.join("shop.dwo");
        std::fs::copy(&piece, &moved).unwrap();
        assert!(inlined(&folder), "{version}");
        // A piece of the same name with another number: that of another source.
        std::fs::write(workshop.path("shop.c"), SHOP_C.replace("* 2", "* 5")).unwrap();
        let other = workshop.folder("other").join("shop.o");
        tool(
            Command::new("cc").args(["-O3", "-fPIC"]).args(options).arg("-o").arg(&other).arg(workshop.path("shop.c")),
        );
        std::fs::copy(workshop.path("other/shop.dwo"), &moved).unwrap();
        assert!(!inlined(&folder), "{version}: a piece of another build");
        std::fs::remove_file(&moved).unwrap();
        // The packer is a part of some versions of binutils only.
        let mut pack = Command::new("dwp");
        pack.arg("-o").arg(folder.join("libshop.so.dwp")).arg(&piece);
        if version == "-gdwarf-4" && pack.output().is_ok_and(|output| output.status.success()) {
            assert!(inlined(&folder), "{version}: a package");
        }
    }
}

#[test]
fn a_function_without_a_symbol_is_not_taken_for_the_one_before_it() {
    let workshop = Workshop::new();
    let library = workshop.build(SHOP_C, "libshop.so", &["-g"]);
    let (id, price, total) = (build_id(&library), start(&library, "price"), start(&library, "total"));
    let stripped = workshop.path("stripped.so");
    tool(Command::new("strip").arg("-o").arg(&stripped).arg(&library));
    let answer = symbolicate(&format!("{}{}", frame(price, &id), frame(total, &id)), &["--json"], &[&stripped]);
    assert_eq!((answer.status, answer.frames()), (INCOMPLETE, vec![vec![], vec!["total".to_owned()]]));
    assert!(answer.json()["missing"][0]["why"].as_str().unwrap().ends_with("has nothing at this address"));
}

#[test]
fn no_damage_of_a_library_ends_the_command_or_loses_a_line() {
    let workshop = Workshop::new();
    let library = workshop.build(SHOP_C, "libshop.so", &["-g"]);
    let id = build_id(&library);
    let report: String = functions(&library).iter().map(|(pc, ..)| frame(*pc, &id)).collect();
    damage("libshop.so", &std::fs::read(&library).unwrap(), &report);
}
