use super::run_file::{RunFile, file_name};
use super::*;
use crate::model::ids::RunKey;
use proptest::prelude::*;

const START: RunStart = RunStart { key: RunKey([5; 16]), base_wall: 1_767_225_600_000_000_000 };

fn journal() -> Journal {
    Journal::new(START).unwrap()
}

fn drained(journal: &Journal) -> Vec<Vec<u8>> {
    let mut seen = Vec::new();
    let end = journal.drain(0, usize::MAX, usize::MAX, |record| seen.push(record.payload.to_vec()));
    journal.advance(end.to);
    seen
}

fn recovered(bytes: Vec<u8>, from: u64) -> Vec<Vec<u8>> {
    let mut seen = Vec::new();
    RunFile::from_bytes(bytes, START.key)
        .drain(from, usize::MAX, usize::MAX, |record| seen.push(record.payload.to_vec()));
    seen
}

const BULK: FrameType = FrameType::Event(Lane::Bulk);
const CRASH: FrameType = FrameType::Event(Lane::Crash);

#[test]
fn records_come_out_once_in_order_over_many_laps() {
    let journal = journal();
    for lap in 0..200u32 {
        let sent: Vec<Vec<u8>> = (0..100).map(|n| vec![n as u8; 1 + (lap * 7 + n) as usize % 900]).collect();
        for payload in &sent {
            journal.append(BULK, payload).unwrap();
        }
        assert_eq!(drained(&journal), sent);
    }
    assert_eq!(journal.counters().appended, [0, 0, 0, 20_000]);
}

#[test]
fn a_full_ring_refuses_telemetry_before_errors_and_errors_before_crashes() {
    let journal = journal();
    let payload = [1u8; 1000];
    let fill = |frame| {
        let mut count = 0u64;
        while journal.append(frame, &payload).is_ok() {
            count += 1;
        }
        count
    };
    let (bulk, error, crash) = (fill(BULK), fill(FrameType::Event(Lane::Error)), fill(CRASH));
    assert!(bulk > 700 && error > 100 && crash > 80, "{bulk} {error} {crash}");
    let counters = journal.counters();
    assert_eq!(counters.appended, [crash, error, 0, bulk]);
    assert_eq!(counters.refused[1], [1, 1, 0, 1]);
    assert_eq!(drained(&journal).len() as u64, bulk + error + crash);
}

#[test]
fn the_worker_is_woken_on_the_edge_at_the_mark_and_for_a_crash() {
    let journal = journal();
    assert_eq!(journal.append(BULK, &[0; 10]), Ok(Appended::Wake));
    assert_eq!(journal.append(BULK, &[0; 10]), Ok(Appended::Quiet));
    assert_eq!(journal.append(CRASH, &[0; 10]), Ok(Appended::Wake));
    let wakes = (0..500).filter(|_| journal.append(BULK, &[0; 1000]) == Ok(Appended::Wake)).count();
    assert_eq!(wakes, 1);
    assert!(journal.take_busy());
    drained(&journal);
    assert_eq!(journal.append(BULK, &[0; 10]), Ok(Appended::Wake));
}

#[test]
fn what_waited_on_the_heap_is_in_the_file_after_mapping() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(file_name(START.key));
    let journal = journal();
    for n in 0..3u8 {
        journal.append(BULK, &[n; 40]).unwrap();
    }
    assert_eq!(journal.mode(), JournalMode::Starting);
    journal.map(&path).unwrap();
    assert_eq!(journal.mode(), JournalMode::Mapped);
    journal.append(CRASH, &[9; 40]).unwrap();
    let file = RunFile::open(&path, START.key).unwrap();
    assert_eq!(file.start(), Some(START));
    assert_eq!(file.counters().appended, [1, 0, 0, 3]);
    let mut seen = Vec::new();
    file.drain(0, usize::MAX, usize::MAX, |record| seen.push(record.payload[0]));
    assert_eq!(seen, [0, 1, 2, 9]);
    assert_eq!(drained(&journal).len(), 4);
}

#[test]
fn a_file_that_cannot_be_had_leaves_the_ring_on_the_heap() {
    let journal = journal();
    assert!(journal.map(Path::new("/nonexistent/x.journal")).is_err());
    journal.append(BULK, b"kept").unwrap();
    assert_eq!(journal.mode(), JournalMode::Heap);
    assert_eq!(drained(&journal), [b"kept"]);
}

#[test]
fn a_file_truncated_under_the_mapping_does_not_kill_the_app() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(file_name(START.key));
    let journal = journal();
    journal.map(&path).unwrap();
    for n in 0..50u8 {
        journal.append(BULK, &[n; 2000]).unwrap();
    }
    File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    journal.append(BULK, b"after").unwrap();
    assert_eq!(journal.mode(), JournalMode::Lost);
    let seen = drained(&journal);
    assert_eq!(seen.last().unwrap(), b"after");
    journal.append(BULK, b"and on").unwrap();
    assert_eq!(drained(&journal), [b"and on"]);
    assert_eq!(journal.counters().appended, [0, 0, 0, 52]);
}

#[test]
fn two_threads_append_while_the_worker_drains() {
    let journal = std::sync::Arc::new(journal());
    let writers: Vec<_> = (0..2u8)
        .map(|thread| {
            let journal = journal.clone();
            std::thread::spawn(move || {
                for n in 0..20_000u32 {
                    let mut payload = vec![thread; 5 + n as usize % 60];
                    payload[1..5].copy_from_slice(&n.to_le_bytes());
                    while journal.append(BULK, &payload).is_err() {
                        std::thread::yield_now();
                    }
                }
            })
        })
        .collect();
    let mut next = [0u32; 2];
    while next != [20_000, 20_000] {
        for payload in drained(&journal) {
            let thread = payload[0] as usize;
            assert_eq!(u32::from_le_bytes(payload[1..5].try_into().unwrap()), next[thread]);
            assert!(payload[5..].iter().all(|byte| *byte == payload[0]));
            next[thread] += 1;
        }
    }
    for writer in writers {
        writer.join().unwrap();
    }
}

fn file_with(records: &[Vec<u8>], before: u32) -> (Vec<u8>, u64) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(file_name(START.key));
    let journal = journal();
    journal.map(&path).unwrap();
    for _ in 0..before {
        journal.append(BULK, &[3; 3000]).unwrap();
        drained(&journal);
    }
    let from = journal.head.load(Ordering::Relaxed);
    for record in records {
        journal.append(BULK, record).unwrap();
    }
    (std::fs::read(&path).unwrap(), from)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_bit_flip_costs_at_most_the_record_it_hits(
        records in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..200), 1..60),
        before in 0u32..600, flip: u64,
    ) {
        let (mut bytes, from) = file_with(&records, before);
        let span: u64 = records.iter().map(|record| frame::framed_len(record.len()) as u64).sum();
        let at = PREAMBLE + position(from + flip % span);
        bytes[at] ^= 1 << (flip % 8);
        let seen = recovered(bytes, from);
        prop_assert!(seen.len() + 1 >= records.len(), "{} of {}", seen.len(), records.len());
        // No payload may be wrong: what is read is a part of what was written, in the same order.
        let mut written = records.iter();
        prop_assert!(seen.iter().all(|one| written.any(|record| record == one)));
    }

    #[test]
    fn a_truncated_or_garbage_file_never_panics_and_invents_nothing(
        records in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..200), 1..40),
        cut in 0usize..PREAMBLE + JOURNAL_BYTES, garbage: u64, from in 0u64..4_000_000,
    ) {
        let (mut bytes, start) = file_with(&records, 0);
        bytes.truncate(cut);
        let mut written = records.iter();
        prop_assert!(recovered(bytes.clone(), start).iter().all(|one| written.any(|record| record == one)));
        let mut state = garbage | 1;
        for byte in &mut bytes {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 56) as u8;
        }
        prop_assert!(recovered(bytes, from & !7).is_empty());
    }
}

#[test]
#[allow(unsafe_code, reason = "forking")]
fn a_forked_child_writes_nothing_into_its_parents_journal() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(file_name(START.key));
    let journal = journal();
    journal.map(&path).unwrap();
    journal.append(BULK, b"before").unwrap();
    // SAFETY: the child only takes a lock that no other thread has, and ends at once.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let _ = journal.append(FrameType::Context, b"of the child");
        journal.refuse(Lane::Bulk, DropReason::Oversize);
        // SAFETY: ends the process without running what belongs to the parent.
        unsafe { libc::_exit(0) }
    }
    // SAFETY: waits for our own child.
    assert_eq!(unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) }, child);
    let file = RunFile::open(&path, START.key).unwrap();
    assert_eq!(file.counters(), journal.counters());
    assert_eq!(recovered(std::fs::read(&path).unwrap(), 0), [b"before"]);
    journal.append(BULK, b"after it").unwrap();
    assert_eq!(drained(&journal), [&b"before"[..], b"after it"]);
}

#[test]
#[allow(unsafe_code, reason = "forking")]
fn a_child_that_outlives_its_parent_does_not_keep_the_parents_journal_alive() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(file_name(START.key));
    let journal = journal();
    journal.map(&path).unwrap();
    let lock = crate::storage::dirlock::DirLock::try_lock(dir.path()).unwrap().unwrap();
    let mut pipe = [0; 2];
    // SAFETY: the child only calls functions that a forked child may call, and ends by itself when
    // the test does, because nobody can write into the pipe any more.
    let child = unsafe {
        assert_eq!(libc::pipe(pipe.as_mut_ptr()), 0);
        let child = libc::fork();
        if child == 0 {
            libc::close(pipe[1]);
            let mut byte = 0u8;
            libc::read(pipe[0], (&raw mut byte).cast(), 1);
            libc::_exit(0)
        }
        child
    };
    assert!(owner::is_alive(&path));
    assert!(crate::storage::dirlock::DirLock::try_lock(dir.path()).unwrap().is_none());
    // The death of a process closes its files. The child has closed its own as soon as it runs.
    drop((journal, lock));
    let begun = std::time::Instant::now();
    while owner::is_alive(&path) || crate::storage::dirlock::DirLock::try_lock(dir.path()).unwrap().is_none() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(20), "the child holds the locks");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    // SAFETY: closes our own pipe, and waits for our own child.
    unsafe {
        libc::close(pipe[1]);
        assert_eq!(libc::waitpid(child, std::ptr::null_mut(), 0), child);
        libc::close(pipe[0]);
    }
}

#[test]
fn what_another_process_has_taken_is_passed_and_the_rest_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(file_name(START.key));
    let journal = journal();
    journal.map(&path).unwrap();
    assert_eq!(journal.file(), Some(path.clone()));
    assert_eq!(journal.pass_taken(), None);
    journal.append(BULK, b"taken").unwrap();
    let (to, counters) = (journal.waiting(), journal.counters());
    RunFile::mark_taken(&path, to, &counters).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(journal.file(), None);
    journal.append(BULK, b"left").unwrap();
    assert_eq!(journal.pass_taken(), Some((to, counters)));
    journal.map(&path).unwrap();
    assert_eq!(journal.file(), Some(path.clone()));
    assert_eq!(drained(&journal), [b"left"]);
    assert_eq!(recovered(std::fs::read(&path).unwrap(), to), [b"left"]);
}

#[test]
fn positions_that_no_run_can_reach_end_no_recovery() {
    for tail in [u64::MAX - 7, u64::MAX - 8 * 200_000, 1 << 63] {
        let mut bytes = vec![0; PREAMBLE];
        for (at, position) in [(TAIL_AT, tail), (HEAD_AT, tail - 64)] {
            bytes[at..at + 8].copy_from_slice(&position.to_le_bytes());
        }
        assert!(recovered(bytes.clone(), 0).is_empty());
        // What was written where the queue stopped reading is found all the same.
        let word = frame::word(BULK, 4);
        let sealed = frame::sealed(START.key.halves().0, 0, word, checksum::of_payload(b"here"));
        bytes.extend_from_slice(&sealed.to_le_bytes());
        bytes.extend_from_slice(b"here");
        assert_eq!(recovered(bytes, 0), [b"here"]);
    }
}
