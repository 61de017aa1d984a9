//! What holds for any facts whatsoever.

use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;

use super::*;

fn versions() -> impl Strategy<Value = AppVersion> {
    select(vec![version("1.0"), version("0.9")])
}

fn memories() -> impl Strategy<Value = Memory> {
    let pressures = select(vec![Pressure::Normal, Pressure::Warning, Pressure::Critical]);
    (0..1_200u64, select(vec![0, 1_000u64]), pressures).prop_map(|(footprint, limit, pressure)| Memory {
        footprint,
        limit,
        pressure,
    })
}

fn phases() -> impl Strategy<Value = Phase> {
    use Phase::{Background, CleanExit, Crashing, Running, Starting, UpdateRestart};
    // Most runs have left no reason: those are what elimination decides.
    select(vec![Running, Running, Running, Starting, Background, CleanExit, UpdateRestart, Crashing])
}

fn times() -> impl Strategy<Value = BootTime> {
    (0..1_100u64).prop_map(at)
}

prop_compose! {
    fn runs()(
        (is_last, phase, is_foreground) in (prop::bool::weighted(0.8), of(phases()), of(prop::bool::weighted(0.7))),
        boot in of(select(vec![BootId(1), BootId(1), BootId(2)])),
        app in of(versions()),
        has_debugger in prop::bool::weighted(0.2),
        fault in prop::option::weighted(0.2, (1..32i32, times()).prop_map(|(signal, at)| Fault { signal, at })),
        fatal in prop::option::weighted(0.2, times()),
        hang in prop::option::weighted(0.2, times()),
        memory in prop::option::weighted(0.8, memories()),
        last_beat in of(times()),
    ) -> PreviousRun {
        PreviousRun {
            is_last, phase, is_foreground, boot, app, has_debugger, fault, fatal, hang, memory, last_beat,
        }
    }
}

fn android_records() -> impl Strategy<Value = ExitRecord> {
    (-1..19i32, -1..40i32, select(vec![100, 125, 200, 230, 300, 400, 1_000]))
        .prop_map(|(reason, status, importance)| android(AndroidReason::from_code(reason), status, importance))
}

fn apple_records() -> impl Strategy<Value = ExitRecord> {
    use AppleExit as E;
    let exits = select(vec![
        E::Normal,
        E::Abnormal,
        E::BadAccess,
        E::IllegalInstruction,
        E::Watchdog,
        E::MemoryLimit,
        E::MemoryPressure,
        E::CpuLimit,
        E::LockedFile,
        E::TaskTimeout,
    ]);
    prop::collection::vec((exits, any::<bool>(), prop_oneof![0..3u64, Just(u64::MAX)]), 0..4)
        .prop_map(|counts| apple(&counts).unwrap())
}

fn records() -> impl Strategy<Value = Option<ExitRecord>> {
    of(prop_oneof![4 => android_records(), 1 => apple_records()])
}

fn is_background(run: &PreviousRun, os: Option<&ExitRecord>) -> bool {
    let is_os_background = matches!(os, Some(ExitRecord::Android(exit)) if exit.importance > 230);
    run.phase == Some(Phase::Background) || run.is_foreground == Some(false) || is_os_background
}

/// Whether the system says that the user or an update ended the run, or it itself.
fn is_ended_on_purpose(os: Option<&ExitRecord>) -> bool {
    let Some(ExitRecord::Android(exit)) = os else { return false };
    let is_exit = exit.reason == AndroidReason::ExitSelf && exit.status == 0;
    is_exit || [AndroidReason::UserRequested, AndroidReason::PackageUpdated].contains(&exit.reason)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_096, rng_seed: RngSeed::Fixed(17), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_facts_give_one_class_the_same_one_each_time(run in runs(), os in records()) {
        let found = classify(&run, &now(), os.as_ref());
        prop_assert_eq!(&found, &classify(&run, &now(), os.as_ref()));
        let rule = rules().find(|(rule, _)| *rule == found.evidence.rule);
        prop_assert_eq!(rule.map(|(_, class)| class), Some(found.class));
        // An end that is not known says why, and one that is known has no excuses.
        prop_assert_eq!(found.class == Class::Unknown, !found.evidence.reasons.is_empty());
    }

    #[test]
    fn no_crash_is_ever_taken_for_a_lack_of_memory(run in runs(), os in records()) {
        let found = classify(&run, &now(), os.as_ref()).class;
        if run.fault.is_some() || run.phase == Some(Phase::Crashing) {
            prop_assert!(matches!(found, Class::NativeCrash | Class::LanguageCrash), "{:?}", found);
        }
    }

    #[test]
    fn a_lack_of_memory_is_never_made_up(run in runs(), os in records()) {
        let found = classify(&run, &now(), os.as_ref());
        if found.class == Class::OutOfMemory {
            let now = now();
            prop_assert!(run.app.is_none() || run.app == now.app, "an upgrade");
            prop_assert!(run.boot.is_none() || run.boot == Some(now.boot), "a reboot");
            prop_assert!(!run.has_debugger, "a debugger");
            prop_assert!(run.phase != Some(Phase::CleanExit) && run.phase != Some(Phase::UpdateRestart));
            prop_assert!(!is_background(&run, os.as_ref()), "the background");
            prop_assert!(!is_ended_on_purpose(os.as_ref()), "a swipe, an update or an exit");
            let is_short = run.memory.is_some_and(|memory| memory.is_short());
            let is_system_sure = found.evidence.source != Source::Elimination;
            prop_assert!(is_short || is_system_sure, "no evidence");
        }
    }

    #[test]
    fn a_hang_needs_a_main_thread_that_never_came_back_or_the_word_of_the_system(run in runs(), os in records()) {
        let found = classify(&run, &now(), os.as_ref());
        if found.class == Class::Hang && found.evidence.rule == "fatal_hang" {
            prop_assert!(run.hang.is_some() && run.last_beat.is_none_or(|beat| Some(beat) <= run.hang));
            prop_assert!(!run.has_debugger && !is_background(&run, os.as_ref()));
        }
    }

    #[test]
    fn a_reason_of_the_system_is_never_replaced_by_elimination(run in runs(), os in android_records()) {
        let ExitRecord::Android(exit) = &os else { unreachable!() };
        let is_silent = exit.reason == AndroidReason::Unknown
            || (exit.reason == AndroidReason::Signaled && exit.status == 9);
        let found = classify(&run, &now(), Some(&os));
        prop_assert!(is_silent || found.evidence.source != Source::Elimination, "{:?}", found);
    }
}
