//! Folders with whatever people keep beside their symbols, and odd arguments.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use super::android::MAPPING;
use super::{Answer, INCOMPLETE, fixture, symbolicate, throughline, tool, unpack};

const FRAME: &str = "#00 pc 0000000100001498  Shop (BuildId: e3e6b9890e7a3773b4094d77b472699e) [context]\n";

#[test]
fn garbage_in_the_folders_is_counted_in_one_line_and_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(path("deep/er/still")).unwrap();
    std::fs::create_dir(path("empty")).unwrap();
    unpack("shop.dwarf.gz", &path("deep/er/still/Shop"));
    // Circles, links to nowhere, and a second way to the same file.
    symlink(folder.path(), path("deep/circle")).unwrap();
    symlink(path("gone"), path("nowhere")).unwrap();
    symlink(path("deep/er/still/Shop"), path("again")).unwrap();
    tool(Command::new("mkfifo").arg(path("pipe")));
    std::fs::write(path("notes.txt"), "mapping -> nothing").unwrap();
    std::fs::write(path("empty.so"), "").unwrap();
    std::fs::write(path("package.json"), "{\"version\": 1}").unwrap();
    std::fs::write(path("damaged.map"), "{\"version\":3,").unwrap();
    std::fs::write(path("damaged.so"), b"\x7fELF\x02\x01\x01 and no more of it").unwrap();
    std::fs::write(path("Old.class"), b"\xca\xfe\xba\xbe\x00\x00\x00\x34\x00\x10\x00\x00\x00\x00\x00\x00\x00").unwrap();
    std::fs::write(path("symbols.zip"), b"PK\x03\x04 and more").unwrap();
    let answer = symbolicate(FRAME, &["--json"], &[folder.path()]);
    assert_eq!((answer.status, answer.frames()[0].len()), (0, 1), "{}{}", answer.out, answer.said);
    assert_eq!(answer.said.lines().count(), 1, "{}", answer.said);
    let said = "Note: skipped in the symbol folders: 6 of no kind that has symbols, 1 in an archive, which has to be \
                unpacked, 1 damaged, 1 that cannot be read; look at ";
    assert!(answer.said.starts_with(said), "{}", answer.said);
    assert_eq!(answer.json()["symbol_files"], 2);
}

#[test]
fn folders_without_symbols_leave_every_line_and_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let answer = symbolicate(FRAME, &[], &[folder.path()]);
    assert_eq!(answer.status, INCOMPLETE);
    assert!(answer.out.starts_with(FRAME), "{}", answer.out);
    assert!(answer.out.contains("Shop (BuildId: e3e6b9890e7a3773b4094d77b472699e), 1 frame: no symbol file has"));
    assert_eq!(answer.said, "Note: there is no symbol file in the folders.\n");
}

#[test]
fn all_reports_of_a_document_are_done_in_order_and_what_is_none_is_said() {
    let folder = tempfile::tempdir().unwrap();
    unpack("shop.dwarf.gz", &folder.path().join("Shop"));
    let record =
        |name: &str| serde_json::json!({"attributes": {"exception.type": name, "exception.stacktrace": FRAME}});
    let document = serde_json::json!([record("first"), record("second"), {"stack": "nothing of the kind"}]);
    let answer = symbolicate(&document.to_string(), &["--json"], &[folder.path()]);
    let json = answer.json();
    let reports = json["reports"].as_array().unwrap();
    assert_eq!((reports[0]["title"].as_str(), reports[1]["title"].as_str()), (Some("first"), Some("second")));
    assert_eq!((reports.len(), reports[2]["lines"][0]["raw"].as_str()), (3, Some("nothing of the kind")));
    let text = symbolicate(&document.to_string(), &[], &[folder.path()]).out;
    assert!(text.starts_with("Report 1 of 3: first\n#00 pc") && text.contains("\n\nReport 2 of 3: second\n"), "{text}");
    let none = symbolicate("{\"a\": 1}", &["--json"], &[folder.path()]);
    assert!(none.status == 0 && none.said.contains("no stack trace in the report"), "{}", none.said);
}

/// Damages a symbol file in many ways, and has a report looked up in each of them.
pub(super) fn damage(name: &str, whole: &[u8], report: &str) {
    let seed = 0x5eed_0017_u64;
    let mut state = seed;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let folder = tempfile::tempdir().unwrap();
    for round in 0..45 {
        let mut bytes = whole.to_vec();
        // A few bits anywhere, or some bytes near the beginning, or the end is gone.
        match round % 3 {
            0 => (0..20).for_each(|_| bytes[random(whole.len())] ^= 1 << random(8)),
            1 => (0..4).for_each(|_| bytes[random(whole.len().min(4096))] = random(256) as u8),
            _ => bytes.truncate(random(whole.len())),
        }
        std::fs::write(folder.path().join(name), &bytes).unwrap();
        let answer = symbolicate(report, &["--json"], &[folder.path()]);
        assert!([0, INCOMPLETE].contains(&answer.status), "{name}, seed {seed:#x}, round {round}: {}", answer.said);
        assert_eq!(answer.frames().len(), report.lines().count(), "{name}, seed {seed:#x}, round {round}");
        assert!(
            answer.said.lines().all(|line| line.starts_with("Note: ")),
            "{name}, seed {seed:#x}, round {round}: {}",
            answer.said
        );
    }
}

#[test]
fn no_damage_of_a_symbol_file_ends_the_command_or_loses_a_line() {
    let unpacked = |name: &str| {
        let file = tempfile::NamedTempFile::new().unwrap();
        unpack(name, file.path());
        std::fs::read(file.path()).unwrap()
    };
    let stripped = FRAME.replace("e3e6b9890e7a3773b4094d77b472699e", "4c4c445b55553144a151c8d537240b97");
    damage("Shop", &unpacked("shop.dwarf.gz"), &FRAME.repeat(3));
    damage("libshop.dylib", &unpacked("libshop.dylib.gz"), &stripped.replace("0000000100001498", "00000000000002e8"));
    let map = std::fs::read(fixture("index.android.bundle.map")).unwrap();
    damage("index.android.bundle.map", &map, "    at f (address at index.android.bundle:1:3554)\n");
    damage("mapping.txt", MAPPING.as_bytes(), "a.c: x\n    at a.b.a(SourceFile:5)\n    at a.d.a(SourceFile)\n");
    let id = "67452301AB89EFCD0123456789ABCDEF0";
    let breakpad = format!("MODULE Linux arm64 {id} Shop\nFILE 0 a.c\nFUNC 10 20 0 f\n10 20 3 0\nPUBLIC 40 0 g\n");
    let frame = FRAME.replace("e3e6b9890e7a3773b4094d77b472699e", "0123456789abcdef0123456789abcdef");
    damage("Shop.sym", breakpad.as_bytes(), &frame.replace("0000000100001498", "0000000000000018"));
}

fn run(arguments: &[&str]) -> Answer {
    let output = throughline().arg("symbolicate").args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Answer { status: output.status.code().unwrap(), out: text(output.stdout), said: text(output.stderr) }
}

#[test]
fn wrong_arguments_end_with_2_and_a_report_that_cannot_be_read_with_1() {
    let folder = fixture("");
    let folder = folder.to_str().unwrap();
    assert_eq!(run(&["-"]).status, 2);
    let answer = run(&["-", "--debug-dir", "/does/not/exist"]);
    assert!(answer.status == 2 && answer.said.contains("cannot open /does/not/exist"), "{}", answer.said);
    let answer = run(&["/does/not/exist", "--debug-dir", folder]);
    assert!(answer.status == 1 && answer.said.contains("reading /does/not/exist"), "{}", answer.said);
    // Bytes of a log that are no UTF-8.
    let report = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(report.path(), b"\xff\xfe crash\n#00 pc 0000000000000010  <unknown> [fp]\n").unwrap();
    let answer = run(&[report.path().to_str().unwrap(), "--debug-dir", folder]);
    assert!(answer.status == 0 && answer.out.contains("#00 pc 0000000000000010  <unknown> [fp]"), "{}", answer.out);
}

#[test]
fn a_folder_that_may_not_be_read_costs_itself_alone() {
    // Root reads everything, so there is nothing to see for it.
    if tool(Command::new("id").arg("-u")).trim() == "0" {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    unpack("shop.dwarf.gz", &folder.path().join("Shop"));
    let closed = folder.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    let mode = |mode: &str, path: &Path| tool(Command::new("chmod").arg(mode).arg(path));
    mode("000", &closed);
    let answer = symbolicate(FRAME, &["--json"], &[folder.path()]);
    mode("755", &closed);
    assert!(answer.status == 0 && answer.said.contains("1 that cannot be read"), "{}", answer.said);
}
