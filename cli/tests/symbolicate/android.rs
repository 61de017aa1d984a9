//! Java stack traces of apps that R8 has shrunk, and tombstones.

use serde_json::Value;

use super::{Answer, INCOMPLETE, calls, symbolicate};

pub(super) const MAPPING: &str = "\
# compiler: R8
# compiler_version: 8.5.35
# pg_map_id: 0123abc
# pg_map_hash: SHA-256 0123abcdef0123abcdef0123abcdef0123abcdef0123abcdef0123abcdef0123
com.shop.cart.Cart -> a.b:
# {\"id\":\"sourceFile\",\"fileName\":\"Cart.kt\"}
    1:4:int total():10:13 -> a
    5:5:int com.shop.cart.Price.of(int):7:7 -> a
    5:5:int total():14:14 -> a
    1:3:void clear():20:22 -> b
com.shop.cart.CartException -> a.c:
com.shop.cart.Price -> a.g:
# {\"id\":\"sourceFile\",\"fileName\":\"Money.kt\"}
    int rounded() -> a
com.shop.Pay -> a.d:
    void start() -> a
    void stop() -> a
    void one(int) -> b
    void one(long) -> b
    1:5:void first():30:34 -> c
    6:9:void second():40:43 -> c
com.shop.Outline -> a.e:
    1:2:int outline():0:1 -> a
    # {\"id\":\"com.android.tools.r8.outline\"}
com.shop.Caller -> a.f:
    4:4:int call():15:15 -> a
    5:5:int call():22:22 -> a
    27:27:int call():0:0 -> a
    # {\"id\":\"com.android.tools.r8.outlineCallsite\",\"positions\":{\"1\":4,\"2\":5},\"outline\":\"La/e;a()I\"}
";

fn retraced(report: &str, mappings: &[(&str, &str)], arguments: &[&str]) -> Answer {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in mappings {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let arguments: Vec<_> = ["--json"].iter().chain(arguments).copied().collect();
    symbolicate(report, &arguments, &[folder.path()])
}

fn lines(answer: &Answer) -> Vec<Value> {
    answer.json()["reports"][0]["lines"].as_array().unwrap().clone()
}

#[test]
fn frames_of_r8_are_retraced_and_those_that_may_be_several_list_all() {
    let report = "\
a.c: no cart
    at a.b.a(SourceFile:5)
    at a.b.a(SourceFile:2)
    at a.b.b(SourceFile:1)
    at a.d.a(SourceFile)
    at a.d.b(Unknown Source)
    at a.d.c(SourceFile)
    at a.d.a(SourceFile:3)
    at android.os.Handler.dispatch(Handler.java:10)
    at a.b.z(SourceFile:3)
Caused by: a.c
    ... 9 more
";
    let answer = retraced(report, &[("mapping.txt", MAPPING)], &[]);
    assert_eq!(answer.status, 0, "{}", answer.out);
    let lines = lines(&answer);
    let texts: Vec<_> = lines.iter().map(|line| line["text"].as_str().unwrap_or_default()).collect();
    assert_eq!(
        (texts[0], texts[10]),
        ("com.shop.cart.CartException: no cart", "Caused by: com.shop.cart.CartException")
    );
    let frames = answer.frames();
    assert_eq!(frames[1], ["com.shop.cart.Price.of Money.kt:7", "com.shop.cart.Cart.total Cart.kt:14"]);
    assert_eq!(frames[2], ["com.shop.cart.Cart.total Cart.kt:11"]);
    assert_eq!(frames[3], ["com.shop.cart.Cart.clear Cart.kt:20"]);
    let candidates: Vec<_> = lines.iter().map(|line| calls(&line["candidates"])).collect();
    for line in [4, 7] {
        assert_eq!(candidates[line], ["com.shop.Pay.start Pay.java", "com.shop.Pay.stop Pay.java"], "{line}");
        assert!(frames[line].is_empty());
    }
    assert_eq!((&frames[5][..], candidates[5].len()), (&["com.shop.Pay.one Pay.java".to_owned()][..], 0));
    assert_eq!(candidates[6], ["com.shop.Pay.first Pay.java", "com.shop.Pay.second Pay.java"]);
    assert!(frames[8].is_empty() && lines[8]["missing"].is_null());
    assert!(frames[9][0].starts_with("com.shop.cart.Cart.z"), "{frames:?}");
    let text = {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("mapping.txt"), MAPPING).unwrap();
        symbolicate(report, &[], &[folder.path()]).out
    };
    assert!(
        text.contains("\n        ambiguous, one of: com.shop.Pay.start at Pay.java\n        or com.shop.Pay.stop"),
        "{text}"
    );
    assert!(report.lines().all(|line| text.contains(line)), "{text}");
    assert!(text.contains("mapping.txt was used as the only mapping: the report does not name its own."), "{text}");
}

#[test]
fn code_that_r8_has_moved_out_of_a_function_is_found_in_it() {
    let report = "a.c: x\n\tat a.e.a(SourceFile:1)\n\tat a.f.a(SourceFile:27)\n";
    let answer = retraced(report, &[("mapping.txt", MAPPING)], &[]);
    assert_eq!(answer.frames()[2], ["com.shop.Caller.call Caller.java:15"]);
    assert!(lines(&answer)[1]["note"].as_str().unwrap().starts_with("R8 has moved"));
}

#[test]
fn a_mapping_is_chosen_by_the_id_and_never_by_chance() {
    let other = MAPPING.replace("0123abc", "fedcba9").replace("com.shop", "com.other");
    let both = [("a.txt", MAPPING), ("b.txt", other.as_str())];
    let frame = |file: &str| format!("    at a.b.b({file}:1)\n");
    let function = |answer: &Answer| answer.frames()[0].first().cloned().unwrap_or_default();
    let why = |answer: &Answer| answer.json()["missing"][0]["why"].as_str().unwrap_or_default().to_owned();

    let answer = retraced(&frame("r8-map-id-fedcba9"), &both, &[]);
    assert_eq!((answer.status, function(&answer).as_str()), (0, "com.other.cart.Cart.clear Cart.kt:20"));
    let hash = "0123abcdef0123abcdef0123abcdef0123abcdef0123abcdef0123abcdef0123";
    let answer = retraced(&frame(&format!("r8-map-id-{hash}")), &both, &[]);
    assert_eq!(function(&answer), "com.shop.cart.Cart.clear Cart.kt:20");
    let answer = retraced(&frame("SourceFile"), &both, &["--mapping-id", "0123abc"]);
    assert_eq!(function(&answer), "com.shop.cart.Cart.clear Cart.kt:20");

    let answer = retraced(&frame("SourceFile"), &both, &[]);
    assert_eq!((answer.status, function(&answer).as_str()), (INCOMPLETE, ""));
    assert!(why(&answer).contains("2 mappings are there"), "{}", why(&answer));
    let answer = retraced(&frame("SourceFile"), &[("a.txt", MAPPING), ("copy.txt", MAPPING)], &[]);
    assert_eq!(function(&answer), "com.shop.cart.Cart.clear Cart.kt:20", "two copies are one mapping");
    let answer = retraced(&frame("r8-map-id-7777777"), &[("a.txt", MAPPING)], &[]);
    assert_eq!((answer.status, function(&answer).as_str()), (INCOMPLETE, ""));
    assert!(why(&answer).contains("no mapping has this id"), "{}", why(&answer));
    // Without any mapping, nothing tells a name of R8 from one of the app's.
    assert_eq!(retraced(&frame("SourceFile"), &[], &[]).status, 0);
}

#[test]
fn a_logcat_of_a_tombstone_and_of_an_exception_is_read_line_by_line() {
    let report = "\
11-27 09:00:00.000  1234  1234 F DEBUG   : signal 11 (SIGSEGV), code 1 (SEGV_MAPERR)
11-27 09:00:00.000  1234  1234 F DEBUG   :       #00 pc 0000000000001004  /data/app/x/base.apk!libshop.so (offset 0x1000) (BuildId: 0123456789abcdef0123456789abcdef01234567)
11-27 09:00:00.000  1234  1234 F DEBUG   :       #01 pc 00000000000a1b2c  /apex/com.android.runtime/lib64/bionic/libc.so (abort+164) (BuildId: aa)
11-27 09:00:00.000  1234  1234 E AndroidRuntime: a.c: no cart
11-27 09:00:00.000  1234  1234 E AndroidRuntime: \tat a.b.b(SourceFile:1)
";
    let module = "MODULE Linux arm64 67452301AB89EFCD0123456789ABCDEF0 libshop.so\nFUNC 1000 40 0 shop::pay()\n";
    let answer = retraced(report, &[("mapping.txt", MAPPING), ("libshop.so.sym", module)], &[]);
    assert_eq!(answer.status, 0, "{}", answer.out);
    let frames = answer.frames();
    assert_eq!(frames[1], ["shop::pay()"]);
    assert_eq!(frames[4], ["com.shop.cart.Cart.clear Cart.kt:20"]);
    assert!(
        lines(&answer)[3]["text"].as_str().unwrap().ends_with("AndroidRuntime: com.shop.cart.CartException: no cart")
    );
}
