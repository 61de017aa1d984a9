//! Payloads of the form that Apple documents, and everything else.

use proptest::prelude::*;
use serde_json::{Value as Any, json};

use super::*;
use crate::model::limits::{MAX_CRASH_FRAMES, MAX_OTHER_FRAMES};

/// A payload that may be changed. The crash nests deeper than `serde_json` reads.
fn fixture(name: &str) -> Any {
    serde_json::from_slice(&bytes(name)).unwrap()
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/metrickit/{name}.json", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn read(name: &str) -> Payload {
    Payload::read(&bytes(name), 7_200).unwrap()
}

fn only(payload: Payload) -> Diagnostic {
    let [diagnostic] = payload.diagnostics.try_into().unwrap();
    diagnostic
}

#[test]
fn a_crash_has_its_stack_from_the_innermost_call_on_and_the_other_threads_below() {
    let crash = only(read("crash"));
    let stated = crash.crash.stated;
    assert_eq!((stated.from_ms, stated.until_ms, stated.is_point()), (Some(1_787_697_840_000), stated.from_ms, true));
    assert_eq!((crash.crash.pid, crash.exception, crash.code, crash.signal), (Some(4711), Some(1), Some(1), Some(11)));
    assert_eq!(crash.versions, ["2.3.1", "417", "iPhone OS 26.1 (23B85)"]);
    assert_eq!((&*crash.termination, &*crash.region), ("", "0x10 is not in any region."));
    let threads: Vec<&str> = crash.stack.split("\n\n").collect();
    let lines: Vec<&str> = threads[0].lines().collect();
    assert_eq!(lines.len(), 90);
    let id = "e3e6b9890e7a3773b4094d77b472699e";
    assert_eq!(lines[0], format!("#00 pc 00000000000014a0  Shop (BuildId: {id}) [metrickit]"));
    // A caller's address lies inside its call.
    assert_eq!(lines[1], format!("#01 pc 00000000000014af  Shop (BuildId: {id}) [metrickit]"));
    assert!(
        lines[89].starts_with("#89 pc 000000000000963f  libsystem_kernel.dylib (BuildId: 70b89f27"),
        "{}",
        lines[89]
    );
    assert_eq!((threads.len(), threads[1].lines().next(), threads[1].lines().count()), (3, Some("Thread 0:"), 4));
    assert_eq!((threads[2].lines().next(), threads[2].lines().count()), (Some("Thread 2:"), 1 + MAX_OTHER_FRAMES));
}

#[test]
fn frames_may_stand_in_one_list_and_ios_15_names_no_process() {
    let crash = only(read("ios15"));
    assert_eq!((crash.crash.pid, crash.signal), (None, Some(5)));
    let pcs: Vec<&str> = crash.stack.lines().map(|line| &line[7..23]).collect();
    assert_eq!(pcs, ["00000000000014a0", "00000000000014af", "00000000000014bf"]);
}

#[test]
fn of_a_hang_the_stack_with_the_most_samples_is_taken() {
    let hang = only(read("hang"));
    assert_eq!((hang.kind, hang.duration_ns), (DiagnosticKind::Hang, Some(20_000_000_000)));
    let pcs: Vec<&str> = hang.stack.lines().map(|line| &line[19..23]).collect();
    assert_eq!(pcs, ["8040", "14cf", "14df", "0fff"], "the innermost call comes first");
}

#[test]
fn what_ended_the_process_is_said_in_the_systems_words() {
    let exception = only(read("exception"));
    assert_eq!(exception.objc[..2], ["NSRangeException", "NSException"]);
    assert!(!exception.crash.is_watchdog && only(read("watchdog")).crash.is_watchdog);
    let others = read("others").diagnostics;
    let found: Vec<_> = others.iter().map(|one| (one.kind, &*one.measured, one.duration_ns)).collect();
    assert_eq!(
        found,
        [
            (DiagnosticKind::Cpu, "90 sec", None),
            (DiagnosticKind::DiskWrite, "1,200 MB", None),
            (DiagnosticKind::Launch, "8 sec", Some(8_000_000_000)),
        ]
    );
}

#[test]
fn a_counter_that_is_zero_is_missing_and_one_of_a_later_version_is_an_end_too() {
    let counts = |metrics: Any| {
        let payload = json!({"timeStampBegin": "2026-08-26 00:00:00", "timeStampEnd": "2026-08-27 00:00:00",
            "applicationExitMetrics": metrics});
        Payload::read(payload.to_string().as_bytes(), 0).unwrap().exits.map(|(exits, _)| exits)
    };
    let exits = counts(json!({"foregroundExitData": {"cumulativeMemoryResourceLimitExitCount": 1}})).unwrap();
    assert_eq!(exits.counts, [AppleCount { exit: AppleExit::MemoryLimit, is_background: false, count: 1 }]);
    assert_eq!(exits.until_ms - exits.from_ms, 86_400_000);
    assert_eq!(counts(json!({"foregroundExitData": {}, "backgroundExitData": {}})), None);
    let later =
        json!({"foregroundExitData": {"cumulativeMemoryResourceLimitExitCount": 1, "cumulativeNewExitCount": 1}});
    assert_eq!(counts(later).unwrap().total(), 2);
    for (key, _) in COUNTERS {
        assert_eq!(counts(json!({"backgroundExitData": {key: "3"}})).unwrap().total(), 3, "{key}");
    }
}

#[test]
fn the_same_is_recognised_however_it_is_written_and_equal_crashes_of_a_day_are_told_apart() {
    let payload = fixture("ios15");
    let stated = |payload: &Any, zone| -> Vec<(u64, u32)> {
        let read = Payload::read(payload.to_string().as_bytes(), zone).unwrap();
        read.diagnostics.iter().map(|one| (one.crash.stated.hash, one.crash.stated.number)).collect()
    };
    let first = stated(&payload, 0)[0];
    // `serde_json` sorts keys; the fixture has them in another order.
    let as_written = only(read("ios15")).crash.stated;
    assert_eq!((as_written.hash, as_written.number), first);
    assert_eq!(stated(&payload, 3_600), [first], "a device that has travelled");
    let mut twice = payload.clone();
    let crash = payload["crashDiagnostics"][0].clone();
    twice["crashDiagnostics"].as_array_mut().unwrap().push(crash);
    assert_eq!(stated(&twice, 0), [first, (first.0, 1)]);
    let mut other = payload;
    other["timeStampEnd"] = "2026-08-26 00:45:00".into();
    assert_ne!(stated(&other, 0), [first]);
}

#[test]
fn hostile_payloads_are_survived_and_bounded() {
    let deep = |count: usize| {
        let open = r#"{"binaryName":"a","offsetIntoBinaryTextSegment":1,"subFrames":["#.repeat(count);
        let close = "]}".repeat(count);
        format!(
            r#"{{"crashDiagnostics":[{{"callStackTree":{{"callStacks":[{{"callStackRootFrames":[{open}{close}]}}]}}}}]}}"#
        )
    };
    let crash = only(Payload::read(deep(100_000).as_bytes(), 0).unwrap());
    assert_eq!(crash.stack.lines().count(), MAX_CRASH_FRAMES);
    for text in ["", "[]", "null", "{", "\"crashDiagnostics\"", "{\"crashDiagnostics\":[{]}"] {
        assert!(Payload::read(text.as_bytes(), 0).is_err(), "{text}");
    }
    for payload in [json!({}), json!({"crashDiagnostics": {}}), json!({"crashDiagnostics": "x"})] {
        assert_eq!(Payload::read(payload.to_string().as_bytes(), 0), Ok(Payload::default()));
    }
    let empty = json!({"crashDiagnostics": [null, 3, {}, [], {"diagnosticMetaData": {"appVersion": "1"}}]});
    assert_eq!(Payload::read(empty.to_string().as_bytes(), 0), Ok(Payload { unread: 5, ..Payload::default() }));
    let many = json!({"crashDiagnostics": vec![json!({"signal": 11}); 100]});
    let many = Payload::read(many.to_string().as_bytes(), 0).unwrap();
    assert_eq!((many.diagnostics.len(), many.unread), (MAX_DIAGNOSTICS, 36));
}

#[test]
fn a_name_cannot_forge_a_frame() {
    let name = "Shop (BuildId: 00)\n#01 pc 0000 evil [x]\r\u{2028}";
    let frame = json!({"binaryName": name, "offsetIntoBinaryTextSegment": "32", "binaryUUID": "no uuid"});
    let far = json!({"address": u64::MAX, "binaryName": "x".repeat(1_000)});
    let tree = json!({"callStacks": [{"callStackRootFrames": [frame, 7, far]}]});
    let payload = json!({"crashDiagnostics": [{"callStackTree": tree}]});
    let stack = only(Payload::read(payload.to_string().as_bytes(), 0).unwrap()).stack;
    assert_eq!(
        stack,
        "#00 pc 0000000000000020  Shop _BuildId: 00__#01 pc 0000 evil _x_ (no BuildId) [metrickit]\n\
        #01 pc fffffffffffffffe  <unknown> [metrickit]"
    );
}

/// Anything in the place of anything.
fn any_value() -> impl Strategy<Value = Any> {
    prop_oneof![
        Just(Any::Null),
        Just(json!([])),
        Just(json!({})),
        Just(json!([[{}]])),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(|number| json!(number)),
        any::<u64>().prop_map(|number| number.to_string().into()),
        "\\PC{0,20}".prop_map(Into::into),
    ]
}

/// The `at`-th value in a tree, in the order of a walk.
fn nth<'v>(value: &'v mut Any, at: &mut usize) -> Option<&'v mut Any> {
    if *at == 0 {
        return Some(value);
    }
    *at -= 1;
    match value {
        Any::Array(items) => items.iter_mut().find_map(|item| nth(item, at)),
        Any::Object(map) => map.values_mut().find_map(|item| nth(item, at)),
        _ => None,
    }
}

proptest! {
    #[test]
    fn any_bytes_of_a_crash_may_be_others(
        changes in prop::collection::vec((0usize..24_000, any::<u8>()), 1..20),
        is_text: bool,
    ) {
        let mut payload = bytes("crash");
        for (at, byte) in changes {
            if let Some(place) = payload.get_mut(at) {
                // Most other bytes would end the text's encoding, and nothing would be read.
                *place = if is_text { b' ' + byte % 95 } else { byte };
            }
        }
        prop_assert!(Payload::read(&payload, 0).map_or(0, |read| read.diagnostics.len()) <= 1);
    }

    #[test]
    fn whatever_stands_in_a_payload_there_is_no_panic_and_no_invented_crash(
        name in prop::sample::select(vec!["exception", "watchdog", "ios15", "hang", "others", "memory", "several"]),
        changes in prop::collection::vec((0usize..120, any_value()), 0..12),
        cut in prop::option::of(0usize..4_000),
        zone: i32,
    ) {
        let mut payload = fixture(name);
        for (mut at, value) in changes {
            if let Some(place) = nth(&mut payload, &mut at) {
                *place = value;
            }
        }
        let text = payload.to_string();
        let whole = Payload::read(text.as_bytes(), zone);
        let most = payload["crashDiagnostics"].as_array().map_or(0, Vec::len);
        if let Ok(read) = &whole {
            let crashes = read.diagnostics.iter().filter(|one| one.kind == DiagnosticKind::Crash).count();
            prop_assert!(crashes <= most);
            for one in &read.diagnostics {
                prop_assert!(one.stack.lines().all(|line| line.is_empty() || line.starts_with(['#', 'T', '…'])));
                prop_assert!(one.crash.stated.from_ms <= one.crash.stated.until_ms);
            }
        } else {
            prop_assert!(!payload.is_object());
        }
        if let Some(cut) = cut.filter(|cut| *cut < text.len()) {
            prop_assert!(Payload::read(&text.as_bytes()[..cut], zone).is_err());
        }
    }
}
