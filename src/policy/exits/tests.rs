mod joining;
mod properties;

use std::collections::BTreeSet;

use super::*;
use crate::model::event::ErrorKind;
use crate::model::ids::RunKey;
use crate::model::time::{BootId, BootTime};

const SECOND: u64 = 1_000_000_000;
const FOREGROUND: i32 = 100;
const CACHED: i32 = 400;

fn at(seconds: u64) -> BootTime {
    BootTime(seconds * SECOND)
}

fn version(version: &str) -> AppVersion {
    AppVersion { version: version.to_owned(), build: "7".to_owned() }
}

fn now() -> Now {
    Now { boot: BootId(1), at: at(1_000), app: Some(version("1.0")) }
}

/// A run in the foreground that was alive a moment ago and left no reason.
fn run(change: impl FnOnce(&mut PreviousRun)) -> PreviousRun {
    let mut run = PreviousRun {
        is_last: true,
        phase: Some(Phase::Running),
        is_foreground: Some(true),
        boot: Some(BootId(1)),
        app: Some(version("1.0")),
        memory: Some(Memory { footprint: 100, limit: 1_000, pressure: Pressure::Normal }),
        last_beat: Some(at(900)),
        ..PreviousRun::default()
    };
    change(&mut run);
    run
}

fn short_of_memory(run: &mut PreviousRun) {
    run.memory = Some(Memory { footprint: 900, limit: 1_000, pressure: Pressure::Normal });
}

fn android(reason: AndroidReason, status: i32, importance: i32) -> ExitRecord {
    ExitRecord::Android(AndroidExit {
        reason,
        status,
        importance,
        at_ms: 5_000_000,
        pid: 77,
        process: Some("com.shop".to_owned()),
        pss_kb: 1_000,
        rss_kb: 2_000,
        run: None,
    })
}

/// A record of a process that the user was using.
fn said(reason: AndroidReason) -> Option<ExitRecord> {
    Some(android(reason, 0, FOREGROUND))
}

fn apple(counts: &[(AppleExit, bool, u64)]) -> Option<ExitRecord> {
    let count = |(exit, is_background, count): &(AppleExit, bool, u64)| AppleCount {
        exit: *exit,
        is_background: *is_background,
        count: *count,
    };
    let exits = AppleExits { from_ms: 0, until_ms: 86_400_000, counts: counts.iter().map(count).collect() };
    Some(ExitRecord::Apple(exits, Stated::default()))
}

fn class_of(run: &PreviousRun, os: Option<ExitRecord>) -> Class {
    classify(run, &now(), os.as_ref()).class
}

#[test]
fn a_row_that_never_decides_is_no_rule() {
    use AndroidReason as R;
    let fault = Some(Fault { signal: 6, at: at(899) });
    let examples: [(&str, PreviousRun, Option<ExitRecord>); 27] = [
        ("error_and_signal", run(|r| (r.fatal, r.fault) = (Some(at(898)), fault)), None),
        ("crash_slot", run(|r| r.fault = fault), None),
        ("uncaught_error", run(|r| r.fatal = Some(at(899))), None),
        ("crashing", run(|r| r.phase = Some(Phase::Crashing)), None),
        ("system_native_crash", run(|_| ()), said(R::CrashNative)),
        ("system_language_crash", run(|_| ()), said(R::Crash)),
        ("system_start_failed", run(|_| ()), said(R::InitializationFailure)),
        ("system_anr", run(|_| ()), said(R::Anr)),
        ("system_watchdog", run(|_| ()), apple(&[(AppleExit::Watchdog, false, 1)])),
        ("clean_exit", run(|r| r.phase = Some(Phase::CleanExit)), None),
        ("update_restart", run(|r| r.phase = Some(Phase::UpdateRestart)), None),
        ("system_update", run(|_| ()), said(R::PackageUpdated)),
        ("system_memory", run(|_| ()), said(R::LowMemory)),
        ("fatal_hang", run(|r| r.hang = Some(at(900))), None),
        ("user_request_update", run(|r| r.app = Some(version("0.9"))), said(R::UserRequested)),
        ("user_request", run(|_| ()), said(R::UserRequested)),
        ("memory_in_background", run(|_| ()), Some(android(R::LowMemory, 0, CACHED))),
        ("memory_in_doubt", run(|r| r.has_debugger = true), said(R::LowMemory)),
        ("system_exit", run(|_| ()), said(R::ExitSelf)),
        ("system_in_background", run(|_| ()), Some(android(R::Freezer, 0, CACHED))),
        ("system_other", run(|_| ()), said(R::DependencyDied)),
        ("rebooted", run(|r| r.boot = Some(BootId(9))), None),
        ("upgraded", run(|r| r.app = Some(version("0.9"))), None),
        ("debugged", run(|r| r.has_debugger = true), None),
        ("background", run(|r| r.phase = Some(Phase::Background)), None),
        ("memory_short", run(short_of_memory), None),
        ("unexplained", run(|_| ()), None),
    ];
    let mut seen = BTreeSet::new();
    for (rule, run, os) in examples {
        let found = classify(&run, &now(), os.as_ref());
        assert_eq!(found.evidence.rule, rule, "{found:?}");
        seen.insert(rule);
    }
    let all: BTreeSet<&str> = rules().map(|(rule, _)| rule).collect();
    assert_eq!(seen, all);
    assert_eq!(rules().count(), all.len(), "two rules have one name");
}

#[test]
fn a_crash_is_not_lost_behind_memory_that_ran_out_at_the_same_time() {
    let crashed = run(|run| {
        short_of_memory(run);
        run.fault = Some(Fault { signal: 11, at: at(899) });
    });
    assert_eq!(class_of(&crashed, None), Class::NativeCrash);
    assert_eq!(class_of(&crashed, said(AndroidReason::LowMemory)), Class::NativeCrash);
    assert_eq!(class_of(&run(short_of_memory), said(AndroidReason::Crash)), Class::LanguageCrash);
}

#[test]
fn an_exception_and_the_abort_behind_it_are_not_two_deaths() {
    let aborted = |seconds: u64| {
        run(|run| (run.fatal, run.fault) = (Some(at(890)), Some(Fault { signal: 6, at: at(890 + seconds) })))
    };
    let found = classify(&aborted(1), &now(), said(AndroidReason::CrashNative).as_ref());
    assert_eq!((found.class, found.evidence.source), (Class::LanguageCrash, Source::Both));
    assert_eq!(class_of(&aborted(60), None), Class::NativeCrash, "the app lived on for a minute");
}

#[test]
fn an_error_that_the_app_survived_is_not_taken_for_its_death() {
    let survivor = run(|run| run.fatal = Some(at(100)));
    let found = classify(&survivor, &now(), None);
    assert_eq!(found.class, Class::Unknown);
    assert!(found.evidence.reasons.contains(&Reason::ErrorSurvived));
    assert_eq!(class_of(&survivor, said(AndroidReason::UserRequested)), Class::UserKill);
}

#[test]
fn a_handler_that_was_killed_while_it_wrote_is_a_crash_all_the_same() {
    let torn = run(|run| run.phase = Some(Phase::Crashing));
    assert_eq!(class_of(&torn, None), Class::NativeCrash);
    assert_eq!(class_of(&torn, said(AndroidReason::LowMemory)), Class::NativeCrash);
}

#[test]
fn an_app_that_is_killed_with_memory_enough_has_not_run_out_of_it() {
    let killed = classify(&run(|_| ()), &now(), Some(android(AndroidReason::Signaled, 9, FOREGROUND)).as_ref());
    assert_eq!((killed.class, killed.evidence.reasons), (Class::Unknown, vec![Reason::MemoryNotShort]));
    let unknown = classify(&run(|run| run.memory = None), &now(), None);
    assert_eq!((unknown.class, unknown.evidence.reasons), (Class::Unknown, vec![Reason::MemoryUnknown]));
}

#[test]
fn memory_is_short_above_85_hundredths_of_the_limit_or_when_the_system_says_so() {
    let memory = |footprint, limit, pressure| Memory { footprint, limit, pressure }.is_short();
    assert!(!memory(850, 1_000, Pressure::Warning));
    assert!(memory(851, 1_000, Pressure::Normal));
    assert!(memory(1, 1_000, Pressure::Critical));
    assert!(memory(u64::MAX, u64::MAX, Pressure::Normal));
    assert!(!memory(u64::MAX, 0, Pressure::Normal), "no limit is known");
}

#[test]
fn nothing_that_explains_a_death_otherwise_makes_it_one_of_memory() {
    let kills: [Option<ExitRecord>; 3] =
        [None, Some(android(AndroidReason::Signaled, 9, FOREGROUND)), said(AndroidReason::LowMemory)];
    for os in kills {
        let class = |change: fn(&mut PreviousRun)| {
            let changed = run(|run| {
                short_of_memory(run);
                change(run);
            });
            class_of(&changed, os.clone())
        };
        assert_eq!(class(|_| ()), Class::OutOfMemory, "{os:?}");
        assert_ne!(class(|run| run.app = Some(version("0.9"))), Class::OutOfMemory, "{os:?}");
        assert_ne!(class(|run| run.boot = Some(BootId(9))), Class::OutOfMemory, "{os:?}");
        assert_ne!(class(|run| run.last_beat = Some(at(2_000))), Class::OutOfMemory, "boot time went back, {os:?}");
        assert_eq!(class(|run| run.has_debugger = true), Class::Unknown, "{os:?}");
        assert_eq!(class(|run| run.phase = Some(Phase::CleanExit)), Class::CleanExit, "{os:?}");
        assert_eq!(class(|run| run.is_foreground = Some(false)), Class::BackgroundKill, "{os:?}");
        assert_eq!(class(|run| run.phase = Some(Phase::Background)), Class::BackgroundKill, "{os:?}");
    }
    assert_eq!(class_of(&run(short_of_memory), said(AndroidReason::UserRequested)), Class::UserKill);
}

#[test]
fn a_swipe_of_the_user_is_not_taken_for_an_update_or_a_lack_of_memory() {
    let swiped = run(short_of_memory);
    assert_eq!(class_of(&swiped, said(AndroidReason::UserRequested)), Class::UserKill);
    let older = run(|run| (run.is_last, run.app) = (false, Some(version("0.9"))));
    assert_eq!(class_of(&older, said(AndroidReason::UserRequested)), Class::UserKill, "others came in between");
    let updated = run(|run| run.app = Some(version("0.9")));
    assert_eq!(class_of(&updated, said(AndroidReason::UserRequested)), Class::Update, "before Android 14");
    assert_eq!(class_of(&swiped, said(AndroidReason::PackageUpdated)), Class::Update);
}

#[test]
fn a_hang_that_the_user_ended_by_a_swipe_is_still_a_hang() {
    let hung = run(|run| run.hang = Some(at(900)));
    assert_eq!(class_of(&hung, said(AndroidReason::UserRequested)), Class::Hang);
    assert_eq!(class_of(&hung, Some(android(AndroidReason::Signaled, 9, FOREGROUND))), Class::Hang);
    let rebooted = run(|run| (run.hang, run.boot) = (Some(at(900)), Some(BootId(9))));
    assert_eq!(class_of(&rebooted, None), Class::Hang, "the user had to restart the device");
}

#[test]
fn a_hang_from_which_the_main_thread_came_back_is_not_fatal() {
    let back = classify(&run(|run| run.hang = Some(at(890))), &now(), None);
    assert_eq!(back.class, Class::Unknown);
    assert!(back.evidence.reasons.contains(&Reason::HangNotFatal));
    let debugged = run(|run| (run.hang, run.has_debugger) = (Some(at(900)), true));
    assert_eq!(class_of(&debugged, None), Class::Unknown, "somebody stood at a breakpoint");
    let behind = run(|run| (run.hang, run.is_foreground) = (Some(at(900)), Some(false)));
    assert_eq!(class_of(&behind, None), Class::BackgroundKill);
}

#[test]
fn an_anr_that_the_watchdog_and_the_system_saw_is_one_event_of_both() {
    let hung = run(|run| run.hang = Some(at(900)));
    let both = classify(&hung, &now(), said(AndroidReason::Anr).as_ref());
    assert_eq!((both.class, both.evidence.source), (Class::Anr, Source::Both));
    let theirs = classify(&run(|_| ()), &now(), said(AndroidReason::Anr).as_ref());
    assert_eq!((theirs.class, theirs.evidence.source), (Class::Anr, Source::System));
    let ours = classify(&hung, &now(), None);
    assert_eq!((ours.class, ours.evidence.source), (Class::Hang, Source::Own));
}

#[test]
fn what_the_system_says_is_not_overruled_by_what_has_changed_since() {
    let changed = run(|run| (run.app, run.boot) = (Some(version("0.9")), Some(BootId(9))));
    assert_eq!(class_of(&changed, None), Class::Reboot);
    assert_eq!(class_of(&changed, said(AndroidReason::Crash)), Class::LanguageCrash);
    assert_eq!(class_of(&changed, said(AndroidReason::Anr)), Class::Anr);
    assert_eq!(class_of(&changed, said(AndroidReason::ExitSelf)), Class::CleanExit);
    assert_eq!(class_of(&run(short_of_memory), said(AndroidReason::PermissionChange)), Class::Unknown);
    assert_eq!(class_of(&run(short_of_memory), said(AndroidReason::Later(99))), Class::Unknown);
}

#[test]
fn an_old_run_is_not_explained_by_what_happened_after_its_successors() {
    let old = run(|run| (run.is_last, run.app, run.boot) = (false, Some(version("0.1")), Some(BootId(9))));
    let found = classify(&old, &now(), None);
    assert_eq!(found.class, Class::Unknown);
    assert!(found.evidence.reasons.contains(&Reason::NotLast));
    let crashed = run(|run| (run.is_last, run.fault) = (false, Some(Fault { signal: 11, at: at(1) })));
    assert_eq!(class_of(&crashed, None), Class::NativeCrash, "a crash is one however old it is");
}

#[test]
fn counts_of_several_kinds_do_not_explain_a_single_run() {
    let one = apple(&[(AppleExit::MemoryLimit, false, 1), (AppleExit::Normal, true, 0)]);
    assert_eq!(class_of(&run(|_| ()), one), Class::OutOfMemory);
    let many = apple(&[(AppleExit::MemoryLimit, false, 1), (AppleExit::Normal, true, 3)]);
    for run in [run(|_| ()), run(short_of_memory)] {
        let found = classify(&run, &now(), many.as_ref());
        assert_eq!(found.class, Class::Unknown);
        assert!(found.evidence.reasons.contains(&Reason::SystemIsAmbiguous));
    }
    for exit in [AppleExit::MemoryPressure, AppleExit::MemoryLimit, AppleExit::CpuLimit, AppleExit::LockedFile] {
        assert_eq!(class_of(&run(|_| ()), apple(&[(exit, true, 1)])), Class::BackgroundKill, "{exit:?}");
    }
    assert_eq!(class_of(&run(|_| ()), apple(&[(AppleExit::BadAccess, false, 2)])), Class::NativeCrash);
}

#[test]
fn a_signal_by_which_a_process_breaks_itself_is_a_crash_and_others_are_not() {
    let of = |signal| class_of(&run(|_| ()), Some(android(AndroidReason::Signaled, signal, FOREGROUND)));
    for signal in [4, 5, 6, 7, 8, 11, 31] {
        assert_eq!(of(signal), Class::NativeCrash, "{signal}");
    }
    for signal in [1, 9, 13, 15, 0, -1, 99] {
        assert_eq!(of(signal), Class::Unknown, "{signal}");
    }
}

#[test]
fn a_record_of_a_run_that_left_nothing_is_classified_by_itself() {
    let nothing = PreviousRun::default();
    assert_eq!(class_of(&nothing, said(AndroidReason::LowMemory)), Class::OutOfMemory);
    assert_eq!(class_of(&nothing, Some(android(AndroidReason::LowMemory, 0, CACHED))), Class::BackgroundKill);
    assert_eq!(class_of(&nothing, said(AndroidReason::Anr)), Class::Anr);
    let killed = Some(android(AndroidReason::Signaled, 9, FOREGROUND));
    assert_eq!(class_of(&nothing, killed), Class::Unknown, "nobody knows whether memory was short");
}

#[test]
fn only_an_error_of_the_app_is_reported_as_one() {
    let errors = rules().filter_map(|(_, class)| class.error_kind().map(|kind| (class, kind)));
    for (class, kind) in errors {
        let expected = match class {
            Class::NativeCrash | Class::LanguageCrash => ErrorKind::Crash,
            Class::Hang => ErrorKind::Hang,
            Class::Anr => ErrorKind::Anr,
            Class::OutOfMemory => ErrorKind::OutOfMemory,
            other => panic!("{} is reported as an error", other.name()),
        };
        assert_eq!(kind, expected);
    }
}
