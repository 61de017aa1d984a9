//! A watchdog and a main thread in a world whose clocks, processor and scheduler are virtual.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

const MS: u64 = 1_000_000;
const PERIOD_MS: u64 = 100;
/// Time between two beats of a healthy main thread.
const BEAT_MS: u64 = 10;
/// How exact the duration of a hang is.
const EXACT_MS: u64 = PERIOD_MS + BEAT_MS;

/// A stretch of time in the world, in milliseconds.
#[derive(Debug, Clone, Copy)]
enum Stretch {
    /// The main thread answers at once.
    Healthy(u64),
    /// The main thread is blocked.
    Blocked(u64),
    /// The process is stopped, as by SIGSTOP, a freezer or a debugger.
    Stopped(u64),
    /// The device sleeps.
    Asleep(u64),
    /// Neither the watchdog nor the main thread gets the processor more often than this.
    Starved(u64, u64),
    /// The app is in the background, and its main thread does nothing.
    Background(u64),
    /// The monotonic clock jumps, which no system should let it do.
    MonoJump(i64),
    /// The boot clock jumps.
    BootJump(i64),
}

use Stretch::{Asleep, Background, Blocked, BootJump, Healthy, MonoJump, Starved, Stopped};

struct World {
    mono: i64,
    boot: i64,
    beat: i64,
    planned: i64,
    is_foreground: bool,
    hangs: Hangs,
    steps: Vec<Step>,
}

impl World {
    fn new() -> Self {
        let (mono, boot) = (1_000_000_000, 2_000_000_000);
        let hangs = Hangs::new(Watch::default());
        Self { mono, boot, beat: boot, planned: mono, is_foreground: true, hangs, steps: Vec::new() }
    }

    fn look(&mut self) {
        let look = Look {
            mono: self.mono as u64 * MS,
            boot: BootTime(self.boot as u64 * MS),
            beat: BootTime(self.beat as u64 * MS),
            late_by: Duration::from_millis((self.mono - self.planned).max(0) as u64),
            is_foreground: self.is_foreground,
        };
        self.steps.push(self.hangs.observe(look));
        self.planned = self.mono + PERIOD_MS as i64;
    }

    /// Lets a millisecond pass. A clock that was set back does not keep the watchdog waiting.
    fn millisecond(&mut self, watchdog_runs: bool, main_runs: bool) {
        (self.mono, self.boot) = (self.mono + 1, self.boot + 1);
        self.planned = self.planned.min(self.mono + PERIOD_MS as i64);
        if main_runs {
            self.beat = self.boot;
        }
        if watchdog_runs && self.mono >= self.planned {
            self.look();
        }
    }

    fn pass(&mut self, stretch: Stretch) {
        self.is_foreground = !matches!(stretch, Background(_));
        match stretch {
            Healthy(ms) => (0..ms).for_each(|n| self.millisecond(true, n % BEAT_MS == 0)),
            Blocked(ms) | Background(ms) => (0..ms).for_each(|_| self.millisecond(true, false)),
            Stopped(ms) => (self.mono, self.boot) = (self.mono + ms as i64, self.boot + ms as i64),
            Asleep(ms) => self.boot += ms as i64,
            Starved(ms, every) => (1..=ms).for_each(|n| self.millisecond(n % every == 0, n % every == 0)),
            MonoJump(ms) => self.mono += ms,
            BootJump(ms) => self.boot += ms,
        }
    }

    fn run(stretches: &[Stretch]) -> Self {
        let mut world = Self::new();
        world.pass(Healthy(500));
        stretches.iter().for_each(|stretch| world.pass(*stretch));
        world.pass(Healthy(500));
        world
    }

    fn begun(&self) -> usize {
        self.steps.iter().filter(|step| matches!(step, Step::Begin { .. })).count()
    }

    /// The durations of the hangs, in milliseconds.
    fn durations(&self) -> Vec<u64> {
        let duration = |step: &Step| match step {
            Step::End { duration, .. } => Some(duration.as_millis() as u64),
            _ => None,
        };
        self.steps.iter().filter_map(duration).collect()
    }
}

/// Asserts that a stretch of the world gives no hang.
#[track_caller]
fn none(stretches: &[Stretch]) -> Counts {
    let world = World::run(stretches);
    assert_eq!((world.begun(), world.durations()), (0, vec![]), "{stretches:?}");
    world.hangs.counts()
}

/// Asserts that the hangs have these durations.
#[track_caller]
fn hangs(stretches: &[Stretch], expected: &[u64]) -> World {
    let world = World::run(stretches);
    let found = world.durations();
    let is_near = |(found, expected): (&u64, &u64)| found.abs_diff(*expected) <= EXACT_MS;
    assert!(
        found.len() == expected.len() && found.iter().zip(expected).all(is_near),
        "{stretches:?}: {found:?}, not {expected:?}"
    );
    assert_eq!(world.begun(), expected.len());
    world
}

#[test]
fn a_block_of_three_seconds_is_one_hang_of_three_seconds() {
    let world = hangs(&[Blocked(3_000)], &[3_000]);
    let begin = world.steps.iter().position(|step| matches!(step, Step::Begin { .. })).unwrap();
    let end = world.steps.iter().position(|step| matches!(step, Step::End { .. })).unwrap();
    assert!((9..=11).contains(&(end - begin)), "a second after the threshold, it ends");
    assert!(world.steps[begin + 1..end].iter().all(|step| *step == Step::Sample));
    assert_eq!(world.hangs.counts(), Counts { hangs: 1, ..Counts::default() });
}

#[test]
fn a_block_below_the_threshold_is_no_hang() {
    none(&[Blocked(1_800)]);
    none(&[Blocked(1_800), Healthy(50), Blocked(1_800)]);
}

#[test]
fn several_hangs_in_a_row_are_each_one() {
    hangs(&[Blocked(3_000), Healthy(150), Blocked(2_500), Healthy(10), Blocked(5_000)], &[3_000, 2_500, 5_000]);
}

#[test]
fn a_process_that_was_stopped_has_not_hung() {
    for ms in [100, 900, 2_000, 10_000, 60_000] {
        none(&[Stopped(ms)]);
        none(&[Stopped(ms), Healthy(30), Stopped(ms)]);
    }
    assert_eq!(none(&[Stopped(10_000)]), Counts { suspended: 1, ..Counts::default() });
}

#[test]
fn a_device_that_slept_has_not_hung() {
    for ms in [60, 2_000, 8 * 3_600_000] {
        assert_eq!(none(&[Asleep(ms)]), Counts { suspended: 1, ..Counts::default() });
    }
}

#[test]
fn a_processor_that_others_use_is_not_blamed_on_the_main_thread() {
    for every in [160, 300, 700, 950] {
        let counts = none(&[Starved(30_000, every)]);
        assert!(counts.starved > 20, "{every}: {counts:?}");
    }
    assert!(none(&[Starved(60_000, 5_000)]).suspended > 5);
}

#[test]
fn an_app_that_is_woken_in_the_background_has_not_hung() {
    none(&[Background(60_000)]);
    none(&[Background(60_000), Stopped(3_600_000), Background(4_000)]);
    none(&[Background(1_900), Healthy(20), Background(5_000)]);
}

#[test]
fn a_clock_that_jumps_makes_no_hang() {
    for ms in [3_000, 60_000, 50 * 365 * 86_400_000] {
        none(&[BootJump(ms)]);
        none(&[MonoJump(ms)]);
        none(&[BootJump(-ms.min(1_000_000_000))]);
        none(&[MonoJump(-ms.min(900_000_000))]);
    }
}

#[test]
fn a_hang_does_not_count_the_time_in_which_nothing_could_run() {
    hangs(&[Blocked(2_500), Stopped(30_000), Blocked(1_000)], &[3_500]);
    hangs(&[Blocked(2_500), Asleep(30_000), Blocked(1_000)], &[3_500]);
    hangs(&[Blocked(2_500), Background(30_000), Blocked(1_000)], &[3_500]);
    hangs(&[Blocked(1_500), Stopped(30_000), Blocked(1_500)], &[3_000]);
}

#[test]
fn a_busy_device_does_not_shorten_a_hang_that_is_proved() {
    let mut world = World::new();
    world.pass(Healthy(500));
    world.pass(Blocked(2_500));
    // The watchdog comes late, and the main thread is blocked all the same.
    (1..=1_500).for_each(|n| world.millisecond(n % 180 == 0, false));
    world.pass(Healthy(500));
    let found = world.durations();
    assert!(found.len() == 1 && found[0].abs_diff(4_000) <= EXACT_MS, "{found:?}");
    assert!(world.hangs.counts().starved > 5);
}

#[test]
fn a_hang_that_never_ends_is_left_to_the_next_launch() {
    let mut world = World::new();
    world.pass(Healthy(500));
    let beat = BootTime(world.beat as u64 * MS);
    world.pass(Blocked(60_000));
    assert!(world.durations().is_empty());
    let begun: Vec<&Step> = world.steps.iter().filter(|step| matches!(step, Step::Begin { .. })).collect();
    assert_eq!(begun, [&Step::Begin { started: beat }]);
    let stacks = world.steps.iter().filter(|step| matches!(step, Step::Begin { .. } | Step::Sample)).count();
    assert_eq!(stacks, MAX_HANG_STACKS as usize);
}

#[test]
fn a_main_thread_that_has_not_begun_does_not_hang() {
    let mut hangs = Hangs::new(Watch::default());
    for n in 0..100 {
        let now = n * PERIOD_MS * MS;
        let (beat, late_by, is_foreground) = (BootTime(0), Duration::ZERO, true);
        let step = hangs.observe(Look { mono: now, boot: BootTime(now), beat, late_by, is_foreground });
        assert_eq!(step, Step::Quiet);
    }
}

#[test]
fn android_does_not_call_three_seconds_an_anr() {
    let begun = |ms| {
        let mut world = World { hangs: Hangs::new(Watch::anr()), ..World::new() };
        [Healthy(500), Blocked(ms), Healthy(500)].into_iter().for_each(|stretch| world.pass(stretch));
        world.begun()
    };
    assert_eq!((begun(4_500), begun(5_500)), (0, 1));
}

/// Stretches that must never be taken for a hang.
fn harmless() -> impl Strategy<Value = Stretch> {
    prop_oneof![
        (1..3_000u64).prop_map(Healthy),
        (1..1_500u64).prop_map(Blocked),
        (100..60_000u64).prop_map(Stopped),
        (1..10_000_000u64).prop_map(Asleep),
        (1_000..20_000u64, 160..2_000u64).prop_map(|(ms, every)| Starved(ms, every)),
        (1..20_000u64).prop_map(Background),
        (-100_000..i64::from(u32::MAX)).prop_map(MonoJump),
        (-100_000..i64::from(u32::MAX)).prop_map(BootJump),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, rng_seed: RngSeed::Fixed(17), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_stops_the_world_is_no_hang(stretches in vec(harmless(), 1..8)) {
        // The main thread answers in between, as it does when it gets the processor.
        let with_answers: Vec<Stretch> = stretches.iter().flat_map(|stretch| [*stretch, Healthy(20)]).collect();
        let world = World::run(&with_answers);
        prop_assert_eq!((world.begun(), world.durations()), (0, vec![]));
    }

    #[test]
    fn blocks_are_found_each_once_among_everything_else(
        blocks in vec((2_200..9_000u64, harmless()), 1..5),
    ) {
        let stretches: Vec<Stretch> =
            blocks.iter().flat_map(|(ms, other)| [Healthy(250), Blocked(*ms), Healthy(20), *other, Healthy(20)]).collect();
        let world = World::run(&stretches);
        let found = world.durations();
        prop_assert_eq!(found.len(), blocks.len());
        for (found, (expected, _)) in found.iter().zip(&blocks) {
            prop_assert!(found.abs_diff(*expected) <= EXACT_MS, "{} for {}", found, expected);
        }
    }

    #[test]
    fn any_numbers_are_survived(
        looks in vec((any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<bool>()), 1..50),
    ) {
        let mut hangs = Hangs::new(Watch::default());
        let mut is_open = false;
        for (mono, boot, beat, late_by, is_foreground) in looks {
            let late_by = Duration::from_nanos(late_by);
            match hangs.observe(Look { mono, boot: BootTime(boot), beat: BootTime(beat), late_by, is_foreground }) {
                Step::Begin { .. } => {
                    prop_assert!(!is_open);
                    is_open = true;
                }
                Step::End { .. } => {
                    prop_assert!(is_open);
                    is_open = false;
                }
                Step::Sample => prop_assert!(is_open),
                Step::Quiet | Step::Suspended | Step::Starved => {}
            }
        }
    }
}
