//! Which run a record belongs to, and that it is reported once.

use super::*;

fn mark(key: u8, pid: u32, started_ms: u64, seen_ms: u64) -> RunMark {
    RunMark { run: RunKey([key; 16]), pid, process: "com.shop".to_owned(), started_ms, seen_ms }
}

fn record(pid: u32, at_ms: u64) -> ExitRecord {
    with(pid, at_ms, |_| ())
}

fn with(pid: u32, at_ms: u64, change: impl FnOnce(&mut AndroidExit)) -> ExitRecord {
    let ExitRecord::Android(mut exit) = android(AndroidReason::Anr, 0, FOREGROUND) else { unreachable!() };
    (exit.pid, exit.at_ms) = (pid, at_ms);
    change(&mut exit);
    ExitRecord::Android(exit)
}

fn joined(record: &ExitRecord, runs: &[RunMark]) -> Option<u8> {
    join(record, runs).map(|mark| mark.run.0[0])
}

const HOUR: u64 = 3_600_000;

#[test]
fn a_process_id_that_comes_again_does_not_give_a_run_the_death_of_another() {
    let runs = [mark(1, 77, HOUR, 2 * HOUR), mark(2, 78, 3 * HOUR, 4 * HOUR), mark(3, 77, 5 * HOUR, 6 * HOUR)];
    assert_eq!(joined(&record(77, 2 * HOUR + 50), &runs), Some(1));
    assert_eq!(joined(&record(78, 4 * HOUR), &runs), Some(2));
    assert_eq!(joined(&record(77, 6 * HOUR + 10), &runs), Some(3));
    assert_eq!(joined(&record(77, HOUR / 2), &runs), None, "before any of them");
    assert_eq!(joined(&record(77, 4 * HOUR + HOUR / 2), &runs), None, "another of this process came in between");
    assert_eq!(joined(&record(79, 2 * HOUR), &runs), None);
}

#[test]
fn a_run_that_was_seen_after_a_death_did_not_die_then() {
    let runs = [mark(1, 77, HOUR, 3 * HOUR)];
    assert_eq!(joined(&record(77, 2 * HOUR), &runs), None);
    assert_eq!(joined(&record(77, 3 * HOUR - 30_000), &runs), Some(1), "the clock was corrected by half a minute");
}

#[test]
fn a_run_that_slept_for_hours_before_it_was_killed_is_found() {
    let runs = [mark(1, 77, HOUR, HOUR + 1_000)];
    assert_eq!(joined(&record(77, 20 * HOUR), &runs), Some(1));
}

#[test]
fn a_run_that_has_named_itself_is_found_whatever_the_clock_says() {
    let runs = [mark(1, 77, HOUR, 2 * HOUR), mark(2, 77, 3 * HOUR, 4 * HOUR)];
    let named = |key: u8| with(77, 0, |exit| exit.run = run_of_summary(&summary(RunKey([key; 16]))));
    assert_eq!(joined(&named(2), &runs), Some(2));
    assert_eq!(joined(&named(9), &runs), None, "it names another run, and its process id proves nothing");
    let later = with(77, 2 * HOUR, |exit| exit.run = Some(RunKey([9; 16])));
    assert_eq!(joined(&later, &runs), None);
}

#[test]
fn a_summary_of_the_apps_own_is_not_taken_for_a_run() {
    let key = RunKey([7; 16]);
    assert_eq!(run_of_summary(&summary(key)), Some(key));
    assert!(summary(key).len() <= 128);
    for foreign in
        [&b""[..], b"0123456789abcdef", b"throughline", &summary(key)[..27], b"throughline\x02123456789012345"]
    {
        assert_eq!(run_of_summary(foreign), None);
    }
}

#[test]
fn another_process_of_the_app_is_not_mistaken_for_this_one() {
    let runs = [mark(1, 77, HOUR, 2 * HOUR)];
    let of = |name: Option<&str>| with(77, 2 * HOUR, |exit| exit.process = name.map(str::to_owned));
    assert_eq!(joined(&of(Some("com.shop:push")), &runs), None);
    assert_eq!(joined(&of(None), &runs), Some(1), "older systems do not say");
    let told = Told::default();
    assert_eq!(weigh(&of(Some("com.shop:push")), "com.shop", &runs, &told), Fate::Foreign);
    assert_eq!(weigh(&of(Some("com.shop")), "com.shop", &runs, &told), Fate::Joined(&runs[0]));
}

#[test]
fn a_count_of_ios_is_joined_only_when_there_is_no_choice() {
    let counted = |count| apple(&[(AppleExit::Watchdog, false, count)]).unwrap();
    let (first, second) = (mark(1, 1, HOUR, 2 * HOUR), mark(2, 2, 3 * HOUR, 4 * HOUR));
    let (before, tomorrow) = (mark(3, 3, 0, 30 * HOUR), mark(4, 4, 31 * HOUR, 32 * HOUR));
    assert_eq!(joined(&counted(1), &[first.clone(), before.clone(), tomorrow]), Some(1));
    assert_eq!(joined(&counted(1), &[first.clone(), second]), None, "two runs ended on that day");
    assert_eq!(joined(&counted(2), &[first]), None, "two ends were counted");
    assert_eq!(joined(&counted(1), &[before]), None);
}

#[test]
fn a_record_that_the_system_keeps_for_weeks_is_reported_once() {
    let mut told = Told::default();
    for launch in 0..20 {
        told = Told::decode(Some(&told.encode()));
        let listed: Vec<ExitRecord> = (0..=launch).rev().take(16).map(|n| record(n, HOUR)).collect();
        let news: Vec<&ExitRecord> =
            listed.iter().filter(|exit| weigh(exit, "com.shop", &[], &told) == Fate::Alone).collect();
        assert_eq!(news, [&record(launch, HOUR)]);
        listed.iter().for_each(|exit| told.note_exit(exit));
    }
}

#[test]
fn a_clock_that_was_set_back_hides_no_later_exit() {
    let mut told = Told::default();
    told.note_exit(&record(1, 100 * HOUR));
    assert_eq!(weigh(&record(2, HOUR), "com.shop", &[], &told), Fate::Alone);
    assert_eq!(weigh(&record(1, 100 * HOUR), "com.shop", &[], &told), Fate::Told);
}

#[test]
fn a_record_that_comes_after_our_report_is_no_second_event() {
    let runs = [mark(1, 77, HOUR, 2 * HOUR)];
    let mut told = Told::default();
    assert_eq!(weigh(&record(77, 2 * HOUR), "com.shop", &runs, &told), Fate::Joined(&runs[0]));
    told.note_run(runs[0].clone());
    let told = Told::decode(Some(&told.encode()));
    assert_eq!(weigh(&record(77, 2 * HOUR), "com.shop", &[], &told), Fate::Late(&runs[0]));
}

/// A crash that iOS tells of, in a period.
fn crash(pid: Option<u32>, from_ms: u64, until_ms: u64) -> ExitRecord {
    let stated = Stated { from_ms: Some(from_ms), until_ms: Some(until_ms), hash: from_ms, number: 0 };
    ExitRecord::AppleCrash(AppleCrash { stated, pid, is_watchdog: false, is_killed: false })
}

#[test]
fn a_crash_is_of_the_run_with_its_process_id_wherever_the_device_is_now() {
    let runs = [mark(1, 77, 100 * HOUR, 101 * HOUR), mark(2, 78, 102 * HOUR, 103 * HOUR)];
    for travelled in [-12, 0, 12] {
        let at = (101 * HOUR).checked_add_signed(travelled * HOUR as i64).unwrap();
        assert_eq!(joined(&crash(Some(77), at, at), &runs), Some(1), "{travelled}");
    }
    let at = 103 * HOUR;
    assert_eq!(joined(&crash(Some(79), at, at), &runs), None, "of a run that is not known");
    assert_eq!(joined(&crash(Some(77), 50 * HOUR, 50 * HOUR), &runs), None, "long before it was started");
    let again = [runs[0].clone(), mark(3, 77, 200 * HOUR, 201 * HOUR)];
    assert_eq!(joined(&crash(Some(77), 201 * HOUR, 201 * HOUR), &again), Some(3), "the number was used again");
    assert_eq!(joined(&crash(Some(77), 101 * HOUR, 101 * HOUR), &again), Some(1));
}

#[test]
fn without_a_process_id_a_crash_is_of_the_run_that_was_started_last_or_of_the_only_one() {
    let runs = [mark(1, 77, HOUR, HOUR), mark(2, 78, 3 * HOUR, 3 * HOUR)];
    let at = |at: u64| joined(&crash(None, at, at), &runs);
    assert_eq!((at(2 * HOUR), at(4 * HOUR), at(HOUR / 2)), (Some(1), Some(2), None));
    assert_eq!(joined(&crash(None, 2 * HOUR, 4 * HOUR), &runs), Some(2), "one was seen last in the period");
    assert_eq!(joined(&crash(None, 0, 4 * HOUR), &runs), None, "both were");
}

#[test]
fn a_run_without_a_report_is_remembered_until_it_has_one() {
    let mut told = Told::default();
    told.note_open(mark(1, 77, 0, HOUR));
    told.note_open(mark(1, 77, 0, HOUR));
    let mut told = Told::decode(Some(&told.encode()));
    assert_eq!(told.open().len(), 1);
    told.note_run(mark(1, 77, 0, HOUR));
    told.note_open(mark(1, 77, 0, HOUR));
    assert_eq!((told.open().len(), told.runs().len()), (0, 1));
    (0..u8::MAX).for_each(|key| told.note_open(mark(key, 1, 0, 0)));
    assert!(told.encode().len() < 16 * 1_024);
    let mut both = Told::default();
    told.begin(7);
    both.begin(9);
    both.absorb(told);
    assert_eq!((both.since_ms(), both.runs().len()), (Some(7), 1));
}

#[test]
fn a_damaged_list_repeats_nothing_and_loses_no_run_that_was_not_reported() {
    let mut told = Told::default();
    told.note_exit(&record(5, HOUR));
    let mut bytes = told.encode();
    bytes[3] ^= 1;
    let lost = Told::decode(Some(&bytes));
    let runs = [mark(1, 77, HOUR, 2 * HOUR)];
    assert_eq!(weigh(&record(5, HOUR), "com.shop", &runs, &lost), Fate::Told);
    assert_eq!(weigh(&record(77, 2 * HOUR), "com.shop", &runs, &lost), Fate::Joined(&runs[0]));
    assert_eq!(weigh(&record(5, HOUR), "com.shop", &[], &Told::decode(None)), Fate::Alone);
}

#[test]
fn a_device_that_ends_an_app_every_minute_does_not_make_the_list_grow() {
    let mut told = Told::default();
    for n in 0..10_000 {
        told.note_exit(&record(n, u64::MAX - u64::from(n)));
        told.note_run(mark(n as u8, n, 0, 0));
    }
    let length = told.encode().len();
    assert!(length < 24 * 1_024, "{length} bytes");
    assert_eq!(weigh(&record(9_999, u64::MAX - 9_999), "com.shop", &[], &told), Fate::Told);
}
