//! JavaScript: a map that Metro has written, and one that React Native composes of Metro's and of
//! the Hermes compiler's. `fixtures/README.md` says how they were made.

use std::path::Path;

use serde_json::json;

use super::{Answer, INCOMPLETE, fixture, symbolicate};

/// What a crash in Hermes' bytecode looks like.
const HERMES: &str = "\
TypeError: no price: cup
    at anonymous (address at index.android.bundle:1:3554)
    at map (native)
    at value (address at index.android.bundle:1:3400)
    at anonymous (address at index.android.bundle:1:797)
    at h (address at index.android.bundle:1:2288)
    at global (address at index.android.bundle:1:721)
";

/// The same in V8, and in JavaScriptCore's form.
const MINIFIED: &str = "\
TypeError: no price: cup
    at o (/var/app/main.jsbundle:4:356)
    at /var/app/main.jsbundle:4:281
    at Array.map (<anonymous>)
    at t.value (/var/app/main.jsbundle:4:274)
    at /var/app/main.jsbundle:3:95
o@file:///var/app/main.jsbundle:4:356
";
const BUNDLE: &str = "5e1f0c0a-9d0b-4c55-8f39-0d8f3a1b2c3d";

fn why(answer: &Answer) -> String {
    answer.json()["missing"][0]["why"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn offsets_of_hermes_bytecode_become_lines_of_the_source() {
    let answer = symbolicate(HERMES, &["--json"], &[&fixture("")]);
    assert_eq!(answer.status, 0, "{}", answer.out);
    let frames = answer.frames();
    assert_eq!(frames[1], ["price cart.js:13"]);
    assert_eq!(frames[3], ["Cart#total cart.js:7"]);
    assert_eq!(frames[4], ["checkout index.js:4"]);
    assert_eq!(frames[5], ["h library.js:285"]);
    assert!(frames[2].is_empty() && frames[6].is_empty(), "{frames:?}");
    let text = symbolicate(HERMES, &[], &[&fixture("")]).out;
    assert!(text.contains("price at src/cart.js:13:"), "{text}");
    assert!(text.contains("was chosen by its name: the report does not name its bundle"), "{text}");
}

#[test]
fn columns_of_a_minified_bundle_become_lines_of_the_source() {
    let answer = symbolicate(MINIFIED, &["--json", "--bundle-id", BUNDLE], &[&fixture("")]);
    assert_eq!(answer.status, 0, "{}", answer.out);
    let frames = answer.frames();
    assert_eq!(frames[1], ["price cart.js:13"]);
    assert_eq!(frames[2], ["items.map$argument_0 cart.js:7"]);
    assert_eq!(frames[4], ["Cart#total cart.js:7"]);
    assert_eq!(frames[5], ["checkout index.js:4"]);
    assert_eq!(frames[6], frames[1]);
    assert!(answer.json()["reports"][0]["lines"][1]["note"].is_null());
}

#[test]
fn a_map_of_another_bundle_is_not_used_whatever_its_name() {
    let other = "00000000-0000-4000-8000-000000000000";
    let answer = symbolicate(MINIFIED, &["--json", "--bundle-id", other], &[&fixture("")]);
    assert_eq!(answer.status, INCOMPLETE);
    assert!(answer.frames().iter().all(Vec::is_empty));
    assert!(why(&answer).contains("no source map has this id") && why(&answer).contains("main.jsbundle.map"));
    // A map without an id may be the right one, if its name is; and that is said.
    let answer = symbolicate(HERMES, &["--json", "--bundle-id", other], &[&fixture("")]);
    let note = answer.json()["reports"][0]["lines"][1]["note"].as_str().unwrap().to_owned();
    assert!(answer.status == 0 && note.ends_with("was chosen by its name: the map has no id"), "{note}");
}

#[test]
fn of_several_maps_of_one_name_none_is_taken_without_an_id() {
    let folder = tempfile::tempdir().unwrap();
    let map = |id: &str| std::fs::read_to_string(fixture("main.jsbundle.map")).unwrap().replace(BUNDLE, id);
    for (name, id) in [("one", BUNDLE), ("two", "00000000-0000-4000-8000-000000000000")] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        std::fs::write(folder.path().join(name).join("main.jsbundle.map"), map(id)).unwrap();
    }
    let answer = symbolicate(MINIFIED, &["--json"], &[folder.path()]);
    assert_eq!(answer.status, INCOMPLETE);
    assert!(why(&answer).starts_with("several source maps have this name"), "{}", why(&answer));
    std::fs::write(folder.path().join("two/main.jsbundle.map"), map(BUNDLE)).unwrap();
    assert_eq!(symbolicate(MINIFIED, &["--json"], &[folder.path()]).status, 0, "two copies are one map");
    std::fs::write(folder.path().join("two/main.jsbundle.map"), map("00000000-0000-4000-8000-000000000000")).unwrap();
    // In OTLP, the record or its resource names the bundle.
    let report = json!({"resourceLogs": [{
        "resource": {"attributes": [{"key": "throughline.bundle.id", "value": {"stringValue": BUNDLE.to_uppercase()}}]},
        "scopeLogs": [{"logRecords": [{"attributes": [
            {"key": "exception.type", "value": {"stringValue": "TypeError"}},
            {"key": "exception.stacktrace", "value": {"stringValue": MINIFIED}}]}]}]}]});
    let answer = symbolicate(&report.to_string(), &["--json"], &[folder.path()]);
    assert_eq!((answer.status, &answer.frames()[1][..]), (0, &["price cart.js:13".to_owned()][..]));
    assert_eq!(answer.json()["reports"][0]["title"], "TypeError");
}

#[test]
fn maps_of_single_steps_of_the_build_are_not_taken_for_the_composed_one() {
    let folder = tempfile::tempdir().unwrap();
    let copy = |from: &str, to: &str| std::fs::copy(fixture(from), folder.path().join(to)).unwrap();
    copy("main.jsbundle.map", "index.android.bundle.packager.map");
    copy("main.jsbundle.map", "index.android.bundle.compiler.map");
    let of = |folder: &Path| symbolicate(HERMES, &["--json", "--bundle-id", BUNDLE], &[folder]);
    assert_eq!(of(folder.path()).status, INCOMPLETE);
    copy("index.android.bundle.map", "index.android.bundle.map");
    assert_eq!(of(folder.path()).frames()[1], ["price cart.js:13"]);
}
